"""A plain simulator of networks on the grid in which everything can go wrong; shares no code with the product.

One recording after the other, one step after the other, as docs/grid.md has it. A `Slip` changes what the simulator
reads, sees, sums, steps, sends or writes; several slips act one after the other, each where and when its mask says.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.second.operators import forward
from deploy.network import GridNeuron, Input, Network
from deploy.traces.layers import LayerRecord
from deploy.traces.trace import Trace

Array = NDArray[Any]
Mask = Callable[["Now"], Array | bool]


@dataclass(frozen=True)
class Now:
    """Where the simulation is: the node, the recording, the step, and the shape of what it handles."""

    node: str
    recording: int
    step: int
    shape: tuple[int, ...]


def everywhere(now: Now) -> bool:
    del now
    return True


@dataclass(frozen=True, kw_only=True)
class Slip:
    """One thing that a simulator does wrong; what is None is done right. Functions get a `Now` first.

    read, see: the network and the frames (R, T, ...) as it takes them. sums: what arrives at neurons. into: what enters
    a synapse; gives: what it makes of that (node, x). cell: switches of `Cell`. sends: the spikes that leave a layer
    (what is written stays); emits: both. start: the state (u, v) before a recording, from the one before. writes: the
    arrays (R, T, ...) of a layer by kind; files: the layers by name; votes: what (R, T, classes) is decided from.
    """

    read: Callable[[Network], Network] | None = None
    see: Callable[[Array], Array] | None = None
    sums: Callable[[Now, Array], Array] | None = None
    into: Callable[[Now, Array, list[Array]], Array] | None = None
    gives: Callable[[Now, Any, Array], Array] | None = None
    cell: dict[str, Any] | None = None
    sends: Callable[[Now, Array, list[Array]], Array] | None = None
    emits: Callable[[Now, Array, list[Array]], Array] | None = None
    start: Callable[[Now, Array, Array], tuple[Array, Array]] | None = None
    writes: Callable[[str, dict[str, Array]], dict[str, Array]] | None = None
    files: Callable[[dict[str, LayerRecord]], dict[str, LayerRecord]] | None = None
    votes: Callable[[Array], Array] | None = None
    keeps_sent: bool = False
    mask: Mask = everywhere


@dataclass(kw_only=True)
class Cell:
    """Switches of a neuron's step; the defaults are right, and so is a reset of None."""

    rounding: str = "zero"
    du_plus: int = 1
    at_equal: bool = False
    reset: str | None = None
    reset_to: int = 0
    refractory: int = 0
    integrates: bool = True
    v_bits: int = 24
    v_wraps: bool = False
    v_or: int = 0
    v_xor: int = 0
    u_of_before: bool = False
    no_current: bool = False
    current_gain: int = 4096
    bias_times: int = 1
    bias_wraps: int = 0
    floor_at_zero: bool = False
    no_leak: bool = False
    dv: int | None = None
    vth_add: int = 0
    vth_times: int = 1
    v_floor: int | None = None
    u_bits: int = 24
    u_saturates: bool = False
    u_resets: bool = False
    leak_last: bool = False


@dataclass
class _State:
    u: Array
    v: Array
    age: Array
    owed: Array
    sent: list[Array] = field(default_factory=list)


def run(network: Network, frames: Array, *slips: Slip) -> Trace:
    """A trace with u and v of every layer, for all recordings."""
    for slip in slips:
        network = network if slip.read is None else slip.read(network)
        frames = frames if slip.see is None else slip.see(frames)
    kept: dict[str, dict[str, list[Array]]] = {name: {"spikes": [], "u": [], "v": []} for name in network.neurons}
    before: dict[str, _State] = {}
    last: dict[str, Array] = {}
    for r in range(len(frames)):
        states = {name: _begin(name, node, r, slips, before.get(name)) for name, node in network.neurons.items()}
        if not any(slip.keeps_sent for slip in slips):
            last = {}
        rows = {name: {"spikes": [], "u": [], "v": []} for name in network.neurons}
        history: dict[str, list[Array]] = {}
        for t in range(frames.shape[1]):
            last = _step(network, frames[r, t], states, last, history, (r, t), slips, rows)
        for name, kinds in rows.items():
            for kind, values in kinds.items():
                kept[name][kind].append(np.stack(values))
        before = states
    return _trace(network, kept, slips)


def _begin(name: str, node: Any, r: int, slips: tuple[Slip, ...], before: _State | None) -> _State:
    zero = np.zeros(node.shape, np.int64)
    u, v = zero, zero
    for slip in slips:
        if slip.start is not None:
            one = before or _State(zero, zero, zero, zero)
            a, b = slip.start(Now(name, r, -1, node.shape), one.u, one.v)
            where = slip.mask(Now(name, r, -1, node.shape))
            u, v = np.where(where, a, u), np.where(where, b, v)
    return _State(u, v, np.full(node.shape, 10**6), np.zeros(node.shape, bool))


def _step(
    network: Network,
    frame: Array,
    states: dict[str, _State],
    last: dict[str, Array],
    history: dict[str, list[Array]],
    at: tuple[int, int],
    slips: tuple[Slip, ...],
    rows: dict[str, dict[str, list[Array]]],
) -> dict[str, Array]:
    out: dict[str, Array] = {}
    for name in network.order:
        node = network.nodes[name]
        if isinstance(node, Input):
            out[name] = frame.astype(np.int64)
            continue
        parts = [
            last.get(source, np.int64(0)) if (source, name) in network.recurrent_edges else out[source]
            for source in network.sources(name)
        ]
        x = np.asarray(sum(parts[1:], start=parts[0]))
        now = Now(name, *at, x.shape)
        if isinstance(node, GridNeuron):
            out[name] = _cells(node, now, x, states[name], slips, rows[name])
            continue
        past = history.setdefault(name, [])
        past.append(x)
        for slip in slips:
            if slip.into is not None and np.any(where := slip.mask(now)):
                x = np.where(where, slip.into(now, x, past), x)
        given = forward(node, x, past, name)
        now = Now(name, *at, given.shape)
        for slip in slips:
            if slip.gives is not None and np.any(where := slip.mask(now)):
                given = np.where(where, slip.gives(now, node, x), given)
        out[name] = given
    return out


