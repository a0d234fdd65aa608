"""What a network is: nodes, graph, shapes, counts, and what its linear nodes do to an array."""

from deploy.network.graph import Network
from deploy.network.nodes import (
    Array,
    Conv,
    Delay,
    Dense,
    Edge,
    Flatten,
    FloatNeuron,
    GridNeuron,
    Input,
    Neuron,
    Node,
    Output,
    Pair,
    Scale,
    Shape,
    SumPool,
    exactly,
)

__all__ = [
    "Array",
    "Conv",
    "Delay",
    "Dense",
    "Edge",
    "Flatten",
    "FloatNeuron",
    "GridNeuron",
    "Input",
    "Network",
    "Neuron",
    "Node",
    "Output",
    "Pair",
    "Scale",
    "Shape",
    "SumPool",
    "exactly",
]
