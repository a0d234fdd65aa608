"""The networks: the spiking student with its neuron, and the frame-based teacher."""
