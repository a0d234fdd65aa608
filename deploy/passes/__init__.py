"""Passes: a `Network` in, a `Network` that does the same out. One file a pass, each with what it requires and ensures.

They hold for float networks; on the grid only those do anything that stay exact there. Node names are kept wherever
the node is: above all every neuron keeps its name, so traces made before and after a pass can be compared.
"""

from deploy.network import Network
from deploy.passes.drop_identity import drop_identity
from deploy.passes.fold_pooling import fold_pooling
from deploy.passes.fold_scale import fold_scale
from deploy.passes.merge_linear import merge_linear

__all__ = ["drop_identity", "fold_linear", "fold_pooling", "fold_scale", "merge_linear"]


def fold_linear(network: Network) -> Network:
    """Everything linear that can be, folded into the synapses.

    Ensures: a network of Conv, Dense, SumPool, AvgPool, Scale, Flatten, Delay and Neuron nodes in which pooling stands
    before a convolution or dense layer and drops no row keeps only Input, Conv, Dense, Flatten, Delay, Neuron, Output.
    What cannot be folded exactly stays.
    """
    while True:
        folded = merge_linear(fold_pooling(fold_scale(drop_identity(network))))
        if len(folded.nodes) == len(network.nodes):
            return folded
        network = folded
