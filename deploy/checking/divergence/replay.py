"""Step a network with switchable rules, freely or along a recorded trace.

Along a trace, every layer is fed the spikes that were recorded, and resets where it was recorded to spike. What a
layer then calls for depends on nothing but its own rule and its recorded past: a difference is that layer's own, and
what merely follows from a difference elsewhere does not show.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from deploy.checking.divergence.rules import RIGHT, Rules, step
from deploy.errors import UnsupportedError
from deploy.grid import shift_weighted_sum
from deploy.network import Array, Conv, Dense, FloatNeuron, GridNeuron, Network, Neuron, exactly
from deploy.network.ops import apply
from deploy.network.state import State
from deploy.runners.walk import ArrayArithmetic, Walk, offsets
from deploy.traces.trace import Trace


@dataclass(frozen=True, kw_only=True)
class Setup:
    """One way to run a network: what a runner did, or what it would have done had one thing been otherwise.

    frames: (R, T, *input_shape); rules by layer, `RIGHT` where none is named.
    """

    network: Network
    frames: Array
    rules: Mapping[str, Rules] = field(default_factory=dict)
    schedule: str = "synchronous"

    def with_rules(self, layer: str, **changes: object) -> "Setup":
        """The same with other rules in one layer."""
        changed = replace(self.rules.get(layer, RIGHT), **changes)  # pyright: ignore[reportArgumentType]
        return replace(self, rules={**self.rules, layer: changed})

    def with_node(self, name: str, **changes: object) -> "Setup":
        """The same with other parameters in one node."""
        node = replace(self.network.nodes[name], **changes)  # pyright: ignore[reportArgumentType]
        return replace(self, network=self.network.replace(nodes={**self.network.nodes, name: node}))


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
    frames, later = setup.frames, max(offsets(setup.network, setup.schedule).values())
    after = np.zeros((len(frames), later, *frames.shape[2:]), frames.dtype)
    arithmetic = _Exact(setup, len(frames), along, only)
    whole = np.concatenate([frames, after], axis=1)
    Walk(setup.network, arithmetic, setup.schedule).advance(whole, whole.shape[1])
    kept = {
        kind: {name: np.concatenate(parts, axis=1) for name, parts in layers.items()}
        for kind, layers in arithmetic.kept.items()
    }
    return Replay(**kept)


KEPT = ("spikes", "sums", "u", "potential", "v")
"""What is kept of a layer, in the order of `_walk_layer`."""


class _Exact(ArrayArithmetic):
    """The arithmetic of a walk in numpy: exact sums in float64, states in int64 (floats: float32)."""

    dtype = np.uint8

    def __init__(self, setup: Setup, recordings: int, along: Trace | None, only: frozenset[str] | None) -> None:
        self._setup, self._recordings, self._only = setup, recordings, only
        self._recorded = {} if along is None else {name: layer.output for name, layer in along.spiking.items()}
        self._needed = None if only is None else _feeding(setup.network, only)
        self._states: dict[str, State] = {}
        self._steps: dict[str, int] = dict.fromkeys(setup.network.neurons, 0)
        self.kept: dict[str, dict[str, list[Array]]] = {kind: {} for kind in (*KEPT, "arriving")}

    def enter(self, frames: Array) -> Array:
        return frames

    def synapse(self, name: str, x: Array) -> Array:
        network = self._setup.network
        if self._needed is not None and name not in self._needed:
            return np.broadcast_to(np.uint8(0), (*x.shape[:2], *network.shapes[name]))
        if self._needed is not None:
            self.kept["arriving"].setdefault(name, []).append(x)
        node = network.nodes[name]
        flat = x.reshape(-1, *x.shape[2:])
        if not network.on_grid:
            out = apply(node, flat.astype(np.float32))  # pyright: ignore[reportArgumentType]
        else:
            exact = replace(node, weight=node.weight.astype(np.float64)) if isinstance(node, Dense | Conv) else node
            out = apply(exact, flat.astype(np.float64)).astype(np.int64)  # pyright: ignore[reportArgumentType]
            if isinstance(node, Dense | Conv):
                out = shift_weighted_sum(out, node.weight_exp)
        return out.reshape(*x.shape[:2], *out.shape[1:])

    def neurons(self, name: str, x: Array) -> Array:
        steps, start = x.shape[1], self._steps[name]
        self._steps[name] += steps
        recorded = self._recorded.get(name)
        recorded = None if recorded is None else recorded[:, start : start + steps]
        if self._only is not None and name not in self._only:
            return np.zeros(x.shape, bool) if recorded is None else recorded
        computed = self._walk_layer(name, x, recorded)
        return computed if recorded is None else recorded

    def _walk_layer(self, name: str, x: Array, recorded: Array | None) -> Array:
        node, rules = self._setup.network.neurons[name], self._setup.rules.get(name, RIGHT)
        if rules != RIGHT:
            node = exactly(name, node, "the replay of a mistake", GridNeuron, FloatNeuron, every_reset=True)
        if rules.carries_state:
            if x.shape[1] != self._setup.frames.shape[1]:
                raise UnsupportedError(f"{name}: a state carried over recordings is only followed layer by layer")
            # One long recording: the state at the end of each is the start of the next.
            x = x.reshape(1, -1, *x.shape[2:])
            recorded = None if recorded is None else recorded.reshape(x.shape)
        state = self._states.get(name) or self._start(node, rules, len(x))
        rows: dict[str, list[Array]] = {kind: [] for kind in KEPT}
        for t in range(x.shape[1]):
            now = step(node, rules, state, x[:, t], None if recorded is None else recorded[:, t])
            state = now.state
            for kind, value in zip(KEPT, (now.spikes, x[:, t], state.u, now.potential, state.v), strict=True):
                rows[kind].append(value)
        self._states[name] = state
        for kind, values in rows.items():
            whole = np.stack(values, axis=1)
            self.kept[kind].setdefault(name, []).append(whole.reshape(self._recordings, -1, *whole.shape[2:]))
        return self.kept["spikes"][name][-1]

    def _start(self, node: Neuron, rules: Rules, recordings: int) -> State:
        state = node.rest(recordings)
        for _ in range(rules.early_steps):
            state = step(node, rules, state, np.zeros_like(state.u)).state
        return state

    def reset(self, name: str) -> None:
        self._states.pop(name, None)

    def add(self, values: Sequence[Array]) -> Array:
        dtype = np.float32 if values[0].dtype.kind == "f" else np.int64
        return sum((value.astype(dtype) for value in values[1:]), start=values[0].astype(dtype))


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
