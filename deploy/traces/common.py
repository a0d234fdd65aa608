"""What two traces both hold: chips give some layers, some recordings, no potentials, fewer steps."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from deploy.errors import TraceError
from deploy.traces.layers import LayerRecord
from deploy.traces.trace import Trace


def in_common(expected: Trace, found: Trace) -> tuple[Trace, Trace]:
    """Both traces cut to the layers, recordings and steps that both hold, without offsets, in memory.

    Recordings are those of the same names, where both traces name theirs; else the first ones of both.

    Raises:
        TraceError: they have nothing in common.
    """
    rows = _same_recordings(expected, found)
    steps = min(expected.steps, found.steps)
    cut = []
    for trace, chosen in zip((expected, found), rows, strict=True):
        layers = {}
        for name in expected.layers:
            kinds = _kinds(expected.layers[name], found.layers.get(name))
            if kinds:
                record = trace.layers[name].synchronous(steps)
                layers[name] = record.replace(**dict.fromkeys(record.kinds - kinds)).take(chosen)
        cut.append(_with(trace, layers, chosen, steps))
    return cut[0], cut[1]


def what_is_missing(expected: Trace, found: Trace, recordings: int | None) -> tuple[str, ...]:
    """Layers, recordings, steps, outputs and predictions that the reference holds and the other trace does not.

    Args:
        expected: the reference.
        found: the other trace.
        recordings: how many were asked for; None: all.
    """
    asked = expected.recordings if recordings is None else min(recordings, expected.recordings)
    lines = [f"layer {name}" for name in expected.layers if name not in found.layers]
    held = len(_same_recordings(expected, found)[0])
    if held < asked:
        lines.append(f"{asked} recordings, of which {held} were compared")
    if found.steps < expected.steps:
        lines.append(f"{expected.steps} steps, of which {found.steps} were compared")
    for name, record in expected.layers.items():
        kinds = _kinds(record, found.layers.get(name))
        if name in found.layers and record.gives not in kinds:
            lines.append(f"the {'potential' if record.is_readout else 'spikes'} of {name}")
    chosen = _same_recordings(expected, found)
    pairs = zip(expected.predictions[chosen[0]][:asked], found.predictions[chosen[1]][:asked], strict=True)
    unknown = sum(a >= 0 and b < 0 for a, b in pairs)
    if unknown:
        lines.append(f"the predictions of {unknown} recordings")
    return tuple(lines)


def _same_recordings(expected: Trace, found: Trace) -> tuple[list[int], list[int]]:
    """Rows of both traces that hold the same recordings, in ascending order of the first."""
    one, other = expected.names, found.names
    if one and other and len(set(one)) == len(one) and len(set(other)) == len(other) and set(one) & set(other):
        place = {name: row for row, name in enumerate(other)}
        pairs = [(row, place[name]) for row, name in enumerate(one) if name in place]
        return [a for a, _ in pairs], [b for _, b in pairs]
    both = list(range(min(expected.recordings, found.recordings)))
    return both, both


def _kinds(one: LayerRecord, other: LayerRecord | None) -> frozenset[str]:
    """What is kept of a layer where both traces have its spikes, or else v of every recording; empty without either."""
    if other is None:
        return frozenset()
    held = one.kinds | other.kinds
    if "spikes" in one and "spikes" in other:
        return held
    whole = all(layer.held("v") == layer.shape[0] for layer in (one, other))
    return held - {"spikes"} if whole else frozenset()


def _with(trace: Trace, layers: dict[str, LayerRecord], rows: Sequence[int], steps: int) -> Trace:
    if not layers:
        raise TraceError("the traces share no layer; name the layers of a trace as its model does")
    rows = list(rows)
    if not rows:
        raise TraceError("the traces share no recording, so nothing can be compared")
    # What a readout leads to at an earlier step is no prediction.
    predictions = trace.predictions[rows] if steps == trace.steps else np.full(len(rows), -1)
    return replace(
        trace,
        layers=layers,
        predictions=predictions,
        schedule="synchronous",
        labels=None if trace.labels is None else trace.labels[rows],
        names=tuple(trace.names[row] for row in rows) if trace.names else (),
        frames=None if trace.frames is None else trace.frames[rows][:, :steps],
    )
