"""Step a network with switchable rules, freely or along a recorded trace.

Along a trace, every layer is fed the spikes that were recorded, and resets where it was recorded to spike. What a
layer then calls for depends on nothing but its own rule and its recorded past: a difference is that layer's own, and
what merely follows from a difference elsewhere does not show.
"""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from deploy.checking.divergence.rules import RIGHT, Rules, merged, step
from deploy.checking.divergence.setup import Setup
from deploy.errors import UnsupportedError
from deploy.grid import FLOAT32_EXACT, shift_weighted_sum
from deploy.network import Array, Conv, Dense, FloatNeuron, GridNeuron, Network, Neuron, SumPool, exactly
from deploy.network.ops import apply
from deploy.network.state import State
from deploy.runners.walk import ArrayArithmetic, Walk, offsets
from deploy.traces.trace import Trace


@dataclass(frozen=True)
class Replay:
    """By layer, in raw steps (R, T', ...): the spikes it calls for, its sums, u, and v before and after the reset.

    arriving: by synapse that feeds a layer of `only`, its input.
    """

    spikes: Mapping[str, Array]
    sums: Mapping[str, Array]
    u: Mapping[str, Array]
    potential: Mapping[str, Array]
    v: Mapping[str, Array]
    arriving: Mapping[str, Array]


def replay(setup: Setup, *, along: Trace | None = None, only: frozenset[str] | None = None) -> Replay:
    """Run a setup from rest.

    Args:
        setup: what to run.
        along: a trace of the same recordings, whose spikes are fed to every layer; None: free.
        only: the layers that are computed; needs `along`, which stands in for the others.
    """
    arithmetic = _Exact(setup, len(setup.frames), along, only)
    key = arithmetic.heard_by(along, only)
    if key is None or not arithmetic.hear(key):
        _walk(setup, arithmetic)
        arithmetic.remember(key)
    arithmetic.finish()
    kept = {kind: {name: _joined(parts) for name, parts in layers.items()} for kind, layers in arithmetic.kept.items()}
    # A walk asks once more, and first, what a recurrent synapse gives at rest.
    steps = setup.frames.shape[1] + max(offsets(setup.network, setup.schedule).values())
    kept["arriving"] = {name: x[:, -steps:] for name, x in kept["arriving"].items()}
    return Replay(**kept)


def _joined(parts: Sequence[Array]) -> Array:
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)


def _walk(setup: Setup, arithmetic: "_Exact") -> None:
    frames, later = setup.seen, max(offsets(setup.network, setup.schedule).values())
    after = np.zeros((len(frames), later, *frames.shape[2:]), frames.dtype)
    whole = np.concatenate([frames, after], axis=1)
    Walk(setup.network, arithmetic, setup.schedule).advance(whole, whole.shape[1])


KEPT = ("spikes", "sums", "u", "potential", "v")
"""What is kept of a layer, in the order of `_walk_layer`."""


HEARD_MOST, HEARD_SIZE = 6, 1 << 21
"""What the last few layers were fed, of so many numbers at most: most hypotheses change nothing of it."""
_HEARD: OrderedDict[tuple[object, ...], tuple[dict[str, list[Array]], dict[str, list[Array]], object]] = OrderedDict()


