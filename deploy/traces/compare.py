"""Compare two traces spike by spike: equal, or the first layer, step and neuron where they are not."""

from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np

from deploy.errors import DeployError, TraceError
from deploy.network import Array
from deploy.traces.layers import LayerRecord
from deploy.traces.trace import Trace


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One neuron at one step of one recording. `what` is "spike", "v" or "u"; None where only a digest differs."""

    layer: str
    step: int
    recording: int
    neuron: tuple[int, ...] | None
    what: str
    expected: int | float | None
    found: int | float | None

    def __str__(self) -> str:
        where = "some neuron" if self.neuron is None else f"neuron {self.neuron}"
        values = "" if self.expected is None else f": {self.what} {self.expected} expected, {self.found} found"
        return f"layer {self.layer}, step {self.step}, {where} of recording {self.recording}{values}"


@dataclass(frozen=True, kw_only=True)
class LayerResult:
    """Counts over all recordings and steps. `states` is how many (recording, step) pairs had u and v compared."""

    layer: str
    neuron_steps: int
    expected_spikes: int
    found_spikes: int
    differing: int
    states: int
    states_differing: int
    spiking: bool

    @property
    def rate(self) -> float:
        """Spikes per neuron and step in the expected trace."""
        return self.expected_spikes / self.neuron_steps if self.neuron_steps else 0.0

    @property
    def silent(self) -> bool:
        """A layer that should spike and never does: comparing it proves nothing."""
        return self.spiking and not self.expected_spikes


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Truthy where the traces are equal in everything both hold, and every layer spiked.

    first: the earliest difference in spikes, v or u; first_spike: the earliest in spikes.
    """

    layers: tuple[LayerResult, ...]
    first: Difference | None
    recordings: int
    steps: int
    predictions_differing: int
    problems: tuple[str, ...] = field(default=())
    first_spike: Difference | None = None

    def __bool__(self) -> bool:
        return self.first is None and not self.problems and not self.predictions_differing

    @property
    def differing(self) -> int:
        return sum(layer.differing for layer in self.layers)

    @property
    def spikes(self) -> int:
        return sum(layer.expected_spikes for layer in self.layers)

    @property
    def neuron_steps(self) -> int:
        return sum(layer.neuron_steps for layer in self.layers if layer.spiking)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "equal": bool(self),
            "recordings": self.recordings,
            "steps": self.steps,
            "spikes": self.spikes,
            "differing": self.differing,
            "predictions_differing": self.predictions_differing,
            "problems": list(self.problems),
            "first": self.first and vars(self.first),
            "first_spike": self.first_spike and vars(self.first_spike),
            "layers": [vars(layer) | {"rate": layer.rate} for layer in self.layers],
        }


def require_some(recordings: int | None) -> None:
    """Raises DeployError where a limit leaves no recording; None: no limit."""
    if recordings is not None and recordings < 1:
        raise DeployError(f"--recordings (={recordings}) must be at least 1")


def compare(expected: Trace, found: Trace, *, recordings: int | None = None) -> Verdict:
    """Compare two traces of the same recordings, each layer by its own offset.

    Args:
        expected: what the trained network gave.
        found: what a runner gave, for the same recordings or the first of them.
        recordings: how many are compared, the first ones; None: as many as both hold.

    Raises:
        TraceError: the traces are not of the same network and recordings.
    """
    _check_comparable(expected, found)
    both, steps = min(expected.recordings, found.recordings), expected.steps
    recordings = both if recordings is None else min(recordings, both)
    layers, differences = [], []
    for layer in expected.layers:
        result, difference = _compare_layer(expected, found, layer, recordings)
        layers.append(result)
        differences += difference
    order = {layer: rank for rank, layer in enumerate(expected.layers)}
    differences.sort(key=lambda d: (d.step, order[d.layer], d.what != "spike", d.recording))
    problems = [f"layer {r.layer} never spikes, so comparing it proves nothing" for r in layers if r.silent]
    if not expected.spiking and not any(np.any(layer.output[:recordings]) for layer in expected.layers.values()):
        problems.append("nothing spikes and no potential leaves zero, so comparing proves nothing")
    return Verdict(
        layers=tuple(layers),
        first=next(iter(differences), None),
        first_spike=next((d for d in differences if d.what == "spike"), None),
        recordings=recordings,
        steps=steps,
        predictions_differing=int((expected.predictions[:recordings] != found.predictions[:recordings]).sum()),
        problems=tuple(problems),
    )


def _check_comparable(expected: Trace, found: Trace) -> None:
    for trace in (expected, found):
        if not isinstance(trace, Trace):
            raise TraceError(f"cannot compare a {type(trace).__name__}; deploy.load_trace(path) reads a trace")
    if set(expected.layers) != set(found.layers):
        raise TraceError(
            f"the traces differ in layers: {list(expected.layers)} and {list(found.layers)}; are they of one model?"
        )
    if expected.steps != found.steps:
        raise TraceError(f"the traces have {expected.steps} and {found.steps} steps; run both on the same frames")
    if 0 in (expected.recordings, found.recordings):
        raise TraceError("a trace without recordings proves nothing; run it on some")
    for name, layer in expected.layers.items():
        if layer.is_readout != found.layers[name].is_readout:
            raise TraceError(f"{name}: one trace has its spikes, the other has not; are they of one model?")


