"""All passes that fold something linear, until nothing is left to fold."""

from deploy.network import Network
from deploy.passes.drop_identity import drop_identity
from deploy.passes.fold_pooling import fold_pooling
from deploy.passes.fold_pooling_behind import fold_pooling_behind
from deploy.passes.fold_scale import fold_scale
from deploy.passes.merge_linear import merge_linear


def fold_linear(network: Network) -> Network:
    """Everything linear that can be, folded into the synapses.

    Ensures: a network of Conv, Dense, SumPool, Scale, Flatten, Delay and FloatNeuron nodes in which pooling stands
    before a convolution or dense layer and drops no row, or behind a convolution and pads nothing, keeps neither
    pooling nor factors.
    What cannot be folded exactly stays.
    """
    while True:
        folded = merge_linear(fold_pooling(fold_pooling_behind(fold_scale(drop_identity(network)))))
        if len(folded.nodes) == len(network.nodes):
            return folded
        network = folded
