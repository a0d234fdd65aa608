"""Where a command's frames come from: recordings on disk, a frames file, or the trace beside the model."""

import sys
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np

from ckd.events import Binning, find_recordings, load_frames, read_npy
from deploy.errors import DeployError, FramesError, ModelError
from deploy.formats.model_file import ModelFile
from deploy.network import Array, Network
from deploy.network.frames import require_frames
from deploy.traces.compare import require_some
from deploy.traces.trace import load_trace


@dataclass(frozen=True)
class Recordings:
    """Frames (R, T, *shape), labels (R,) or None, names, and what the labels mean (empty: the model says it)."""

    frames: Array
    labels: Array | None
    names: tuple[str, ...]
    origin: str
    classes: tuple[str, ...] = ()


def choose_recordings(
    network: Network | ModelFile, model: Path, events: Path | None, frames: Path | None, limit: int | None
) -> Recordings:
    """What the options of a command say: recordings, a frames file, or else the trace beside the model.

    Raises:
        DeployError: both are given, or there is none of the three.
    """
    require_some(limit)
    if events is not None and frames is not None:
        raise DeployError("--events and --frames exclude each other; give one of them")
    if events is not None:
        return from_events(network, events, limit)
    if frames is not None:
        given = from_frames(frames, limit)
        _warn_of_other_binning(network.binning, given)
        return given
    beside = model.with_suffix(".trace")
    if not beside.is_file():
        raise DeployError(f"no recordings: {beside} does not exist; give --events DIR or --frames FILE.npy")
    return from_trace(beside, limit)


def from_events(network: Network | ModelFile, folder: Path, limit: int | None = None) -> Recordings:
    """Read recordings <class>/<file>, whose labels are the folders' names, or one file, with the model's own binning.

    Raises:
        ModelError: the model does not say its binning.
        DeployError: a folder that is none of the model's classes, or more or fewer of them than the model has outputs.
        RecordingError: a recording cannot be used.
    """
    if network.binning is None:
        raise ModelError(_why_no_binning(network, folder))
    if folder.is_file():
        frames = load_frames([folder], network.binning)
        return Recordings(frames, None, (folder.name,), str(folder), network.classes)
    paths, folders = find_recordings(folder)
    classes = network.classes or class_names(network, folder, folders)
    paths, folders = _every_class(paths, folders, limit)
    unknown = sorted(set(folders) - set(classes))
    if unknown:
        raise DeployError(
            f"{folder / unknown[0]}: {unknown[0]!r} is no class of the model; it knows {', '.join(classes)}"
        )
    labels = np.array([classes.index(name) for name in folders])
    names = tuple(str(path.relative_to(folder)) for path in paths)
    frames = load_frames(paths, network.binning)
    _warn_of_short(frames)
    return Recordings(frames, labels, names, str(folder), classes)


def _why_no_binning(network: Network | ModelFile, folder: Path) -> str:
    shape = network.shapes[network.input] if isinstance(network, Network) else None
    if shape is not None and (len(shape) != 3 or shape[0] != 2):
        return (
            f"{folder}: recordings become frames of two polarities, (2, rows, columns), and this network takes "
            f"{shape}; make such frames of them yourself, and give them with --frames FILE.npy"
        )
    return "this model does not say how recordings become frames; add --step-us and --steps"


def _warn_of_other_binning(binning: Binning | None, given: Recordings) -> None:
    """Say on stderr in what frames differ from those that the model was made for."""
    if binning is None or not given.frames.size:
        return
    steps, most = given.frames.shape[1], int(given.frames.max())
    odd = [f"{steps} steps where it has {binning.steps}"] * (steps != binning.steps)
    odd += [f"counts up to {most} where it stops at {binning.max_count}"] * (most > binning.max_count)
    if odd:
        print(f"warning: {given.origin} holds {' and '.join(odd)}, so the model may answer otherwise", file=sys.stderr)


def _warn_of_short(frames: Array) -> None:
    """Say on stderr where all events of most recordings fall into their first step: that wastes the others."""
    later = frames[:, 1:].reshape(len(frames), -1).any(1)
    if frames.shape[1] > 1 and 2 * later.sum() < len(frames):
        print(
            f"warning: {int((~later).sum())} of {len(frames)} recordings have all their events in the first step; are "
            "their times in milliseconds or seconds? Microseconds are needed",
            file=sys.stderr,
        )


def class_names(network: Network | ModelFile, folder: Path, folders: list[str]) -> tuple[str, ...]:
    """The classes of a model that does not name them: the folders in order of name, one for each output.

    Raises:
        DeployError: as many folders as outputs are needed, or labels would mean other classes.
    """
    classes = tuple(sorted(set(folders)))
    outputs = prod(network.shapes[network.output]) if isinstance(network, Network) else len(classes)
    if len(classes) != outputs:
        raise DeployError(
            f"{folder}: has {len(classes)} folders of recordings, the model {outputs} outputs without names; give one "
            "folder for each output, in order of name"
        )
    return classes


def from_frames(path: Path, limit: int | None = None) -> Recordings:
    """Read a .npy of frames (R, T, *shape). Raises RecordingError or DeployError where it is none."""
    if not path.is_file():
        raise DeployError(f"{path}: no such file; frames are a .npy of counts (R, T, ...)")
    try:
        frames = read_npy(path)
    except OSError as error:
        raise DeployError(f"{path}: not a .npy file of frames ({error})") from error
    if frames.ndim < 3:
        raise DeployError(
            f"{path}: has shape {frames.shape}; frames are (R, T, ...): recordings, steps, and what one step shows"
        )
    shape = tuple(frames.shape[2:])
    try:
        require_frames(frames[:limit], shape)
    except FramesError as error:
        raise FramesError(f"{path}: {error}") from None
    frames = frames[:limit].astype(np.uint8)
    return Recordings(frames, None, tuple(str(i) for i in range(len(frames))), str(path))


def from_trace(path: Path, limit: int | None = None) -> Recordings:
    """The frames that a trace was made from. Raises TraceError or DeployError where there are none."""
    trace = load_trace(path)
    if trace.frames is None:
        raise DeployError(f"{path}: holds no frames; give recordings with --events or --frames")
    labels = None if trace.labels is None else trace.labels[:limit]
    return Recordings(trace.frames[:limit], labels, trace.names[:limit], str(path))


def _every_class(paths: list[Path], folders: list[str], limit: int | None) -> tuple[list[Path], list[str]]:
    """The first `limit` recordings, taken from every class in turn."""
    if limit is None:
        return paths, folders
    seen: dict[str, int] = {}
    turns = []
    for name in folders:
        seen[name] = seen.get(name, 0) + 1
        turns.append(seen[name])
    chosen = sorted(sorted(range(len(paths)), key=lambda i: (turns[i], i))[:limit])
    return [paths[i] for i in chosen], [folders[i] for i in chosen]
