"""The arithmetic of a walk over a network on the grid: compiled kernels over channel-last arrays.

Values are (R, T, H, W, C) or (R, T, n) arrays. A synapse gives no sums: it waits for the neurons it feeds, whose kernel
adds them up on the fly; whatever else meets it has it work them out (`_settled`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from math import prod

import numpy as np

from deploy.errors import GridError
from deploy.grid import shift_weighted_sum
from deploy.network import Array, Conv, Dense, Flatten, GridNeuron, Input, Network, Shape, SumPool
from deploy.network.ops import apply
from deploy.network.state import State
from deploy.runners.integer.bounds import arriving, largest_values, stays_within
from deploy.runners.integer.kernels import SUM_LIMIT, step_layer
from deploy.runners.integer.layer_data import Synapse
from deploy.runners.integer.layouts import channel_first, channel_last, channels_first, counts_channel_last, sum_windows
from deploy.runners.integer.prepared import NO_CELLS, Layer, Prepared
from deploy.runners.integer.threads import for_slices
from deploy.traces.checksum import digest
from deploy.traces.layers import KINDS

INT32_LIMIT = 1 << 31


@dataclass(frozen=True)
class Pending:
    """Synapses, poolings and inputs whose sums are still to be made, each with what it takes, and an array to add."""

    synapses: tuple[tuple[str, "Values"], ...]
    base: Array | None = None


Values = Array | Pending


class IntegerArithmetic:
    """`deploy.runners.walk.Arithmetic` in integers; keeps what the layers give until it is taken."""

    def __init__(
        self, network: Network, prepared: Prepared, recordings: int, states: int = 0, digests: bool = False
    ) -> None:
        """Keeps u and v of the first `states` recordings, v of a readout and `digests` of all."""
        self._network, self._prepared, self._states, self._digests = network, prepared, states, digests
        self.layers = {name: Layer.of(name, network, prepared, recordings) for name in network.neurons}
        self._stepped: dict[str, State] = {}
        self._largest_count = 0
        self._bounds = cache(lambda count: largest_values(network, prepared.gains, count))
        self._kept: dict[str, dict[str, list[Array]]] = {kind: {} for kind in KINDS}

    @property
    def bounds(self) -> dict[str, float]:
        """By node, the largest magnitude it can give for the counts seen so far."""
        return self._bounds(self._largest_count)

    def take(self) -> dict[str, dict[str, Array]]:
        """What the layers gave since the last call: by kind (`KINDS`) and neuron name, each (R, T, ...)."""
        kept, self._kept = self._kept, {kind: {} for kind in KINDS}
        return {
            kind: {
                name: parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1) for name, parts in found.items()
            }
            for kind, found in kept.items()
        }

    def keep(self, rows: Array) -> None:
        """Drop the state of all other recordings; what they overflowed stays counted."""
        self.layers = {name: layer.keep(rows) for name, layer in self.layers.items()}
        self._states = min(self._states, len(rows))

    def enter(self, frames: Values) -> Values:
        counts = _as_counts(self._settled(frames))
        self._largest_count = max(self._largest_count, int(counts.max(initial=0)))
        return Pending(((self._network.input, counts),))

    def synapse(self, name: str, x: Values) -> Values:
        return Pending(((name, x if self._as_it_is(x) else _as_counts(self._settled(x))),))

    def neurons(self, name: str, x: Values) -> Array:
        layer, node = self.layers[name], self._network.nodes[name]
        assert isinstance(node, GridNeuron)
        if type(node) is not GridNeuron:
            return self._step_by_step(name, node, x)
        inputs, largest, synapse, base = self._into_kernel(name, x)
        recordings, steps, channels, places = *inputs.shape[:2], node.shape[0], prod(node.shape[1:])
        within = stays_within(node, arriving(self._network, name, self.bounds))
        cells = layer.cells._replace(within=within)
        spikes = np.empty((recordings, steps, places, channels), np.uint8)
        u = np.empty((self._states, steps, channels, places), np.int32)
        v = np.empty((recordings if node.is_readout else self._states, steps, channels, places), np.int32)
        digests = np.zeros((recordings, steps, 2 if self._digests else 0), np.uint64)
        no_sums = np.empty((recordings, 0, 0), np.int32)
        first = spikes if places == 1 or node.is_readout else np.empty((recordings, steps, channels, places), np.uint8)

        def step(r: slice) -> None:
            states = (layer.u[r], layer.v[r], spikes[r], u[r], v[r], digests[r], layer.overflow[r], no_sums[r])
            step_layer(inputs[r], largest, synapse, base[r], places, cells, *states)
            if first is not spikes:
                channels_first(spikes[r], first[r])

        for_slices(step, recordings)
        if not node.is_readout:
            self._keep("spikes", name, first.reshape(recordings, steps, *node.shape).view(bool))
        if len(u):
            self._keep("u", name, u.reshape(-1, steps, *node.shape))
        if len(v):
            self._keep("v", name, v.reshape(-1, steps, *node.shape))
        if self._digests:
            self._keep("u_digest", name, digests[..., 0])
            self._keep("v_digest", name, digests[..., 1])
        spikes = spikes.reshape(recordings, steps, *node.shape[1:], channels)
        return spikes

    def reset(self, name: str) -> None:
        self.layers[name].reset()
        self._stepped.pop(name, None)

    def flatten(self, x: Values) -> Array:
        settled = self._settled(x)
        ordered = settled if self._prepared.in_place else np.ascontiguousarray(channel_first(settled))
        return ordered.reshape(*settled.shape[:2], -1)

    def zeros(self, shape: Shape, like: Values, steps: int) -> Array:
        while isinstance(like, Pending):
            like = like.synapses[0][1]
        recordings = len(like)
        return np.zeros((recordings, steps, *shape[1:], shape[0]), np.uint8)

    def add(self, values: Sequence[Values]) -> Values:
        waiting = tuple(synapse for value in values if isinstance(value, Pending) for synapse in value.synapses)
        arrays = [value for value in values if not isinstance(value, Pending)]
        base = sum(arrays[1:], arrays[0].astype(np.int64)) if arrays else None
        return Pending(waiting, base) if waiting else base  # pyright: ignore

    def cut(self, x: Values, start: int, stop: int) -> Array:
        return self._settled(x)[:, start:stop]

    def join(self, parts: Sequence[Values]) -> Array:
        return np.concatenate([self._settled(part) for part in parts], axis=1)

    def _step_by_step(self, name: str, node: GridNeuron, x: Values) -> Array:
        """Neurons of a kind that the kernels do not know: their own steps, in numpy."""
        sums = channel_first(self._settled(x))
        steps, given = node.run(self._stepped.get(name) or node.rest(len(sums)), sums)
        self._stepped[name] = steps[-1].state
        self.layers[name].overflow[0, 0] += sum(step.overflows for step in steps)
        if not node.is_readout:
            self._keep("spikes", name, given["spikes"])
        for kind in ("u", "v"):
            held = len(sums) if kind == "v" and node.is_readout else self._states
            if held:
                self._keep(kind, name, given[kind][:held].astype(np.int32))
            if self._digests:
                self._keep(f"{kind}_digest", name, digest(given[kind]))
        return channel_last(given["spikes"].view(np.uint8))

    def _keep(self, kind: str, name: str, values: Array) -> None:
        self._kept[kind].setdefault(name, []).append(values)

    def _into_kernel(self, name: str, x: Values) -> tuple[Array, int, Synapse, Array]:
        """What enters the layer's synapse (R, T, n), its largest count, that synapse, and the other sums (R, T, n),
        empty if none."""
        layer = self.layers[name]
        if isinstance(x, Pending) and arriving(self._network, name, self.bounds) < SUM_LIMIT:
            fused = next((inputs for source, inputs in x.synapses if source == layer.fused), None)
            if fused is not None:
                rest = Pending(tuple(pair for pair in x.synapses if pair[0] != layer.fused), x.base)
                base = self._flat_sums(rest) if rest.synapses or rest.base is not None else None
                flat, largest, synapse = self._operands(layer.fused, fused)
                return flat, largest, synapse, np.empty((len(flat), 0, 0), np.int32) if base is None else base
        base = self._flat_sums(x)
        return np.empty((*base.shape[:2], 0), np.uint8), 0, layer.silent, base

    def _operands(self, name: str, x: Values) -> tuple[Array, int, Synapse]:
        """What a synapse is fed with in the kernel (R, T, n), its largest count, and the layout that fits it."""
        prepared = self._prepared.synapses[name]
        assert prepared is not None
        scattered = arriving(self._network, name, self.bounds) <= prepared.counts
        if scattered and isinstance(x, Pending) and self._as_it_is(x) == prepared.before:
            name, x = x.synapses[0]
        elif prepared.before:
            scattered = False
        layout = prepared.layout if scattered else prepared.plain
        entering = isinstance(self._network.nodes[name], Input)
        largest = self._largest_count if entering else arriving(self._network, name, self.bounds)
        # Counts are bytes, whatever their bound.
        return _flat(_as_counts(self._settled(x))), int(min(255, largest)), layout

    def _as_it_is(self, x: Values) -> str:
        """The name of the input or pooling that x comes from if it still waits to be worked out, else ""."""
        if not isinstance(x, Pending) or x.base is not None or len(x.synapses) != 1:
            return ""
        name = x.synapses[0][0]
        # Sums that are no counts have to be seen, and refused.
        return name if isinstance(self._network.nodes[name], Input | SumPool) and self.bounds[name] <= 255 else ""

    def _flat_sums(self, x: Values) -> Array:
        return narrow(_flat(self._settled(x)))

    def _settled(self, x: Values) -> Array:
        """The values themselves, sums worked out."""
        if not isinstance(x, Pending):
            return x
        parts = [self._sums(name, inputs) for name, inputs in x.synapses]
        parts += [] if x.base is None else [x.base]
        return parts[0] if len(parts) == 1 else sum(parts[1:], parts[0].astype(np.int64))

    def _sums(self, name: str, x: Values) -> Array:
        """What a synapse, pooling or input gives (R, T, H, W, C), sums in int32 where they are proven to fit."""
        if isinstance(self._network.nodes[name], Input):
            return counts_channel_last(_as_counts(self._settled(x)))
        if isinstance(self._network.nodes[name], SumPool):
            return self._pooled(name, _as_counts(self._settled(x)))
        if self._prepared.synapses[name] is None or self.bounds[name] >= INT32_LIMIT:
            return self._wide_sums(name, _as_counts(self._settled(x)))
        (flat, largest, synapse), shape = self._operands(name, x), self._network.shapes[name]
        places, size = prod(shape[1:]), flat.shape[:2]
        out = np.empty((*size, places * shape[0]), np.int32)
        none, empty = np.empty((0, 0, 0, 0), np.int32), np.empty((size[0], 0, 0), np.int32)
        no_spikes, overflow = np.empty((size[0], 0, 0, 0), np.uint8), np.empty((size[0], 2), np.int64)
        no_digests = np.empty((size[0], 0, 0), np.uint64)

        def step(r: slice) -> None:
            states = (empty[r], empty[r], no_spikes[r], none, none, no_digests[r], overflow[r], out[r])
            step_layer(flat[r], largest, synapse, empty[r], places, NO_CELLS, *states)

        for_slices(step, size[0])
        return out.reshape(*size, *shape[1:], shape[0])

    def _pooled(self, name: str, x: Array) -> Array:
        node, (channels, *size) = self._network.nodes[name], self._network.shapes[name]
        assert isinstance(node, SumPool)
        out = np.empty((*x.shape[:2], *size, channels), np.uint8 if self.bounds[name] < 256 else np.int32)
        for_slices(lambda r: sum_windows(x[r], node.kernel, node.stride, node.padding, out[r]), len(x))
        return out

    def _wide_sums(self, name: str, x: Array) -> Array:
        """The same in int64, slowly: no network that fits a chip needs it."""
        network, node, source = self._network, self._network.nodes[name], self._network.sources(name)[0]
        assert isinstance(node, Dense | Conv)
        if self._prepared.in_place and isinstance(network.nodes[source], Flatten):
            channels, *size = network.shapes[network.sources(source)[0]]
            x = channel_first(x.reshape(*x.shape[:2], *size, channels)).reshape(*x.shape[:2], -1)
        wide = replace(node, weight=node.weight.astype(np.int64))
        counts = np.ascontiguousarray(channel_first(x), np.int64)
        sums = apply(wide, counts.reshape(-1, *counts.shape[2:])).reshape(*x.shape[:2], *network.shapes[name])
        return channel_last(shift_weighted_sum(sums, node.weight_exp))


def narrow(sums: Array) -> Array:
    """Sums as int32 with the same effect on a neuron.

    u wraps at 24 bits and holds the sum times 2^6, so sums that differ by a multiple of 2^18 give the same u; those
    beyond `SUM_LIMIT` are replaced by one between 2^18 and 2^19, which wraps as surely.
    """
    large = (sums >= SUM_LIMIT) | (sums <= -SUM_LIMIT)
    if large.any():
        sums = np.where(large, (1 << 18) + sums % (1 << 18), sums)
    return np.ascontiguousarray(sums, np.int32)


def _flat(x: Array) -> Array:
    return np.ascontiguousarray(x.reshape(*x.shape[:2], -1))


def _as_counts(x: Array) -> Array:
    if x.dtype.kind not in "biu" and not np.array_equal(x, np.rint(x)):
        raise GridError("a synapse takes counts, whole numbers from 0 to 255; these hold fractions or NaN")
    if x.dtype != np.uint8 and x.dtype != bool and (x.min(initial=0) < 0 or x.max(initial=0) > 255):
        raise GridError(f"a synapse takes counts from 0 to 255, these reach from {x.min()} to {x.max()}")
    return np.ascontiguousarray(x, np.uint8)