def _compare_layer(expected: Trace, found: Trace, name: str, recordings: int) -> tuple[LayerResult, list[Difference]]:
    one, other, steps = expected.layers[name], found.layers[name], expected.steps
    differences, apart, held = [], np.zeros((recordings, steps), bool), 0
    counts = {"neuron_steps": 0, "expected_spikes": 0, "found_spikes": 0, "differing": 0}
    shape = one.shape[2:]
    if shape != other.shape[2:]:
        raise TraceError(f"{name}: has neurons {shape} and {other.shape[2:]}; are the traces of one model?")
    if not one.is_readout:
        a, b = (layer.bits(steps)[:recordings] for layer in (one, other))
        unequal = a ^ b
        counts = {
            "neuron_steps": recordings * steps * prod(shape),
            "expected_spikes": _count_bits(a),
            "found_spikes": _count_bits(b),
            "differing": _count_bits(unequal),
        }
        differences += _earliest_spike(name, unequal, b, shape)
    for kind in ("v", "u"):
        compared = _compare_state(one, other, name, kind, recordings, steps)
        if compared is not None:
            unequal, difference = compared
            apart[: len(unequal)] |= unequal
            held = max(held, len(unequal))
            differences += difference
    states = {"states": held * steps, "states_differing": int(apart.sum())}
    return LayerResult(layer=name, **counts, **states, spiking=not one.is_readout), differences


def _compare_state(
    one: LayerRecord, other: LayerRecord, name: str, kind: str, recordings: int, steps: int
) -> tuple[Array, list[Difference]] | None:
    """Which (recording, step) pairs differ in u or v, and the earliest; None where the records do not both hold it.

    Digests reach all recordings and name the step; whole states, read only where digests do not settle it, the neuron.
    """
    summed = _unequal(one, other, f"{kind}_digest", recordings, steps)
    whole = min(one.held(kind), other.held(kind), recordings)
    unequal, differences = np.zeros((0, steps), bool), []
    if whole and not (len(summed) >= whole and not summed.any()):
        a, b = (layer.aligned(kind, steps)[:whole] for layer in (one, other))
        apart = a != b
        differences = _earliest(name, kind, apart, a, b)
        unequal = apart.reshape(*apart.shape[:2], -1).any(axis=2)
    if summed.any():
        r, t = _first_index(summed)
        if not differences or (t, r) < (differences[0].step, differences[0].recording):
            differences = [
                Difference(layer=name, step=t, recording=r, neuron=None, what=kind, expected=None, found=None)
            ]
    unequal = summed if len(summed) > len(unequal) else unequal
    return (unequal, differences) if len(unequal) else None


def _unequal(one: LayerRecord, other: LayerRecord, kind: str, recordings: int, steps: int) -> Array:
    """Where the digests of both records differ (R', T), for as many recordings as both hold."""
    held = min(one.held(kind), other.held(kind), recordings)
    if not held:
        return np.zeros((0, steps), bool)
    a, b = (layer.aligned(kind, steps)[:held] for layer in (one, other))
    return a != b


def _earliest_spike(layer: str, unequal: Array, found: Array, shape: tuple[int, ...]) -> list[Difference]:
    """The first set bit of `unequal` (R, T, bytes), earliest step first."""
    if not unequal.any():
        return []
    recording, step = _first_index(np.asarray(unequal.any(axis=2)))
    bits, spikes = (np.unpackbits(rows[recording, step], count=prod(shape)) for rows in (unequal, found))
    at = int(bits.argmax())
    neuron = tuple(int(i) for i in np.unravel_index(at, shape))
    return [
        Difference(
            layer=layer,
            step=step,
            recording=recording,
            neuron=neuron,
            what="spike",
            expected=1 - int(spikes[at]),
            found=int(spikes[at]),
        )
    ]


def _count_bits(packed: Array) -> int:
    if hasattr(np, "bitwise_count"):
        return int(np.bitwise_count(packed).sum(dtype=np.int64))
    return int(_BITS[packed].sum(dtype=np.int64))


_BITS = np.array([value.bit_count() for value in range(256)], np.uint8)
"""For numpy 1, which cannot count bits."""


def _earliest(layer: str, what: str, unequal: Array, a: Array, b: Array) -> list[Difference]:
    if not unequal.any():
        return []
    recording, step, *neuron = _first_index(unequal)
    at = (recording, step, *neuron)
    values = [int(x[at]) if np.issubdtype(x.dtype, np.integer) or x.dtype == bool else float(x[at]) for x in (a, b)]
    return [
        Difference(
            layer=layer,
            step=step,
            recording=recording,
            neuron=tuple(neuron),
            what=what,
            expected=values[0],
            found=values[1],
        )
    ]


def _first_index(unequal: Array) -> tuple[int, ...]:
    """The index (recording, step, ...) of the earliest step, then the lowest recording and neuron."""
    by_step = np.moveaxis(unequal, 1, 0)
    step, recording, *neuron = (int(i) for i in np.unravel_index(int(by_step.argmax()), by_step.shape))
    return recording, step, *neuron
