"""Everything a report shows, as plain values: the template only places it."""

from datetime import UTC, datetime
from math import prod
from typing import Any

import numpy as np

from deploy.checking.check import Checked
from deploy.checking.divergence.causes import SIDES
from deploy.checking.divergence.detail import Divergence, Side
from deploy.checking.divergence.explain import Explanation
from deploy.checking.divergence.story import proof_in_words, recorded_in_words, story
from deploy.mapping.layout import Mapping
from deploy.network import Array
from deploy.report.rasters import rasters, telling_order
from deploy.report.telling import facts_of_spikes, next_steps
from deploy.traces.likeness import measure
from deploy.traces.trace import Trace

INPUTS_SHOWN = 12
PARAMETERS_SHOWN = 200
MISTAKES_SHOWN = 5


def content(checked: Checked, mapping: Mapping | None, name: str) -> dict[str, Any]:
    """The values of the template.

    Args:
        checked: what the check found.
        mapping: where the network lies on a chip.
        name: what the model is called.
    """
    expected, found, verdict = checked.expected, checked.found, checked.verdict
    network = checked.tested or checked.reference
    explanation = checked.explanation
    both = (("trained", expected), ("running", found))
    seen = None if explanation is None or explanation.profiles else facts_of_spikes(checked)
    return {
        "name": name,
        "made": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "equal": checked.equal,
        "rounded": checked.rounded,
        "verdict": verdict,
        "runs": [_run(role, trace, expected.labels, verdict.recordings) for role, trace in both],
        "rows": checked.rows,
        "names": dict(enumerate(expected.names[: verdict.recordings])),
        "layers": _layers(checked),
        "divergences": _divergences(explanation) if explanation else [],
        "causes": [{"cause": c, "side": SIDES[c.side]} for c in explanation.causes] if explanation else [],
        "proof": proof_in_words(explanation) if explanation else "",
        "models": explanation.models if explanation else (),
        "facts": [{"layer": one.layer, "facts": one.facts} for one in explanation.profiles] if explanation else [],
        "seen": seen and {"layer": seen[0], "facts": seen[1]},
        "next_steps": next_steps(checked, name),
        "unexplained": explanation.unexplained if explanation else (),
        "story": story(explanation) if explanation else "",
        "rasters": rasters(expected, found, telling_order(expected, found)) if expected.spiking else None,
        "parameters": [change.as_dict() for change in network.report[:PARAMETERS_SHOWN]] if network else [],
        "confusion": _confusions(checked),
        "mapping": mapping and _mapping(mapping),
    }


def _run(role: str, trace: Trace, labels: Array | None, recordings: int) -> dict[str, Any]:
    versions = ", ".join(f"{package} {version}" for package, version in trace.versions.items())
    rate = trace.recordings * trace.steps / trace.seconds if trace.seconds else None
    return {
        "role": role,
        "runner": trace.runner,
        "device": trace.device,
        "schedule": trace.schedule,
        "seconds": trace.seconds,
        "rate": rate,
        "versions": versions,
        "accuracy": _accuracy(trace, labels, recordings),
        "overflows": {layer: count for layer, count in trace.overflows.items() if count},
    }


def _accuracy(trace: Trace, labels: Array | None, recordings: int) -> float | None:
    """The share of right predictions, by the labels of the reference: a run that was recorded elsewhere has none."""
    said = trace.predictions[:recordings]
    if labels is None or (said < 0).any():
        return None
    return float(np.mean(said == labels[:recordings]))


def _layers(checked: Checked) -> list[dict[str, Any]]:
    likeness = {layer.layer: layer for layer in measure(checked.expected, checked.found).layers}
    rows = []
    for layer in checked.verdict.layers:
        shape = checked.expected.layers[layer.layer].shape[2:]
        rows.append(
            {
                "result": layer,
                "shape": " × ".join(map(str, shape)),
                "neurons": prod(shape),
                "likeness": likeness.get(layer.layer),
            }
        )
    return rows


def _divergences(explanation: Explanation) -> list[dict[str, Any]]:
    """The first difference, and the first one in spikes where that is another."""
    both = (explanation.divergence, explanation.spike_divergence)
    return [_divergence(seen) for seen in both if seen is not None]


