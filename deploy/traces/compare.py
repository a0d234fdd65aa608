"""Compare two traces spike by spike: equal, or the first layer, step and neuron where they are not."""

from math import prod

import numpy as np

from deploy.errors import DeployError, TraceError
from deploy.network import Array
from deploy.traces.checksum import digest
from deploy.traces.common import in_common, what_is_missing
from deploy.traces.layers import LayerRecord
from deploy.traces.trace import Trace
from deploy.traces.verdict import Difference, LayerResult, Verdict, some


def require_some(recordings: int | None) -> None:
    """Raises DeployError where a limit leaves no recording; None: no limit."""
    if recordings is not None and recordings < 1:
        raise DeployError(f"--recordings (={recordings}) must be at least 1")


def compare(
    expected: Trace,
    found: Trace,
    *,
    recordings: int | None = None,
    partial: bool = False,
    every_state: bool | None = None,
) -> Verdict:
    """Compare two traces of the same recordings, each layer by its own offset.

    Args:
        expected: what the trained network gave.
        found: what a runner gave, for the same recordings or the first of them.
        recordings: how many are compared, the first ones; None: all of the reference.
        partial: be content with the layers, recordings and steps that both hold.
        every_state: count u and v of spiking layers that only the reference holds as missing; else they are compared
            where both hold them. None: where `found` holds any, and so could have held all.

    Raises:
        TraceError: the traces are not of the same network and recordings, or, with `partial`, share nothing.
    """
    _check_traces(expected, found)
    missing = what_is_missing(expected, found, recordings)
    held, asked = (expected.recordings, found.recordings), recordings
    if partial:
        expected, found = in_common(expected, found)
    _check_comparable(expected, found)
    if every_state is None:
        every_state = any("v" in layer or "v_digest" in layer for layer in found.spiking.values())
    both, steps = min(expected.recordings, found.recordings), expected.steps
    recordings = both if recordings is None else min(recordings, both)
    layers, differences, lacking = [], [], []
    for layer in expected.layers:
        result, difference, left_out = _compare_layer(expected, found, layer, recordings)
        layers.append(result)
        differences += difference
        lacking += left_out
    order = {layer: rank for rank, layer in enumerate(expected.layers)}
    differences.sort(key=lambda d: (d.step, order[d.layer], d.what != "spike", d.recording))
    problems = [f"layer {r.layer} never spikes, so comparing it proves nothing" for r in layers if r.silent]
    if not expected.spiking and not any(np.any(layer.output[:recordings]) for layer in expected.layers.values()):
        problems.append("nothing spikes and no potential leaves zero, so comparing proves nothing")
    other_frames = _frames_apart(expected, found, recordings)
    problems += [f"{other_frames}, so comparing proves nothing"] if other_frames else []
    a, b = expected.predictions[:recordings], found.predictions[:recordings]
    return Verdict(
        layers=tuple(layers),
        first=next(iter(differences), None),
        first_spike=next((d for d in differences if d.what == "spike"), None),
        recordings=recordings,
        steps=steps,
        wrong_predictions=tuple(np.flatnonzero((a != b) & (a >= 0) & (b >= 0)).tolist()),
        problems=tuple(problems),
        missing=(*missing, *lacking) if every_state else missing,
        uncompared=() if every_state else tuple(lacking),
        partial=partial,
        remarks=(*((other_frames,) if other_frames else ()), *_more_recordings(held, recordings, asked)),
    )


def _frames_apart(expected: Trace, found: Trace, recordings: int) -> str:
    """Where the traces saw different frames, in words; "" where they saw the same, or one does not say what it saw."""
    if expected.frames is None or found.frames is None:
        return ""
    a, b = expected.frames[:recordings], found.frames[:recordings]
    if a.__array_interface__ == b.__array_interface__:  # the same memory
        return ""
    if a.shape != b.shape:
        return f"the frames differ in shape: {a.shape} and {b.shape}"
    apart = np.flatnonzero((a != b).reshape(len(a), -1).any(axis=1))
    return (
        f"the frames of {len(apart)} of {recordings} recordings differ ({some(tuple(apart.tolist()))})"
        if len(apart)
        else ""
    )