def _cells(
    node: GridNeuron, now: Now, a: Array, state: _State, slips: tuple[Slip, ...], rows: dict[str, list[Array]]
) -> Array:
    for slip in slips:
        if slip.sums is not None:
            a = np.where(slip.mask(now), slip.sums(now, a), a)
    switches = [(slip.mask(now), slip.cell) for slip in slips if slip.cell is not None]
    cases = [(True, {})]
    for where, cell in switches:
        # Two slips on one neuron act together.
        cases += [(np.logical_and(where, old), {**given, **cell}) for old, given in cases]
    u, v, spikes, owed = _cell(node, Cell(), state, a)
    for where, given in cases[1:]:
        other = _cell(node, Cell(**given), state, a)
        u, v, spikes, owed = (np.where(where, b, c) for b, c in zip(other, (u, v, spikes, owed), strict=True))
    state.u, state.v, state.owed = u, v, owed
    state.age = np.where(spikes, 0, state.age + 1)
    for slip in slips:
        if slip.emits is not None:
            spikes = np.where(slip.mask(now), slip.emits(now, spikes, state.sent), spikes)
    rows["spikes"].append(spikes.astype(bool))
    rows["u"].append(u)
    rows["v"].append(v)
    if node.vth is None:
        return v
    sent = spikes.astype(np.int64)
    for slip in slips:
        if slip.sends is not None:
            sent = np.where(slip.mask(now), slip.sends(now, sent, state.sent), sent)
    state.sent.append(spikes.astype(np.int64))
    return sent


def _cell(node: GridNeuron, cell: Cell, state: _State, a: Array) -> tuple[Array, Array, Array, Array]:
    def kept(x: Array, factor: Array) -> Array:
        if cell.rounding == "taken":
            taken = x * (4096 - factor)
            return x - np.sign(taken) * (np.abs(taken) >> 12)
        product = x * factor
        if cell.rounding == "floor":
            return product >> 12
        if cell.rounding == "nearest":
            return (product + 2048) >> 12
        return np.sign(product) * (np.abs(product) >> 12)

    du, dv = np.asarray(node.du, np.int64), np.asarray(node.dv if cell.dv is None else cell.dv, np.int64)
    arriving = (a.astype(np.int64) << 6) * cell.current_gain // 4096
    u = arriving if cell.no_current else kept(state.u, 4096 - cell.du_plus - du) + arriving
    half_u = 1 << (cell.u_bits - 1)
    u = np.clip(u, -half_u, half_u - 1) if cell.u_saturates else (u + half_u) % (2 * half_u) - half_u
    before = state.v
    bias = np.asarray(node.bias, np.int64) * cell.bias_times
    if cell.bias_wraps:
        half = 1 << (cell.bias_wraps - 1)
        bias = (bias + half) % (2 * half) - half
    v = (before if cell.no_leak or cell.leak_last else kept(before, 4096 - dv)) + (state.u if cell.u_of_before else u)
    v = kept(v + bias, 4096 - dv) if cell.leak_last else v + bias
    quiet = state.age < cell.refractory
    if not cell.integrates:
        v = np.where(quiet, before, v)
    v = np.where(state.owed, 0, v)
    top = (1 << (cell.v_bits - 1)) - 1
    if cell.v_wraps:
        v = (v + top + 1) % (2 * top + 2) - top - 1
    else:
        v = np.clip(v, (0 if cell.floor_at_zero else -top) if cell.v_floor is None else cell.v_floor, top)
    v = (v | cell.v_or) ^ cell.v_xor
    if node.vth is None:
        return u, v, np.zeros(v.shape, bool), np.zeros(v.shape, bool)
    threshold = (np.asarray(node.vth, np.int64) << 6) * cell.vth_times + cell.vth_add
    spikes = ((v >= threshold) if cell.at_equal else (v > threshold)) & ~quiet
    reset = cell.reset or node.reset_mechanism
    owed = spikes & (reset == "late")
    if reset == "zero":
        v = np.where(spikes, cell.reset_to, v)
    elif reset == "subtract":
        v = np.where(spikes, v - threshold, v)
    if cell.u_resets:
        u = np.where(spikes, 0, u)
    return u, v, spikes, owed


def _trace(network: Network, kept: dict[str, dict[str, list[Array]]], slips: tuple[Slip, ...]) -> Trace:
    layers = {}
    for name, kinds in kept.items():
        arrays = {kind: np.stack(values) for kind, values in kinds.items()}
        for slip in slips:
            arrays = arrays if slip.writes is None else slip.writes(name, arrays)
        readout = getattr(network.nodes[name], "vth", None) is None
        layers[name] = LayerRecord(
            spikes=None if readout else arrays["spikes"],
            u=arrays["u"].astype(np.int32),
            v=arrays["v"].astype(np.int32),
        )
    given = layers[network.output_layer].output
    votes = given[:, -1] if layers[network.output_layer].is_readout else given.sum(axis=1)
    for slip in slips:
        layers = layers if slip.files is None else slip.files(layers)
        votes = votes if slip.votes is None else slip.votes(given)
    return Trace(layers=layers, predictions=votes.reshape(len(votes), -1).argmax(axis=1), runner="elsewhere")
