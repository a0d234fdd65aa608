"""What is left after a spike, or between recordings: a reset to another value, a state of which a part survives."""

from collections.abc import Callable, Iterator

import numpy as np

from deploy import grid
from deploy.checking.divergence.hypotheses.fitted import fitted
from deploy.checking.divergence.hypotheses.registry import Candidate, hypothesis
from deploy.checking.divergence.hypotheses.states import look
from deploy.checking.divergence.setup import Setup
from deploy.network import Array, GridNeuron
from deploy.traces.trace import Trace

SHIFTS, PAUSES = 6, 8
"""Bits by which a state is shifted, and steps without input that it decays through, between recordings."""


@hypothesis("reset-value", "neuron", searches=True)
def reset_to_another(setup: Setup, layer: str, trace: Trace) -> Iterator[Candidate]:
    """A hard reset to a value that is not 0: what v holds after spikes, or what spikes tell of it."""
    seen = look(setup, layer, trace)
    if seen is None or seen.spikes is None or seen.cell.reset_mechanism != "zero" or seen.cell.reset_delay:
        return

    def to(value: int) -> Setup:
        return setup.with_rules(layer, reset_to=value)

    def said(value: int) -> str:
        return f"a spike resets the potential to {value:,} instead of 0"

    if seen.v is not None:
        after = np.unique(seen.v[seen.spikes[: len(seen.v)]])
        for value in after[after != 0][:4].tolist():
            yield Candidate(said(value), to(value))
        return
    assert seen.cell.firing_potential is not None
    top = int(np.max(seen.cell.firing_potential))
    for between in ((1, top), (-top, -1)):
        yield from fitted(setup, layer, trace, between, to, said)


@hypothesis("bias", "neuron")
def shifted_bias(setup: Setup, layer: str, trace: Trace) -> Iterator[Candidate]:
    """A bias in the wrong unit: shifted by some bits, or without its lowest ones."""
    node = setup.network.nodes[layer]
    if not isinstance(node, GridNeuron) or not np.any(node.bias):
        return
    bias = np.asarray(node.bias, np.int64)
    made: list[tuple[str, Array]] = []
    for bits in (1, 2, 3, 4, 5, 7, 8):
        made.append((f"the bias is shifted by {bits} bit(s) to the right, divided by {1 << bits}", bias >> bits))
        made.append((f"the bias loses its {bits} lowest bit(s)", bias >> bits << bits))
    for bits in (1, 2, 3, 6):
        made.append((f"the bias is shifted by {bits} bit(s) to the left, {1 << bits} times", bias << bits))
    for text, values in made:
        if not np.array_equal(values, bias):
            yield Candidate(text, setup.with_node(layer, bias=values))


@hypothesis("blocked", "neuron")
def blocked(setup: Setup, layer: str, trace: Trace) -> Iterator[Candidate]:
    """Neurons that do not spike, and are not reset either; as a refractory counter that begins full."""
    if not setup.network.neurons[layer].is_readout:
        text = "silent, as in a refractory time: no neuron spikes or is reset, potentials go on"
        yield Candidate(text, setup.with_rules(layer, blocked=True))


@hypothesis("state-left", "neuron")
def part_of_the_state(setup: Setup, layer: str, trace: Trace) -> Iterator[Candidate]:
    """Between recordings a state is not reset: a part of it is left."""
    node = setup.network.nodes[layer]
    if not isinstance(node, GridNeuron):
        return
    said = "of the {} is kept between recordings, which is not reset"
    which = (("v", "potential"), ("u", "current"), ("uv", "state")) if node.has_current else (("v", "potential"),)
    for kinds, what in which:
        for bits in range(1, SHIFTS):
            text = f"1/{1 << bits} {said.format(what)}"
            yield Candidate(text, setup.with_rules(layer, carries=kinds, left=_shifted(bits)))
    if np.any(node.dv):
        dv = np.asarray(node.dv, np.int64)
        for steps in range(1, PAUSES + 1):
            text = f"what {steps} step(s) of decay leave {said.format('potential')}"
            yield Candidate(text, setup.with_rules(layer, carries="v", left=_decayed(dv, steps)))


def _shifted(bits: int) -> Callable[[Array], Array]:
    return lambda state: state >> bits


def _decayed(decay: Array, steps: int) -> Callable[[Array], Array]:
    def left(state: Array) -> Array:
        for _ in range(steps):
            state = grid.toward_zero(state * (grid.DECAY_ONE - decay), grid.DECAY_BITS)
        return state

    return left
