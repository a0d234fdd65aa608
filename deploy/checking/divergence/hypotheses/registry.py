"""What a hypothesis is, and the list of all of them, simplest first."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from deploy.checking.divergence.setup import Setup
from deploy.traces.trace import Trace


class Candidate(NamedTuple):
    """One way a hypothesis may hold: what to say ("kind|text" names another kind than the hypothesis), and the run that
    it predicts."""

    text: str
    setup: Setup


Propose = Callable[[Setup, str, Trace], Iterator[Candidate]]
"""(what should have run, the layer that differs, what was recorded) -> the runs that it predicts."""


@dataclass(frozen=True)
class Hypothesis:
    """A mistake by its name, its family (neuron, synapse, input or timing), and how to make it.

    searches: looks for a number or a set, and so takes many runs. picks: says of single neurons or weights what it is
    of them, and so needs more to explain than that.
    """

    kind: str
    family: str
    propose: Propose
    searches: bool = False
    picks: bool = False


HYPOTHESES: list[Hypothesis] = []


def hypothesis(kind: str, family: str, *, searches: bool = False, picks: bool = False) -> Callable[[Propose], Propose]:
    """Register a function that proposes runs."""

    def register(propose: Propose) -> Propose:
        HYPOTHESES.append(Hypothesis(kind, family, propose, searches, picks))
        return propose

    return register
