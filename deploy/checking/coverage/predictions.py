"""Which small changes of a model would change what it says."""

from collections.abc import Sequence

import numpy as np

from deploy.checking.coverage.mutants import Mutants
from deploy.checking.coverage.shares import Share, share
from deploy.network import Array, Network
from deploy.runners.integer.simulator import run

PREDICTED = 100
"""Changes whose predictions are worked out: each is a run of the whole network."""


def changed_predictions(
    network: Network,
    frames: Array,
    predictions: Array,
    tried: Sequence[tuple[Mutants, int, Array]],
    rng: np.random.Generator,
) -> Share:
    """The share of all changes with which a prediction becomes another.

    Args:
        network, frames: as of the run.
        predictions: (R,) what the network says.
        tried: by group, a sample in random order, of how many it was drawn, and the first recording whose spikes show
            each; -1: none, so that no prediction can change.
        rng: rounds the groups' shares of the sample.
    """
    totals = np.array([total for _, total, _ in tried], float)
    counts = rng.multinomial(PREDICTED, totals / totals.sum())
    hits = asked = 0
    for (mutants, _, first), count in zip(tried, counts, strict=True):
        for row in range(min(int(count), len(mutants))):
            asked += 1
            if first[row] >= 0:
                given = run(mutants.applied(network, row), frames[first[row] :]).predictions
                hits += bool((given != predictions[first[row] :]).any())
    return share(hits, asked, int(totals.sum()))
