"""Predictions that differ where no spike and no potential does: by which other rule the output was read."""

from collections.abc import Iterator

import numpy as np

from deploy.checking.divergence.causes import Cause
from deploy.checking.divergence.proof import Proof
from deploy.network import Array
from deploy.traces.trace import Trace


def decided(found: Trace, layer: str, wrong: tuple[int, ...]) -> tuple[tuple[Cause, ...], Proof | None]:
    """The rules by which every prediction of a trace comes out, told together; and the proof.

    Args:
        found: the trace, of the recordings that were compared.
        layer: its output layer. wrong: the recordings whose predictions differ.
    """
    output = found.layers[layer]
    given = output.aligned(output.gives, found.steps)
    given = given.reshape(*given.shape[:2], -1).astype(np.int64)
    told = found.predictions >= 0
    rules = [
        text for text, votes in _rules(given, output.is_readout) if np.array_equal(votes[told], found.predictions[told])
    ]
    if not rules:
        return (), None
    text = f"the class is decided otherwise: {rules[0]}"
    cause = Cause(
        kind="decision", where=("predictions", layer), text=text, side="runner", verified=True, others=tuple(rules[1:])
    )
    count = len(wrong)
    proof = Proof(
        exact=True, recordings=len(given), differing=count, explained=count, wrong=0, spikes=False, of="predictions"
    )
    return (cause,), proof


def _rules(given: Array, readout: bool) -> Iterator[tuple[str, Array]]:
    """What a rule is called, and the classes (R,) that it gives."""
    steps, what = given.shape[1], "potential" if readout else "count of spikes"
    running = given if readout else given.cumsum(axis=1)
    for before in range(2, min(steps, 5) + 1):
        yield f"by the {what} {before - 1} step(s) before the last", running[:, -before].argmax(axis=1)
    yield f"by the {what} of the first step", running[:, 0].argmax(axis=1)
    last = given.shape[2] - 1
    yield f"ties go to the highest class: by the last {what}", last - running[:, -1, ::-1].argmax(axis=1)
    yield f"by the smallest {what}", running[:, -1].argmin(axis=1)
    if readout:
        yield "by the largest potential of all steps", given.max(axis=1).argmax(axis=1)
        yield "by the potentials of all steps, added up", given.sum(axis=1).argmax(axis=1)
        yield "by the size of the potential, without its sign", np.abs(given[:, -1]).argmax(axis=1)
    else:
        first = np.where(given.any(axis=1), given.argmax(axis=1), steps)
        yield "by the first spike", first.argmin(axis=1)
        yield "by the spikes of the last step", given[:, -1].argmax(axis=1)
