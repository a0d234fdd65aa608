"""Weights that lost a part by a rule: small ones, large ones, a diagonal, all but a diagonal; bounds of any size."""

from collections.abc import Callable, Iterator

import numpy as np

from deploy.checking.divergence.hypotheses.fitted import fitted
from deploy.checking.divergence.hypotheses.registry import Candidate, hypothesis
from deploy.checking.divergence.hypotheses.synapse import synapses
from deploy.checking.divergence.setup import Setup
from deploy.network import Array
from deploy.traces.trace import Trace


@hypothesis("weight-rule", "synapse", searches=True)
def ruled_weights(setup: Setup, layer: str, trace: Trace) -> Iterator[Candidate]:
    """One rule for all weights of a synapse, with the number that it depends on."""
    for name, node in synapses(setup, layer):
        weight = np.asarray(node.weight)
        if not np.issubdtype(weight.dtype, np.integer):
            continue
        if weight.ndim == 2 and weight.shape[0] == weight.shape[1]:
            eye = np.eye(len(weight), dtype=weight.dtype)
            without, only = weight * (1 - eye), weight * eye
            yield Candidate(
                f"{name}: the weights of the diagonal are 0: no neuron feeds itself", _with(setup, name, without)
            )
            yield Candidate(
                f"{name}: only the weights of the diagonal are there: a neuron feeds only itself",
                _with(setup, name, only),
            )
        sizes = np.unique(np.abs(weight))
        rules: dict[str, Callable[[int], Array]] = {
            "weight-small|{}: the weights below {} in size are 0": lambda n, w=weight: np.where(np.abs(w) < n, 0, w),
            "weight-large|{}: the weights above {} in size are 0": lambda n, w=weight: np.where(np.abs(w) > n, 0, w),
        }
        for words, make in rules.items():
            yield from fitted(
                setup,
                layer,
                trace,
                (0, len(sizes) - 1),
                lambda i, make=make, name=name, sizes=sizes: _with(setup, name, make(int(sizes[i]))),
                lambda i, words=words, name=name, sizes=sizes: words.format(name, int(sizes[i])),
            )
        # A bound may lie between two sizes, as 63 does where all weights are even.
        yield from fitted(
            setup,
            layer,
            trace,
            (1, int(sizes[-1]) - 1),
            lambda n, name=name, weight=weight: _with(setup, name, weight.clip(-n, n)),
            lambda n, name=name: f"weight-clipped|{name}: the weights are clipped to -{n} and {n}",
        )


def _with(setup: Setup, name: str, weight: Array) -> Setup:
    return setup.with_node(name, weight=weight)
