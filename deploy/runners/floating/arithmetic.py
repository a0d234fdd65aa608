"""The arithmetic of a walk in float32: compiled kernels over channel-last arrays (R, T, H, W, C) or (R, T, n).

Values are uint8 where they are counts or spikes, else float32.
"""

from collections.abc import Sequence
from functools import cached_property
from math import prod

import numpy as np

from deploy.network import Array, Conv, Dense, FloatNeuron, Network, Scale, Shape, SumPool
from deploy.runners.floating.cells import Cells, Stepped
from deploy.runners.floating.kernels import sums_of
from deploy.runners.floating.synapses import Synapse
from deploy.runners.integer.layouts import channel_first, channel_last, counts_channel_last, sum_windows
from deploy.runners.integer.prepared import flattens_in_place
from deploy.runners.integer.threads import for_slices
from deploy.runners.walk import ArrayArithmetic

KEPT = ("spikes", "u", "v")


class FloatArithmetic(ArrayArithmetic):
    """Keeps what the layers give: `kept`, by kind and layer, pieces of time (R or `keep`, T, *shape)."""

    def __init__(self, network: Network, recordings: int, keep: int) -> None:
        self._network, self._keep = network, keep
        self._in_place = flattens_in_place(network)
        self._layers = {
            name: (Cells if type(node) is FloatNeuron else Stepped).of(node, recordings)
            for name, node in network.neurons.items()
            if isinstance(node, FloatNeuron)
        }
        self.kept: dict[str, dict[str, list[Array]]] = {kind: {} for kind in KEPT}

    @cached_property
    def _synapses(self) -> dict[str, Synapse]:
        return {
            name: Synapse.of(name, self._network, self._in_place)
            for name, node in self._network.nodes.items()
            if isinstance(node, Dense | Conv)
        }

    def enter(self, frames: Array) -> Array:
        if frames.dtype not in (np.uint8, np.bool_):
            return channel_last(frames.astype(np.float32))
        return counts_channel_last(np.ascontiguousarray(frames).view(np.uint8))

    def synapse(self, name: str, x: Array) -> Array:
        node, shape = self._network.nodes[name], self._network.shapes[name]
        if isinstance(node, Scale):
            factor = np.broadcast_to(np.asarray(node.factor, np.float32), shape)
            return x * np.ascontiguousarray(np.moveaxis(factor, 0, -1))
        inputs = np.ascontiguousarray(x)
        size = (*x.shape[:2], *shape[1:], shape[0])
        if isinstance(node, SumPool):
            out = np.empty(size, np.uint8 if self._sums_fit_bytes(name, node) else np.float32)
            for_slices(lambda r: sum_windows(inputs[r], node.kernel, node.stride, node.padding, out[r]), len(x))
            return out
        s, sums = self._synapses[name], np.empty(size, np.float32)
        for_slices(lambda r: sums_of(inputs[r], s.weight, s.bias, s.geometry, s.few, sums[r]), len(x))
        return sums

    def _sums_fit_bytes(self, name: str, node: SumPool) -> bool:
        """Whether a pooling sees spikes alone, few enough at once."""
        sources = [self._network.nodes[source] for source in self._network.sources(name)]
        spiking = [isinstance(source, FloatNeuron) and not source.is_readout for source in sources]
        return spiking == [True] and prod(node.kernel) <= 255

    def neurons(self, name: str, x: Array) -> Array:
        layer, node = self._layers[name], self._network.nodes[name]
        assert isinstance(node, FloatNeuron)
        out, u, v = layer(x, self._keep)
        if not node.is_readout:
            self._take("spikes", name, channel_first(out.view(bool)))
        if self._keep:
            self._take("u", name, channel_first(u))
        if self._keep or node.is_readout:
            self._take("v", name, channel_first(out if node.is_readout else v))
        return out

    def flatten(self, x: Array) -> Array:
        ordered = x if self._in_place else channel_first(x)
        return ordered.reshape(*x.shape[:2], -1)

    def zeros(self, shape: Shape, like: Array, steps: int) -> Array:
        return np.zeros((len(like), steps, *shape[1:], shape[0]), np.uint8)

    def add(self, values: Sequence[Array]) -> Array:
        # Counts are bytes and would wrap.
        return sum(values[1:], start=values[0].astype(np.float32))

    def reset(self, name: str) -> None:
        self._layers[name].reset()

    def _take(self, kind: str, name: str, values: Array) -> None:
        self.kept[kind].setdefault(name, []).append(values)
