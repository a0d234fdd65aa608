"""The explanation in words: what a failing check prints."""

from deploy.checking.divergence.arriving import Input
from deploy.checking.divergence.detail import Divergence, Due, Recorded, Spread
from deploy.checking.divergence.explain import Explanation
from deploy.checking.divergence.profile import Profile

MODEL_LINES = 12
SHOWN = 4
"""Inputs and layers listed by name; more are counted."""


def story(explanation: Explanation) -> str:
    """Lines of text: the first difference, its neuron in both runs, how it spreads, and the cause. "" where equal."""
    verdict, seen = explanation.verdict, explanation.divergence
    if verdict.first is None:
        return "\n".join((*verdict.problems, *(_causes(explanation) if explanation.causes else ())))
    lines = [f"the models differ: {line}" for line in explanation.models[:MODEL_LINES]]
    if len(explanation.models) > MODEL_LINES:
        lines.append(f"the models differ: in {len(explanation.models) - MODEL_LINES} more ways; --json lists all")
    lines.append(f"first difference: {verdict.first}")
    if seen is not None:
        lines += _sides(seen)
    at_spike = explanation.spike_divergence
    if at_spike is not None:
        lines += [f"first spike that differs: {at_spike.at}", *_sides(at_spike)]
    if seen is not None:
        lines += _spread(seen.spread, seen.spread_in)
    lines += [f"facts: {facts}" for facts in map(facts_in_words, explanation.profiles)]
    lines += _causes(explanation)
    return "\n".join(lines)


def _sides(seen: Divergence) -> list[str]:
    lines = []
    for name, side in (("expected", seen.expected), ("found", seen.found)):
        if side is None:
            continue
        lines.append(f"  {name}, recorded: {recorded_in_words(side.recorded)}")
        if side.due is not None:
            off = "  <- not what was recorded" if side.contradicts else ""
            lines.append(f"  {name}, due by its network for the recorded inputs: {_due(side.due)}{off}")
    if seen.inputs is not None:
        lines += _inputs(*seen.inputs)
    return lines


def recorded_in_words(recorded: Recorded) -> str:
    """What a trace holds of a neuron at a step: "a spike, u 64, v 0"."""
    parts = [] if recorded.spike is None else ["a spike" if recorded.spike else "no spike"]
    parts += [f"{kind} {value:,g}" for kind, value in (("u", recorded.u), ("v", recorded.v)) if value is not None]
    return ", ".join(parts) or "nothing but a checksum of the step"


def _due(due: Due) -> str:
    told = f"sum of inputs {due.synaptic_sum:,g}, u {due.u:,g}, potential {due.potential:,g}"
    if due.threshold is None or due.margin is None:
        return told
    above = "above" if due.margin > 0 else "below" if due.margin < 0 else "at it"
    spike = "a spike" if due.spike else "no spike"
    return f"{told}, threshold {due.threshold:,g} ({abs(due.margin):,g} {above}): {spike}, v {due.v:,g}"


def _inputs(expected: tuple[Input, ...], found: tuple[Input, ...]) -> list[str]:
    one, other = ({(i.synapse, i.index): i for i in inputs} for inputs in (expected, found))
    missing = [i for key, i in one.items() if key not in other]
    extra = [i for key, i in other.items() if key not in one]
    weights = [(one[key], other[key]) for key in one if key in other and one[key].weight != other[key].weight]
    counts = [(one[key], other[key]) for key in one if key in other and one[key].count != other[key].count]
    if not missing and not extra and not weights and not counts:
        return [f"  inputs: the same {len(one)} arrived in both, with the same weights"]
    lines = []
    if missing:
        lines.append(f"  inputs only expected: {_list(missing)}")
    if extra:
        lines.append(f"  inputs only found: {_list(extra)}")
    for a, b in counts[:SHOWN]:
        lines.append(f"  input {_place(a)} counts {a.count} expected, {b.count} found")
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
    lines = [f"cause: {cause}" for cause in explanation.causes]
    lines += [f"  {proof}" for proof in (proof_in_words(explanation),) if proof]
    if explanation.unexplained:
        lines.append(f"no known mistake explains what {', '.join(explanation.unexplained)} does")
    if not explanation.causes and not explanation.unexplained:
        lines.append("cause: not looked for; it needs the model of each run and the frames")
    return lines


def facts_in_words(profile: Profile) -> str:
    """What is known of a layer that contradicts its inputs, in one line."""
    return f"{profile.layer} does not do what its inputs call for: {'; '.join(profile.facts)}"


def proof_in_words(explanation: Explanation) -> str:
    """What the causes were shown to do, in one sentence; "" without causes."""
    proof, count = explanation.proof, len(explanation.causes)
    if not count or proof is None:
        return ""
    subject = "this alone" if count == 1 else f"these {count} together, and none of them alone,"
    if proof.exact and proof.of:
        return f"proof: {subject} gives all {proof.of} of all {proof.recordings} recordings"
    if proof.exact:
        return (
            f"proof: {subject} turn{'s' if count == 1 else ''} one run into the other: every spike, and every u and v "
            f"that was recorded, of all {proof.recordings} recordings"
        )
    told = f"{'it explains' if count == 1 else 'together they explain'} {proof.explained:,} of {proof.differing:,}"
    wrong = f"; {proof.wrong:,} neuron-steps still come out wrong" if proof.wrong else ""
    return f"no proof: {told} differing {proof.what}, over {proof.recordings} recordings{wrong}"
