"""Any quantized network as a torch module that computes exactly its integers, and learns there."""

import numpy as np
import torch
from torch import Tensor, nn

from deploy import grid
from deploy.errors import UnsupportedError
from deploy.network import Conv, Dense, Flatten, Network
from deploy.network.counts import largest_counts
from deploy.network.nodes import Delay, Input, Output
from deploy.quantization.rounding import collect_layer
from deploy.quantization.search import Quantization
from export.tensor_graph import State, TensorGraph
from export.tuning.grid_cells import GridCells
from export.tuning.grid_layers import GridConv, GridDense
from export.tuning.trained_network import trained_network


class GridNetwork(TensorGraph):
    """Frames (T, N, *input_shape) to what the output layer gives on the grid, in float units.

    Args:
        quantization: of any network; gives scales, decays and thresholds, which stay.
        weight_bits: bits per weight, 1 to 8.
        max_count: the largest count that a frame may hold.

    Raises:
        UnsupportedError: a node that cannot be trained on the grid, by name.
    """

    def __init__(self, quantization: Quantization, *, weight_bits: int, max_count: int = 1) -> None:
        modules: dict[str, nn.Module] = {}
        for layer in quantization.layers:
            floating = collect_layer(quantization.prepared, layer.name)
            modules[layer.name] = GridCells(floating, layer)
            for name, node in layer.synapses.items():
                kind = GridConv if isinstance(node, Conv) else GridDense
                modules[name] = kind(name, floating, layer, weight_bits)
        network = quantization.network
        for name, node in network.nodes.items():
            if name not in modules and not isinstance(node, Input | Output | Flatten | Delay):
                raise UnsupportedError(f"{name}: a {type(node).__name__} cannot be trained on the grid; fold it first")
        super().__init__(network, modules)
        self._quantization = quantization
        self.ends_in_readout = network.neurons[network.output_layer].is_readout
        if largest_sum(network, max_count) >= grid.FLOAT32_EXACT:
            self.double()

    def rest(self, name: str, like: Tensor) -> State:
        cells = self.nodes[name]
        assert isinstance(cells, GridCells)
        return cells.rest(like)

    @torch.no_grad()
    def network(self) -> Network:
        """The network on the grid that this module computes."""
        weights, biases = {}, {}
        for layer in self._quantization.layers:
            cells = self.nodes[layer.name]
            assert isinstance(cells, GridCells)
            biases[layer.name] = cells.rounded_bias()
            for name in layer.synapses:
                module = self.nodes[name]
                assert isinstance(module, GridConv | GridDense)
                weights[name] = module.rounded_weight()
        return trained_network(self._quantization, weights, biases)


def largest_sum(network: Network, max_count: int) -> int:
    """What the synapses of one layer can sum to at most, whatever training makes of their weights."""
    counts = largest_counts(network, max_count)
    sums = {
        name: 256 * int(np.prod(node.weight.shape[1:])) * sum(counts[source] for source in network.sources(name))
        << max(0, node.weight_exp)
        for name, node in network.nodes.items()
        if isinstance(node, Dense | Conv)
    }
    return max(sum(sums.get(source, 0) for source in network.sources(name)) for name in network.neurons)
