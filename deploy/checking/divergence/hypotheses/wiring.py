"""Axons that end where they should not, from spikes alone: the pairs of inputs whose exchange would mend most.

A spike that is missing asks for smaller sums, an extra one for larger ones. What one input would add with the weights
of another is held against that, for all pairs at once, and the best of them are tried exactly.
"""

from collections.abc import Callable, Iterator

import numpy as np

from deploy.checking.divergence.evidence import wrongs
from deploy.checking.divergence.hypotheses.registry import Candidate, hypothesis
from deploy.checking.divergence.paths import changed, entering, ways
from deploy.checking.divergence.setup import Setup
from deploy.network import Array, Dense, GridNeuron
from deploy.traces.trace import Trace

TRIED, MOST_INPUTS = 12, 1024


@hypothesis("wired-wrongly", "synapse", searches=True)
def wired_wrongly(setup: Setup, layer: str, trace: Trace) -> Iterator[Candidate]:
    """Two inputs of a dense layer that are exchanged, one that is heard as another too, or in place of it."""
    if setup.schedule != "synchronous" or not isinstance(setup.network.nodes[layer], GridNeuron):
        return
    own = wrongs(setup, trace, frozenset([layer])).get(layer)
    if own is None or own.spikes is None or not own.output.any():
        return
    asked = own.spikes.astype(np.float64) - own.due
    for way in ways(setup.network, layer):
        node = setup.network.nodes[way.name]
        if len(way.nodes) > 1 or not isinstance(node, Dense) or node.weight.shape[1] > MOST_INPUTS:
            continue
        x = entering(setup, way, trace)
        for text, change in _pairs(x.astype(np.float64), node.weight.astype(np.float64), _shifted(asked, way.late)):
            made = changed(setup, way, trace, lambda x, n, change=change: change(x))
            yield Candidate(f"{way.name}: {text}", made)


def _shifted(asked: Array, late: int) -> Array:
    out = np.zeros_like(asked)
    out[:, : asked.shape[1] - late] = asked[:, late:]
    return out


def _pairs(x: Array, weight: Array, asked: Array) -> Iterator[tuple[str, Callable[[Array], Array]]]:
    flat, wanted = x.reshape(-1, x.shape[-1]), asked.reshape(-1, asked.shape[-1])
    gain = flat.T @ (wanted @ weight)  # [i, j]: what input i adds with the weights of input j, where it is asked for
    size = np.sqrt(np.outer((flat**2).sum(axis=0), (weight**2).sum(axis=0)).clip(1e-9))
    also = gain / size
    np.fill_diagonal(also, -np.inf)
    own = np.diag(gain)
    for i, j in _best(also):
        text = f"input {i} is heard as input {j} as well: its spikes arrive with the weights of both"
        yield text, lambda x, i=i, j=j: _heard_as(x, i, j, stays=True)
    moved = (gain - own[:, None]) / size
    np.fill_diagonal(moved, -np.inf)
    for i, j in _best(moved):
        yield f"input {i} is heard as input {j}, not as itself", lambda x, i=i, j=j: _heard_as(x, i, j, stays=False)
    both = (gain + gain.T - own[:, None] - own[None]) / (size + size.T)
    for i, j in _best(np.where(np.triu(np.ones_like(both), 1) > 0, both, -np.inf)):
        yield f"inputs {min(i, j)} and {max(i, j)} are exchanged", lambda x, i=i, j=j: _exchanged(x, i, j)


def _best(score: Array) -> list[tuple[int, int]]:
    order = np.argsort(-score, axis=None)[:TRIED]
    pairs = ((int(k // score.shape[1]), int(k % score.shape[1])) for k in order)
    return [(i, j) for i, j in pairs if score[i, j] > 0]


def _heard_as(x: Array, one: int, other: int, *, stays: bool) -> Array:
    x = x.copy()
    x[..., other] += x[..., one]
    if not stays:
        x[..., one] = 0
    return x


def _exchanged(x: Array, one: int, other: int) -> Array:
    x = x.copy()
    x[..., [one, other]] = x[..., [other, one]]
    return x
