"""What several commands need: how many recordings, a network that fits the runner."""

import sys
from pathlib import Path
from typing import Annotated

import tyro

from deploy.errors import DeployError
from deploy.formats.model_file import ModelFile
from deploy.network import Array, Network
from deploy.runners import GRID_RUNNERS

Model = Annotated[Path, tyro.conf.Positional]

SLOW_RECORDINGS = 10
"""Recordings that a slow simulator gets unless the user says how many: Lava takes about a hundred steps a second."""


def recording_limit(asked: int | None, *runners: str | None) -> int | None:
    """How many recordings to take on these simulators; None: all."""
    slow = any(on.startswith(("lava", "netx")) for on in runners if on)
    return SLOW_RECORDINGS if asked is None and slow else asked


def refuse_to_replace(out: Path | None, kept: Path) -> None:
    """Raises DeployError where `out` would replace the file that it is made from, or can be no file."""
    if out is None:
        return
    if out.resolve() == kept.resolve():
        raise DeployError(f"{out}: would replace the model that it is made from; give another name")
    require_file_name(out)


def require_file_name(out: Path) -> None:
    """Raises DeployError where no file can be written under this name."""
    if out.is_dir() or any(parent.is_file() for parent in out.absolute().parents):
        raise DeployError(f"{out}: is a folder, or lies below a file; give the name of a file")


def fit_to_runner(network: Network | ModelFile, on: str, frames: Array) -> Network | ModelFile:
    """The network as the runner takes it: a float network for a chip is put on the grid here and now, and says so."""
    if isinstance(network, ModelFile) or on not in GRID_RUNNERS or network.on_grid:
        return network
    from deploy.quantization.search import quantize

    print("this model holds floats: putting it on the grid, calibrated on the same recordings", file=sys.stderr)
    return quantize(network, frames)
