"""What the page says of a difference that has no name: what the spikes themselves show, and what to do next."""

import numpy as np

from deploy.checking.check import Checked
from deploy.checking.divergence.explain import Explanation
from deploy.checking.divergence.places import neurons_in_words, recordings_in_words, steps_in_words
from deploy.network import Array
from deploy.traces.trace import Trace


def facts_of_spikes(checked: Checked) -> tuple[str, list[str]] | None:
    """The first layer whose spikes differ, and what is seen there without any model; None where no spike differs."""
    expected, found, recordings = checked.expected, checked.found, checked.verdict.recordings
    for layer in expected.spiking:
        if layer not in found.spiking:
            continue
        a, b = (trace.output(layer)[:recordings] for trace in (expected, found))
        apart = a != b
        if apart.any():
            return layer, _facts(a, b, apart)
    return None


def _facts(expected: Array, found: Array, apart: Array) -> list[str]:
    where: Array = np.asarray(apart.any(axis=(0, 1)))
    steps = np.flatnonzero(apart.any(axis=(0, *range(2, apart.ndim)))).tolist()
    rows = np.flatnonzero(apart.reshape(len(apart), -1).any(axis=1)).tolist()
    missing, extra = int((expected & ~found).sum()), int((found & ~expected).sum())
    facts = [
        f"{missing:,} of {int(expected.sum()):,} spikes are missing, {extra:,} are extra",
        neurons_in_words(where),
        steps_in_words(steps, apart.shape[1]),
        recordings_in_words(rows, len(apart)),
    ]
    # A dead block is dead in every recording, also where it would not have spiked.
    since = "" if not steps[0] else f"from step {steps[0]} on "
    before, now = (spikes[:, steps[0] :, where] for spikes in (expected, found))
    if not now.any():
        facts.append(f"{since}these never spike, and {int(before.sum()):,} spikes were due")
    elif now.all():
        facts.append(f"{since}these spike at every step")
    return facts


def next_steps(checked: Checked, name: str) -> list[str]:
    """What to do about a difference that is not explained, or not proven; empty where it is, or nothing differs."""
    explanation, verdict = checked.explanation, checked.verdict
    if explanation is None or verdict.first is None or (explanation.proof is not None and explanation.proof.exact):
        return []
    steps = []
    if checked.tested is None or checked.expected.frames is None:
        steps.append(
            "No cause was looked for: that takes the model of each run and the frames. Put the .nir file beside each "
            "trace, under the same name, and record the frames with it."
        )
    steps += _states(explanation, checked.found)
    # A run of ours holds its frames; of one that was recorded elsewhere, no piece can be run again.
    if checked.tested is not None and checked.found.frames is not None:
        steps.append(f"Find the shortest piece that still differs: ckd-deploy check {name} --bisect, options as here.")
    at = verdict.first
    steps.append(
        f"Hold the code that steps {at.layer} against docs/grid.md at step {at.step} of recording {at.recording}: the "
        "first difference is there, and all that is later may follow from it."
    )
    if explanation.causes:
        steps.insert(0, "What is named above does not explain all: mend it first, and check again.")
    return steps


def _states(explanation: Explanation, found: Trace) -> list[str]:
    """Potentials that would tell more, where the run did not record them."""
    layers = [one.layer for one in explanation.profiles] or list(explanation.unexplained)
    lacking = [layer for layer in layers if layer in found.spiking and "v" not in found.layers[layer]]
    if not lacking:
        return []
    return [
        f"Record u and v of {', '.join(lacking)} in the run that was checked: they tell a wrong sum from a wrong leak "
        "and from a wrong threshold."
    ]
