"""Constants of neurons as other tools have them: decays by a shift, parameters of all neurons times a factor."""

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np

from deploy.checking.divergence.hypotheses.registry import Candidate, hypothesis
from deploy.checking.divergence.setup import Setup
from deploy.network import GridNeuron
from deploy.traces.trace import Trace

FACTORS = tuple(map(Fraction, ("1/4", "1/2", "3/4", "5/4", "3/2", "2", "4")))
SCALED = {"vth": "threshold vth", "bias": "bias", "dv": "decay dv of the potential", "du": "decay du of the current"}


@hypothesis("shifted-decay", "neuron")
def decays_by_a_shift(setup: Setup, layer: str, trace: Trace) -> Iterator[Candidate]:
    """A decay of which only a power of two is left: v less v shifted."""
    node = setup.network.nodes[layer]
    if not isinstance(node, GridNeuron):
        return
    for name, what in (("dv", "potential"), ("du", "current")):
        plus = 1 if name == "du" else 0
        here = np.asarray(getattr(node, name), np.int64) + plus
        exponent = np.log2(np.maximum(here, 1))
        for how, rounded in (("nearest", np.round), ("next lower", np.floor), ("next higher", np.ceil)):
            power = np.where(here > 0, 1 << rounded(exponent).astype(np.int64), 0)
            if (power != here).any():
                text = f"the decay {name} of the {what} is the {how} power of two, as of a leak by a shift"
                yield Candidate(text, setup.with_node(layer, **{name: power - plus}))


@hypothesis("scaled-constant", "neuron")
def scaled_constants(setup: Setup, layer: str, trace: Trace) -> Iterator[Candidate]:
    """A parameter times one factor in all neurons, where these have different ones: one number says that otherwise."""
    node = setup.network.nodes[layer]
    if not isinstance(node, GridNeuron):
        return
    for name, what in SCALED.items():
        given: Any = getattr(node, name)
        if given is None or (np.asarray(given) == np.asarray(given).flat[0]).all():
            continue
        for by in FACTORS:
            values = np.asarray(given, np.int64) * by.numerator // by.denominator
            if name in ("dv", "du") and values.max() > 4096:
                continue
            text = f"the {what} of every neuron is multiplied by {by}"
            yield Candidate(text, setup.with_node(layer, **{name: values}))
