"""The two that are held against each other: a model on a simulator each, or anything that makes a trace of frames."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from deploy.errors import DeployError, TraceError, UnsupportedError
from deploy.formats.files import load
from deploy.formats.model_file import ModelFile
from deploy.network import Array, Network
from deploy.runners.table import find_runner, run
from deploy.traces.trace import Trace

Run = Callable[[Array], Trace]
"""Frames (R, T, *input_shape) to a trace of R recordings."""


@dataclass(frozen=True, kw_only=True)
class Side:
    """What runs frames; where that is no function, its model, its network if it is one, and its simulator's name."""

    run: Run
    model: Network | ModelFile | None = None
    on: str | None = None

    @property
    def network(self) -> Network | None:
        return self.model if isinstance(self.model, Network) else None


def side(given: Network | ModelFile | Path | str | Run, on: str) -> Side:
    """A side of what a caller gives.

    Args:
        given: a model, its file, or a function of frames.
        on: the simulator of a model.

    Raises:
        UnsupportedError: a float model, whose spikes rounding decides.
        DeployError: the model cannot be read, or there is no such simulator.
    """
    if callable(given):
        return Side(run=given)
    find_runner(on)
    name = str(given) if isinstance(given, str | Path) else "the model"
    model = load(given) if isinstance(given, str | Path) else given
    if not isinstance(model, Network | ModelFile):
        raise DeployError(f"cannot run a {type(model).__name__}; give a model, its file, or a function of frames")
    if not model.on_grid:
        raise UnsupportedError(
            f"{name}: holds floats, whose spikes rounding decides; a witness is sought on integers: put it on the "
            "grid with ckd-deploy compile"
        )

    def run_it(frames: Array) -> Trace:
        return run(model, frames, on=on, states=len(frames))

    return Side(run=run_it, model=model, on=on)


def differ(one: Trace, other: Trace, *, states: bool) -> Array:
    """In which recordings two traces differ, (R,) bool: spikes and readouts of the layers that both hold, predictions.

    Args:
        one, other: of the same frames.
        states: also u and v, of the layers for which both hold them.

    Raises:
        TraceError: they are of different numbers of recordings.
    """
    if one.recordings != other.recordings:
        raise TraceError(
            f"traces of {one.recordings} and {other.recordings} recordings; both are to be of all frames given"
        )
    a, b = one.predictions, other.predictions
    found = np.asarray((a != b) & (a >= 0) & (b >= 0))
    for name, record in one.layers.items():
        if name not in other.layers:
            continue
        beside = other.layers[name]
        kinds = [record.gives] if record.gives == beside.gives else []
        kinds += [kind for kind in ("u", "v") if states and record.held(kind) == beside.held(kind) == len(found)]
        for kind in kinds:
            a, b = one.aligned(kind, name), other.aligned(kind, name)
            if a.shape != b.shape:
                found[:] = True
            else:
                found |= (a != b).reshape(len(found), -1).any(axis=1)
    return found