def _divergence(seen: Divergence) -> dict[str, Any]:
    steps = max((len(layer.by_step) for layer in seen.spread), default=0)
    peak = max((max(layer.by_step) for layer in seen.spread), default=1)
    sides = [_side(name, side) for name, side in (("trained", seen.expected), ("running", seen.found)) if side]
    return {
        "at": seen.at,
        "same_inputs": seen.same_inputs,
        "sides": sides,
        "spread": [{"layer": layer, "shades": [(n / peak) ** 0.4 for n in layer.by_step]} for layer in seen.spread],
        "steps": steps,
        "recording": seen.spread_in,
    }


def _side(name: str, side: Side) -> dict[str, Any]:
    """One side, with places on a bar from the lowest to the highest of 0, potential and threshold, in percent."""
    told = {"name": name, "side": side, "recorded": recorded_in_words(side.recorded), "due": side.due}
    due = side.due
    if due is None:
        return told
    points = [0.0, due.potential, *([due.threshold] if due.threshold is not None else [])]
    low, high = min(points), max(points)
    span = (high - low) or 1.0

    def at(value: float) -> float:
        return 4 + 92 * (value - low) / span

    return told | {
        "zero": at(0.0),
        "potential": at(due.potential),
        "threshold": None if due.threshold is None else at(due.threshold),
        "inputs": due.inputs[:INPUTS_SHOWN],
        "more": max(0, len(due.inputs) - INPUTS_SHOWN),
    }


def _confusions(checked: Checked) -> dict[str, Any] | None:
    expected, found, recordings = checked.expected, checked.found, checked.verdict.recordings
    if expected.labels is None:
        return None
    labels = expected.labels[:recordings]
    predictions = [trace.predictions[:recordings] for trace in (expected, found)]
    network = checked.reference or checked.tested
    known = expected.classes or found.classes or (network.classes if network else ())
    count = max(int(max(labels.max(), *(p.max() for p in predictions))) + 1, len(known))
    names = [*known, *map(str, range(len(known), count))]
    tables = [_confusion(labels, p, count) for p in predictions]
    return {
        "names": names,
        "count": count,
        "tables": [
            {
                "role": role,
                "rows": table.tolist(),
                "accuracy": _accuracy(trace, expected.labels, recordings),
                "peak": int(table.max()),
                "mistakes": _mistakes(table, names),
            }
            for role, table, trace in zip(("trained", "running"), tables, (expected, found), strict=True)
        ],
    }


def _confusion(labels: Array, predictions: Array, count: int) -> Array:
    """(count, count) how often a label got a prediction; those that a run does not give are left out."""
    table, said = np.zeros((count, count), int), predictions >= 0
    np.add.at(table, (labels[said], predictions[said]), 1)
    return table


def _mistakes(table: Array, names: list[str]) -> list[dict[str, Any]]:
    """The most frequent ones, by name: a matrix of a hundred classes has no room for theirs."""
    wrong = table * (1 - np.eye(len(table), dtype=int))
    order = np.argsort(-wrong, axis=None, kind="stable")[:MISTAKES_SHOWN]
    pairs = [(int(row), int(column)) for row, column in zip(*np.unravel_index(order, wrong.shape), strict=True)]
    return [{"label": names[a], "said": names[b], "count": int(wrong[a, b])} for a, b in pairs if wrong[a, b]]


def _mapping(mapping: Mapping) -> dict[str, Any]:
    rows = []
    for layer, count in mapping.cores_by_layer.items():
        shown = [
            {"used": used, "of": limit, "share": used / limit if limit else None}
            for used, limit in mapping.fullest(layer).values()
        ]
        rows.append({"layer": layer, "cores": count, "tables": shown})
    guess = mapping.estimate
    parts = []
    if guess is not None:
        total = guess.energy or 1.0
        parts = [{"name": name, "uj": value * 1e6, "share": value / total} for name, value in guess.parts.items()]
    return {"mapping": mapping, "rows": rows, "estimate": guess, "parts": parts}
