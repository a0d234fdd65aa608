"""Named mistakes of simulators and exporters, one small function each: a new one is found without being told where.

A hypothesis is the cause when the run that it predicts is, bit for bit, the one that was recorded.
"""

from deploy.checking.divergence.hypotheses import (
    arrived,
    bits,
    borders,
    by_spikes,
    constants,
    inputs,
    links,
    neuron,
    pictures,
    registers,
    resets,
    scaled,
    senders,
    sending,
    shaped,
    silenced,
    streams,
    synapse,
    timing,
    weights,
    wiring,
)
from deploy.checking.divergence.hypotheses.registry import HYPOTHESES, Candidate

__all__ = ["HYPOTHESES", "Candidate"]

TRIED = (
    *(inputs, neuron, constants, weights, synapse, shaped, timing, sending, registers, links, by_spikes, pictures),
    *(streams, resets, borders, silenced, wiring, bits, arrived, senders, scaled),
)
"""Each module registers its own; the simpler ones are tried, and named, first."""

_RANK = {module.__name__: rank for rank, module in enumerate(TRIED)}
HYPOTHESES.sort(key=lambda guess: _RANK[guess.propose.__module__])