class _Exact(ArrayArithmetic):
    """The arithmetic of a walk in numpy: exact sums in float64, states in int64 (floats: float32)."""

    dtype = np.uint8

    def __init__(self, setup: Setup, recordings: int, along: Trace | None, only: frozenset[str] | None) -> None:
        self._setup, self._recordings, self._alive = setup, recordings, along
        self._recorded = {} if along is None else {name: layer.output for name, layer in along.spiking.items()}
        self._only = None if only is None else _with_unrecorded(setup.network, only, self._recorded)
        self._needed = None if self._only is None else _feeding(setup.network, self._only)
        self._output = {} if along is None else dict(along.layers)
        self._offsets = offsets(setup.network, setup.schedule)
        self._states: dict[str, State] = {}
        self._steps: dict[str, int] = dict.fromkeys(setup.network.neurons, 0)
        self._waiting: dict[str, list[Array]] = {}
        self._came: dict[str, list[Array]] = {}
        self.kept: dict[str, dict[str, list[Array]]] = {kind: {} for kind in (*KEPT, "arriving")}

    def heard_by(self, along: Trace | None, only: frozenset[str] | None) -> tuple[object, ...] | None:
        """All that decides what the one layer of `only` is fed along a trace; None where more than that is computed."""
        if along is None or only is None or len(only) != 1 or self._only != only or not only <= along.layers.keys():
            return None
        setup, (layer,) = self._setup, only
        nodes = tuple(id(setup.network.nodes[name]) for name in sorted(self._needed or ()))
        rows = None if setup.rows is None else setup.rows.tobytes()
        return (layer, id(along), id(setup.frames), id(setup.view), rows, setup.schedule, setup.network.edges, nodes)

    def hear(self, key: tuple[object, ...]) -> bool:
        """Take what the layer is fed from the last time that it was asked for."""
        found = _HEARD.get(key)
        if found is None:
            return False
        _HEARD.move_to_end(key)
        self._waiting, self.kept["arriving"], _ = found
        return True

    def remember(self, key: tuple[object, ...] | None) -> None:
        if key is None or sum(x.size for parts in self._waiting.values() for x in parts) > HEARD_SIZE:
            return
        # With all whose identity is in the key, so that it stays theirs.
        alive = (self._setup, tuple(self._recorded.values()), self._alive)
        _HEARD[key] = (self._waiting, self.kept["arriving"], alive)
        if len(_HEARD) > HEARD_MOST:
            _HEARD.popitem(last=False)

    def enter(self, frames: Array) -> Array:
        return frames

    def synapse(self, name: str, x: Array) -> Array:
        network = self._setup.network
        if self._needed is not None and name not in self._needed:
            return np.broadcast_to(np.uint8(0), (*x.shape[:2], *network.shapes[name]))
        if self._needed is not None:
            self.kept["arriving"].setdefault(name, []).append(x)
        return sums_of(network, name, x)

    def neurons(self, name: str, x: Array) -> Array:
        steps, start = x.shape[1], self._steps[name]
        self._steps[name] += steps
        recorded = self._recorded.get(name)
        recorded = None if recorded is None else recorded[:, start : start + steps]
        if self._only is not None and name not in self._only:
            return np.zeros(x.shape, bool) if recorded is None else recorded
        if name in self._output:
            # What others are fed is known, so that the layer is stepped over all its steps at once, at the end.
            self._waiting.setdefault(name, []).append(x)
            return np.zeros(x.shape, bool) if recorded is None else recorded
        return self._walk_layer(name, x, start, None)

    def finish(self) -> None:
        """Step the layers that waited for their whole input."""
        for name, parts in self._waiting.items():
            recorded = self._recorded.get(name)
            reset, x = self._reset_at(name), _joined(parts)
            for start, stop in ((0, reset), (reset, x.shape[1])):
                if start < stop:
                    self._states.pop(name, None)
                    given = None if recorded is None else recorded[:, start:stop]
                    self._walk_layer(name, x[:, start:stop], start, given)

    def _reset_at(self, name: str) -> int:
        return self._setup.network.depth[name] if self._setup.schedule == "pipelined" else 0

    def _walk_layer(self, name: str, x: Array, first: int, recorded: Array | None) -> Array:
        """Step a layer through x, whose first step is `first`; gives the spikes that are due."""
        node, parts = self._setup.network.neurons[name], self._setup.rules.get(name, (RIGHT,))
        if parts != (RIGHT,):
            node = exactly(name, node, "the replay of a mistake", GridNeuron, FloatNeuron, every_reset=True)
        past = self._came.setdefault(name, [])
        past.append(x)
        inputs = [_late(_joined(past) if part.late else x, x.shape[1], part.late) for part in parts]
        numbers, at = self._setup.numbers, first - self._offsets[name]
        inputs = [
            a if part.adds is None else _added(a, part.adds(numbers), at) for part, a in zip(parts, inputs, strict=True)
        ]
        if any(part.carries for part in parts):
            if x.shape[1] != self._setup.frames.shape[1]:
                raise UnsupportedError(f"{name}: a state carried over recordings is only followed layer by layer")
            given, state = _one_by_one(node, parts, inputs, recorded, numbers)
        else:
            state = self._states.get(name) or _start(node, parts, numbers)
            given, state = _through(node, parts, state, inputs, recorded, numbers, at)
        self._states[name] = state
        given["sums"] = x
        for kind in KEPT:
            self.kept[kind].setdefault(name, []).append(given[kind])
        return given["spikes"]

    def reset(self, name: str) -> None:
        self._states.pop(name, None)

    def add(self, values: Sequence[Array]) -> Array:
        dtype = np.float32 if values[0].dtype.kind == "f" else np.int64
        return sum((value.astype(dtype) for value in values[1:]), start=values[0].astype(dtype))


def sums_of(network: Network, name: str, x: Array) -> Array:
    """What a synapse makes of x (R, T, ...): exact sums in int64, or float32."""
    node = network.nodes[name]
    flat = x.reshape(-1, *x.shape[2:])
    if not network.on_grid:
        out = apply(node, flat.astype(np.float32))  # pyright: ignore[reportArgumentType]
        return out.reshape(*x.shape[:2], *out.shape[1:])
    busy: Array = np.asarray(flat.reshape(len(flat), -1).any(axis=1))
    busy[:1] = True  # of what comes out, one row tells the shape: that of x, which may be padded otherwise
    made = _exact_sums(node, flat[busy])  # pyright: ignore[reportArgumentType]
    out = np.zeros((len(flat), *made.shape[1:]), np.int64)
    out[busy] = made
    return out.reshape(*x.shape[:2], *out.shape[1:])