def _more_recordings(held: tuple[int, int], recordings: int, asked: int | None) -> tuple[str, ...]:
    """In words, that one trace holds recordings which the other has not, where more were wanted than both hold."""
    if held[0] == held[1] or recordings == asked:
        return ()
    return (f"the reference holds {held[0]} recordings and the other trace {held[1]}; {recordings} were compared",)


def _check_traces(*traces: Trace) -> None:
    for trace in traces:
        if not isinstance(trace, Trace):
            raise TraceError(f"cannot compare a {type(trace).__name__}; deploy.load_trace(path) reads a trace")
        if not trace.recordings:
            raise TraceError("a trace without recordings proves nothing; run it on some")


def _check_comparable(expected: Trace, found: Trace) -> None:
    if set(expected.layers) != set(found.layers):
        raise TraceError(
            f"the traces differ in layers: {list(expected.layers)} and {list(found.layers)}; are they of one model? "
            "--partial compares those that both hold"
        )
    if expected.steps != found.steps:
        raise TraceError(
            f"the traces have {expected.steps} and {found.steps} steps; run both on the same frames, or compare the "
            "first ones with --partial"
        )
    for name, layer in expected.layers.items():
        if layer.is_readout != found.layers[name].is_readout:
            raise TraceError(
                f"{name}: one trace has its spikes, the other has not; are they of one model? --partial compares what "
                "both hold"
            )


def _compare_layer(
    expected: Trace, found: Trace, name: str, recordings: int
) -> tuple[LayerResult, list[Difference], list[str]]:
    """The counts, the earliest differences by kind, and what of u and v only the reference holds."""
    one, other, steps = expected.layers[name], found.layers[name], expected.steps
    differences, lacking, apart, held = [], [], np.zeros((recordings, steps), bool), 0
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
        unequal, difference = _compare_state(one, other, name, kind, recordings, steps)
        apart[: len(unequal)] |= unequal
        held = max(held, len(unequal))
        differences += difference
        there = min(recordings, max(one.held(kind), one.held(f"{kind}_digest")))
        if len(unequal) < there:
            lacking.append(f"{kind} of {name} in {there} recordings, of which {len(unequal)} were compared")
    states = {"states": held * steps, "states_differing": int(apart.sum())}
    return LayerResult(layer=name, **counts, **states, spiking=not one.is_readout), differences, lacking


def _compare_state(
    one: LayerRecord, other: LayerRecord, name: str, kind: str, recordings: int, steps: int
) -> tuple[Array, list[Difference]]:
    """Which (recording, step) pairs differ in u or v, for as many recordings as both hold, and the earliest.

    Checksums reach all recordings and name the step; whole states, read only where checksums do not settle it, the
    neuron.
    """
    whole = min(one.held(kind), other.held(kind), recordings)
    stored = min(layer.held(f"{kind}_digest") for layer in (one, other))
    reach = min(recordings, *(max(layer.held(kind), layer.held(f"{kind}_digest")) for layer in (one, other)))
    summed = np.zeros((0, steps), bool)
    if stored or reach > whole:
        summed = _unequal(one, other, kind, recordings, steps)
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
    return summed if len(summed) > len(unequal) else unequal, differences


def _unequal(one: LayerRecord, other: LayerRecord, kind: str, recordings: int, steps: int) -> Array:
    """Where the checksums of both records differ (R', T), for as many recordings as both hold or can be summed."""
    a, b = (_digests(layer, kind, steps) for layer in (one, other))
    held = min(len(a), len(b), recordings)
    return a[:held] != b[:held]


def _digests(layer: LayerRecord, kind: str, steps: int) -> Array:
    """The checksums of a layer's states (R', T), from the states themselves where they reach further."""
    if layer.held(f"{kind}_digest") >= layer.held(kind):
        named = f"{kind}_digest"
        return layer.aligned(named, steps) if named in layer else np.zeros((0, steps), np.uint64)
    states = layer.aligned(kind, steps)
    return digest(states) if np.issubdtype(states.dtype, np.integer) else np.zeros((0, steps), np.uint64)


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
        flat = packed.ravel()
        words = len(flat) // 8 * 8  # eight bytes at once
        return sum(
            int(np.bitwise_count(part).sum(dtype=np.int64)) for part in (flat[:words].view(np.uint64), flat[words:])
        )
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
