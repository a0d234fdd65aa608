"""Runners: each turns (network, frames) into a `Trace`. A new simulator is one new module here and one row below.

Modules are imported when they are asked for, so that what one simulator needs is no burden on the others.
"""

from collections.abc import Callable
from functools import partial
from importlib import import_module

import numpy as np

from deploy.errors import RunnerError
from deploy.formats.model_file import ModelFile
from deploy.network import Array, Network
from deploy.traces.trace import Trace


def _load(module: str) -> Callable[..., Trace]:
    return import_module(f"deploy.runners.{module}").run


RUNNERS: dict[str, Callable[[], Callable[..., Trace]]] = {
    "integer": partial(_load, "integer"),
    "float": partial(_load, "floating"),
    "lava": partial(_load, "lava.fixed"),
    "lava-float": lambda: partial(_load("lava.fixed"), floating=True),
    "loihi2": partial(_load, "lava.loihi2"),
    "onnx": partial(_load, "onnx"),
    "netx": partial(_load, "lava.netx"),
}
"""By the name that `--on` takes, how to get the runner's `run` function."""

GRID_RUNNERS = frozenset({"integer", "lava", "loihi2", "netx"})
"""Runners that take networks on the grid."""

FLOAT_RUNNERS = frozenset({"float", "lava-float"})
"""Runners whose spikes and potentials are those of floats, whatever network they are given."""


def require_known(on: str) -> None:
    """Raises RunnerError where no runner has this name."""
    if on not in RUNNERS:
        raise RunnerError(f"runner {on!r} is not known; use one of {', '.join(RUNNERS)}")


def run(network: Network | ModelFile, frames: Array, *, on: str = "integer", keep_states: int = 0) -> Trace:
    """Run a network over recordings.

    Args:
        network: on the grid for the runners in `GRID_RUNNERS`. A model file runs on its own simulator alone.
        frames: (R, T, *input_shape) counts from 0 to 255, at least one recording and one step.
        on: the runner's name, one of `RUNNERS`.
        keep_states: for how many recordings the potentials and currents of every layer are kept.

    Raises:
        RunnerError: no such runner, or it cannot run here.
        UnsupportedError: the runner has no such node.
    """
    require_known(on)
    if isinstance(network, ModelFile) and on != network.runner:
        raise RunnerError(f"{network.path}: runs --on {network.runner} alone, not on {on}; give {on} a .nir file")
    if not isinstance(network, Network | ModelFile):
        raise RunnerError(f"cannot run a {type(network).__name__}; deploy.load(path) reads a network")
    if not isinstance(frames, np.ndarray):
        raise RunnerError(f"frames are a numpy array (R, T, ...), not a {type(frames).__name__}")
    expected = network.input_shape
    if frames.ndim != len(expected) + 2 or frames.shape[2:] != expected:
        raise RunnerError(f"frames of shape {frames.shape} do not fit; this network takes (R, T, {str(expected)[1:]}")
    if 0 in frames.shape[:2]:
        raise RunnerError(f"frames of shape {frames.shape} hold nothing to run; give at least a recording and a step")
    return RUNNERS[on]()(network, frames, keep_states=keep_states)
