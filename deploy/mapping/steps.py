"""What a network is worth and costs at every step, and with an exit: accuracy, synaptic operations, energy and time."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from deploy.grid.chips import Chip
from deploy.mapping.layout import map_network
from deploy.network import Array, Network
from deploy.traces.exits import answers, exit_steps
from deploy.traces.prediction import running_votes
from deploy.traces.trace import Trace

MOST_ROWS = 32
"""Steps that are measured, spread evenly, where a recording has more."""


@dataclass(frozen=True, kw_only=True)
class Worth:
    """Means over recordings.

    steps: that a recording takes. accuracy: None without labels. synaptic_operations: per recording, as `map_network`
    counts them. energy, seconds: its estimates per recording.
    """

    steps: float
    accuracy: float | None
    synaptic_operations: float
    energy: float
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def worth_by_step(network: Network, trace: Trace, chip: Chip | str = "loihi2") -> list[Worth]:
    """If all recordings ended behind the same step, for every step.

    Raises:
        TraceError, UnsupportedError: as `map_network`.
    """
    votes = running_votes(trace.layers[network.output_layer], trace.steps)
    rows = np.linspace(1, trace.steps, min(trace.steps, MOST_ROWS)).round().astype(int)
    return [_worth(network, trace, chip, votes, np.full(trace.recordings, step)) for step in rows]


def worth_of_exit(network: Network, trace: Trace, margin: float, chip: Chip | str = "loihi2") -> Worth:
    """If every recording ends where its leading class is `margin` ahead.

    Raises:
        TraceError, UnsupportedError: as `map_network`, and where the output has one class.
    """
    votes = running_votes(trace.layers[network.output_layer], trace.steps)
    return _worth(network, trace, chip, votes, exit_steps(votes, margin))


def _worth(network: Network, trace: Trace, chip: Chip | str, votes: Array, took: Array) -> Worth:
    guess = map_network(network, chip, trace, took=took).estimate
    assert guess is not None
    found = answers(votes, took)
    return Worth(
        steps=float(took.mean()),
        accuracy=None if trace.labels is None else float((found == trace.labels).mean()),
        synaptic_operations=sum(guess.activity.synaptic_operations.values()),
        energy=guess.energy,
        seconds=guess.seconds,
    )
