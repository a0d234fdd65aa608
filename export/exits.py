"""The exit of a student on the grid: its margin chosen on validation recordings, its worth told on test recordings."""

import numpy as np

from ckd.runs.folder import Run
from deploy.errors import DeployError
from deploy.mapping.steps import Worth, worth_of_exit
from deploy.network import Network
from deploy.traces.exits import choose_margin
from deploy.traces.prediction import running_votes
from deploy.traces.trace import Trace
from export.recording import quantized_parts


def with_exit(network: Network, run: Run, loss: float, *, device: str = "cpu") -> Network:
    """The network with the smallest margin that costs no more than `loss` of its accuracy on validation recordings.

    Args:
        network: the run's student on the grid.
        run: gives the validation recordings.
        loss: a share of them, 0 to 1.
        device: where PyTorch runs it.

    Raises:
        DeployError: the run has no validation recordings. TraceError: the student knows one class.
    """
    frames, labels, _ = run.recordings("validation")
    if not len(labels):
        raise DeployError(f"--exit-loss: {run.path} has no validation recordings to choose a margin by; leave it out")
    parts = quantized_parts(network, frames, device=device, states=0)
    votes = np.concatenate([running_votes(part.layers[network.output_layer], part.steps) for part in parts])
    return network.replace(exit_margin=choose_margin(votes, labels, loss))


def worth_of(network: Network, trace: Trace) -> Worth | None:
    """What a network with a margin is worth on the recordings of a trace; None without a margin."""
    if network.exit_margin is None or network.chip is None:
        return None
    return worth_of_exit(network, trace, network.exit_margin, network.chip)
