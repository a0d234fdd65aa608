"""The explanation in words: what a failing check prints."""

from deploy.checking.divergence.detail import Input, Side, Spread
from deploy.checking.divergence.explain import Explanation

SHOWN = 4
"""Inputs and layers listed by name; more are counted."""


def story(explanation: Explanation) -> str:
    """Lines of text: the first difference, its neuron in both runs, how it spreads, and the cause. "" where equal."""
    verdict, seen = explanation.verdict, explanation.divergence
    if verdict.first is None:
        return "\n".join(verdict.problems)
    lines = [f"first difference: {verdict.first}"]
    if verdict.first_spike is not None and verdict.first_spike != verdict.first:
        lines.append(f"first spike that differs: {verdict.first_spike}")
    if seen is not None:
        lines += _sides(seen.expected, seen.found)
        if seen.same_inputs is not None and seen.expected and seen.found:
            lines += _inputs(seen.expected, seen.found)
        lines += _spread(seen.spread, seen.spread_in)
    lines += _causes(explanation)
    return "\n".join(lines)


def _sides(expected: Side | None, found: Side | None) -> list[str]:
    lines = []
    for name, side in (("expected", expected), ("found", found)):
        if side is None:
            continue
        line = f"  {name}: sum of inputs {side.synaptic_sum:g}, potential {side.potential:g}"
        if side.threshold is not None:
            line += f", threshold {side.threshold:g} ({abs(side.margin or 0):g} {_above(side)})"
        if side.spiked is not None:
            line += f"; {'spiked' if side.spiked else 'silent'}"
            if side.calls_for != side.spiked:
                line += f", although its network calls for {'a spike' if side.calls_for else 'none'}"
        lines.append(line)
    return lines


def _above(side: Side) -> str:
    assert side.margin is not None
    return "above" if side.margin > 0 else "below" if side.margin < 0 else "at it"


def _inputs(expected: Side, found: Side) -> list[str]:
    one, other = ({(i.synapse, i.index): i for i in side.inputs} for side in (expected, found))
    missing = [i for key, i in one.items() if key not in other]
    extra = [i for key, i in other.items() if key not in one]
    weights = [(one[key], other[key]) for key in one if key in other and one[key].weight != other[key].weight]
    if not missing and not extra and not weights:
        return [f"  inputs: the same {len(one)} arrived in both, with the same weights"]
    lines = []
    if missing:
        lines.append(f"  inputs only expected: {_list(missing)}")
    if extra:
        lines.append(f"  inputs only found: {_list(extra)}")
    for a, b in weights[:SHOWN]:
        lines.append(f"  weight of input {_place(a)}: {a.weight:g} expected, {b.weight:g} found")
    return lines


def _list(inputs: list[Input]) -> str:
    more = f" and {len(inputs) - SHOWN} more" if len(inputs) > SHOWN else ""
    return ", ".join(f"{_place(one)} (weight {one.weight:g})" for one in inputs[:SHOWN]) + more


def _place(one: Input) -> str:
    return f"{one.synapse}{list(one.index)}"


def _spread(layers: tuple[Spread, ...], recording: int) -> list[str]:
    if not layers:
        return []
    parts = [
        f"{layer.layer} from step {layer.first_step} ({layer.neurons:,} neuron(s), {layer.differing:,} differences)"
        for layer in layers
    ]
    return [f"  it spreads, in recording {recording}: {'; '.join(parts)}"]


def _causes(explanation: Explanation) -> list[str]:
    lines = []
    for cause in explanation.causes:
        lines.append(f"cause: {cause}")
        if cause.verified:
            alike = sum(other.verified and other.side == cause.side for other in explanation.causes)
            what = "this alone turns" if alike == 1 else f"these {alike} causes together turn"
            tried = len(explanation.recordings)
            lines.append(f"  proof: {what} one run into the other, every spike and readout of {tried} recordings")
        if cause.others:
            lines.append(f"  on these recordings the same as: {'; '.join(cause.others[:SHOWN])}")
    if explanation.unexplained:
        lines.append(f"no known mistake explains what {', '.join(explanation.unexplained)} does")
    if not explanation.causes and not explanation.unexplained:
        lines.append("cause: not looked for; it needs the model of each run and the frames")
    return lines
