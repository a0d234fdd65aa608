"""What several commands need: how many recordings, a network that fits the runner."""

import sys
from pathlib import Path
from typing import Annotated

import tyro

from deploy.models import ModelFile
from deploy.network import Array, Network
from deploy.runners import GRID_RUNNERS

Model = Annotated[Path, tyro.conf.Positional]

SLOW_RECORDINGS = 10
"""Recordings that a slow simulator gets unless the user says how many: Lava takes about a hundred steps a second."""


def recording_limit(asked: int | None, on: str) -> int | None:
    """How many recordings to take; None: all."""
    return asked if asked is not None or not on.startswith(("lava", "netx")) else SLOW_RECORDINGS


def fit_to_runner(network: Network | ModelFile, on: str, frames: Array) -> Network | ModelFile:
    """The network as the runner takes it: a float network for a chip is put on the grid here and now, and says so."""
    if isinstance(network, ModelFile) or on not in GRID_RUNNERS or network.on_grid:
        return network
    from deploy.quantize import quantize

    print("this model holds floats: putting it on the grid, calibrated on the same recordings", file=sys.stderr)
    return quantize(network, frames)
