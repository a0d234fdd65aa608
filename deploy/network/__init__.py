"""What a network is: nodes, graph, shapes, counts, and what its linear nodes do to an array."""

from deploy.network.graph import Network
from deploy.network.neurons import FloatNeuron, GridNeuron, Neuron, exactly, reset_in_words
from deploy.network.nodes import Conv, Delay, Dense, Flatten, Input, Node, Output, Scale, SumPool
from deploy.network.types import RESET_MECHANISMS, Array, Edge, Pair, ResetMechanism, Shape

__all__ = [
    "RESET_MECHANISMS",
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
    "ResetMechanism",
    "Scale",
    "Shape",
    "SumPool",
    "exactly",
    "reset_in_words",
]
