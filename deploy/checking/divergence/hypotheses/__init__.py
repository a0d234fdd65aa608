"""Named mistakes of simulators and exporters, one small function each: a new one is found without being told where.

A hypothesis is the cause when the run that it predicts is, bit for bit, the one that was recorded.
"""

# Each module registers its own; the order is that in which they are tried.
from deploy.checking.divergence.hypotheses import inputs, neuron, solved, synapse, timing  # noqa: F401
from deploy.checking.divergence.hypotheses.registry import HYPOTHESES, Candidate

__all__ = ["HYPOTHESES", "Candidate"]