def _exact_sums(node: Dense | Conv | SumPool, x: Array) -> Array:
    """What a synapse on the grid makes of x (N, ...), in floats, for BLAS, that hold every partial sum exactly."""
    if isinstance(node, SumPool):
        return apply(node, x.astype(np.int64))
    largest = np.abs(node.weight).reshape(len(node.weight), -1).sum(axis=1).max(initial=0)
    largest *= max(int(x.max(initial=0)), -int(x.min(initial=0)))
    kind = np.float32 if largest < FLOAT32_EXACT else np.float64
    sums = apply(replace(node, weight=node.weight.astype(kind)), x.astype(kind))
    return shift_weighted_sum(sums.astype(np.int64), node.weight_exp)


def later(x: Array, steps: int) -> Array:
    """x (R, T, ...) so many steps later (negative: earlier), zeros moved in; 0: x itself."""
    if not steps:
        return x
    moved = np.zeros_like(x)
    if steps > 0:
        moved[:, steps:] = x[:, : max(0, x.shape[1] - steps)]
    else:
        moved[:, :steps] = x[:, -steps:]
    return moved


def _late(x: Array, steps: int, by: int) -> Array:
    """The last `steps` steps of x, `by` steps late."""
    return later(x, by)[:, x.shape[1] - steps :]


def _added(a: Array, more: Array, first: int) -> Array:
    """Sums of inputs whose first step is `first`, with what else arrives from step 0 on."""
    begin, stop = max(first, 0), min(first + a.shape[1], more.shape[1])
    if begin < stop:
        a = a.copy()
        a[:, begin - first : stop - first] += more[:, begin:stop]
    return a


def _start(node: Neuron, parts: tuple[Rules, ...], numbers: Array) -> State:
    state = node.rest(len(numbers))
    for _ in range(parts[0].early_steps):
        state = step(node, parts[0], state, np.zeros_like(state.u)).state
    for part in parts:
        if part.start is not None:
            state = state._replace(v=np.where(part.mask(numbers, 0, state.v.ndim), part.start[numbers], state.v))
    return state


def _through(
    node: Neuron,
    parts: tuple[Rules, ...],
    state: State,
    inputs: list[Array],
    recorded: Array | None,
    numbers: Array,
    first: int,
) -> tuple[dict[str, Array], State]:
    """All steps of a layer: what came of them by kind, and the state after them."""
    rows: dict[str, list[Array]] = {kind: [] for kind in KEPT if kind != "sums"}
    for t in range(inputs[0].shape[1]):
        happened = None if recorded is None else recorded[:, t]
        now = step(node, parts[0], state, inputs[0][:, t], happened)
        for part, x in zip(parts[1:], inputs[1:], strict=True):
            where = part.mask(numbers, first + t, state.v.ndim)
            if where is not False:
                now = merged(where, step(node, part, state, x[:, t], happened), now)
        state = now.state
        for kind, value in zip(rows, (now.spikes, state.u, now.potential, state.v), strict=True):
            rows[kind].append(value)
    return {kind: np.stack(values, axis=1) for kind, values in rows.items()}, state


def _one_by_one(
    node: Neuron, parts: tuple[Rules, ...], inputs: list[Array], recorded: Array | None, numbers: Array
) -> tuple[dict[str, Array], State]:
    """The same, one recording after the other, each from what the one before left behind."""
    given: list[dict[str, Array]] = []
    state = _start(node, parts, numbers[:1])
    for r in range(len(numbers)):
        one = slice(r, r + 1)
        if r:
            fresh = _start(node, parts, numbers[one])
            for part in parts:
                if part.carries:
                    where = part.mask(numbers[one], 0, state.v.ndim)
                    kept = {kind: getattr(state, kind) for kind in part.carries}
                    kept = {kind: x if part.left is None else part.left(x) for kind, x in kept.items()}
                    left = {kind: np.where(where, x, getattr(fresh, kind)) for kind, x in kept.items()}
                    fresh = fresh._replace(**left)
            state = fresh
        happened = None if recorded is None else recorded[one]
        rows, state = _through(node, parts, state, [x[one] for x in inputs], happened, numbers[one], 0)
        given.append(rows)
    return {kind: np.concatenate([rows[kind] for rows in given]) for kind in given[0]}, state


def _with_unrecorded(network: Network, only: frozenset[str], recorded: Mapping[str, Array]) -> frozenset[str]:
    """These layers, and those that have to be computed for them because a trace does not hold their spikes."""
    found, waiting = set(only), list(only)
    while waiting:
        for name in _before(network, waiting.pop()):
            if name not in recorded and name not in found:
                found.add(name)
                waiting.append(name)
    return frozenset(found)


def _before(network: Network, layer: str) -> set[str]:
    """The layers of neurons that feed a layer."""
    nodes = {layer, *_feeding(network, frozenset([layer]))}
    return {source for name in nodes for source in network.sources(name) if source in network.neurons}


def _feeding(network: Network, layers: frozenset[str]) -> frozenset[str]:
    """The nodes on the way into `layers`, up to the neurons before them."""
    found: set[str] = set()
    waiting = [source for layer in layers for source in network.sources(layer)]
    while waiting:
        name = waiting.pop()
        if name not in found and name not in network.neurons:
            found.add(name)
            waiting += network.sources(name)
    return frozenset(found)
