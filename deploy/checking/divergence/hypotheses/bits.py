"""Bits of a potential that are stuck, or that are flipped once."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from deploy.checking.divergence.evidence import left_wrong
from deploy.checking.divergence.hypotheses.registry import Candidate, hypothesis
from deploy.checking.divergence.places import neurons_in_words
from deploy.checking.divergence.rules import RIGHT
from deploy.checking.divergence.setup import Setup
from deploy.network import Array, GridNeuron
from deploy.traces.trace import Trace

MOST_NEURONS, MOST_RECORDINGS = 4, 2
"""Neurons in which a bit may be stuck, and recordings in which one may be flipped."""
BACK = 4
"""Steps by which a flip may come before the first spike that it costs."""
BITS = range(24)


@hypothesis("stuck-bit", "neuron", searches=True, picks=True)
def stuck_bit(setup: Setup, layer: str, trace: Trace) -> Iterator[Candidate]:
    """One bit of the potential of a few neurons that is always set, or never."""
    wrong = _wrong(setup, trace, layer)
    if wrong is None or wrong.any(axis=(0, 1)).sum() > MOST_NEURONS:
        return
    where: Array = np.asarray(wrong.any(axis=(0, 1)))
    for bit in BITS:
        for value, masks in ((1, (1 << bit, 0, 0)), (0, (0, 1 << bit, 0))):
            text = f"bit {bit} of the potential is stuck at {value}, in {neurons_in_words(where)}"
            part = replace(setup.rules.get(layer, (RIGHT,))[0], bits=masks, where=where)
            yield Candidate(text, setup.with_part(layer, part))


@hypothesis("flipped-bit", "neuron", searches=True, picks=True)
def flipped_bit(setup: Setup, layer: str, trace: Trace) -> Iterator[Candidate]:
    """An upset: one bit of the potential of one neuron that is flipped in one step of one recording."""
    wrong = _wrong(setup, trace, layer)
    if wrong is None or wrong.any(axis=(0, 1)).sum() != 1:
        return
    rows = np.flatnonzero(wrong.reshape(len(wrong), -1).any(axis=1))
    if len(rows) > MOST_RECORDINGS:
        return
    where: Array = np.asarray(wrong.any(axis=(0, 1)))
    some, few = setup.take(rows), trace.take(rows.tolist())
    numbers = tuple(setup.numbers[rows].tolist())
    first = int(wrong.any(axis=(0, *range(2, wrong.ndim))).argmax())
    base = setup.rules.get(layer, (RIGHT,))[0]
    for step in range(first, max(first - BACK, -1), -1):
        for bit in BITS:
            part = replace(base, bits=(0, 0, 1 << bit), where=where, recordings=numbers, steps=(step, step + 1))
            left = left_wrong(some.with_part(layer, part), few, layer)
            if left is not None and not left.any():
                rows_told = "recording " + " and ".join(map(str, numbers))
                text = (
                    f"bit {bit} of the potential is flipped once: {neurons_in_words(where)}, step {step}, {rows_told}"
                )
                yield Candidate(text, setup.with_part(layer, part))
                break


def _wrong(setup: Setup, trace: Trace, layer: str) -> Array | None:
    if not isinstance(setup.network.nodes[layer], GridNeuron):
        return None
    wrong = left_wrong(setup, trace, layer)
    return wrong if wrong is not None and wrong.any() else None
