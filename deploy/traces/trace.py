"""Traces: what one run of a network gave, layer by layer, kept in memory as `Trace` and on disk as one HDF5 file."""

import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from ckd.events import Binning
from ckd.files import DISTRIBUTION, one_line, own_version
from deploy.errors import DAMAGED_HDF5, TraceError
from deploy.network import Array
from deploy.traces import storage
from deploy.traces.layers import PART, LayerRecord, Stored, join_layers, parts_of
from deploy.traces.sound import binning_from, require_sound


@dataclass(frozen=True, kw_only=True)
class Trace:
    """What every layer did for R recordings of T steps, and where that comes from.

    layers: by name, in order of execution. Their arrays have T' = T + the largest offset steps.
    predictions: (R,) index of the class; -1 where a trace does not say it.
    frames: (R, T, *input_shape) counts. labels: (R,) index of the class.
    stored_frames: in place of `frames` where they are too many to be held; `parts` and `save` read them.
    """

    layers: Mapping[str, LayerRecord]
    predictions: Array
    frames: Array | None = None
    stored_frames: Stored | None = None
    labels: Array | None = None
    names: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    schedule: str = "synchronous"
    binning: Binning | None = None
    runner: str = ""
    device: str = ""
    seconds: float = 0.0
    versions: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.layers:
            raise TraceError("a trace needs at least one layer")
        given = np.asarray(self.predictions)
        if given.ndim != 1 or given.dtype.kind not in "iuf" or not np.array_equal(given, given.round()):
            raise TraceError(
                f"predictions are {given.dtype} of shape {given.shape}; give one integer a recording, -1 where unknown"
            )
        object.__setattr__(self, "predictions", given if given.dtype.kind in "iu" else given.astype(np.int64))
        for name, layer in self.layers.items():
            if not isinstance(layer, LayerRecord):
                raise TraceError(
                    f"layer {name!r} is a {type(layer).__name__}; give a deploy.LayerRecord of its spikes, or of its v"
                )
            if layer.shape[:2] != (self.recordings, self._length):
                raise TraceError(
                    f"layer {name!r} is of shape {layer.shape}; all have ({self.recordings}, {self._length}, ...): as "
                    "many recordings as there are predictions, and as many steps as the first layer"
                )
        stored = None if self.stored_frames is None else range(self.stored_frames.shape[0])
        named = {"frames": self.frames, "stored frames": stored, "labels": self.labels, "names": self.names or None}
        for what, given in named.items():
            if given is not None and len(given) != self.recordings:
                raise TraceError(f"{len(given)} {what} of {self.recordings} predictions; give one a recording, or none")

    def __repr__(self) -> str:
        accuracy = "" if self.labels is None else f", accuracy {self.accuracy:.2%}"
        where = f" on {self.runner}" if self.runner else ""
        layers = ", ".join(self.layers)
        return f"<Trace of {self.recordings} recordings, {self.steps} steps, layers {layers}{where}{accuracy}>"

    @property
    def recordings(self) -> int:
        return len(self.predictions)

    @cached_property
    def steps(self) -> int:
        """T, the steps of input."""
        return self._length - max(layer.offset for layer in self.layers.values())

    @property
    def _length(self) -> int:
        """T'."""
        return next(iter(self.layers.values())).shape[1]

    @property
    def spiking(self) -> dict[str, LayerRecord]:
        """The layers that spike; the others are readouts."""
        return {name: layer for name, layer in self.layers.items() if not layer.is_readout}

    @property
    def outputs(self) -> "Trace":
        """The same with nothing of its layers but what they hand on; no file is read for it."""
        layers = self.layers.items()
        bare = {name: layer.replace(**dict.fromkeys(layer.kinds - {layer.gives})) for name, layer in layers}
        return replace(self, layers=bare)

    @property
    def offsets(self) -> dict[str, int]:
        """By layer, the step at which it sees the first input."""
        return {name: layer.offset for name, layer in self.layers.items()}

    @property
    def overflows(self) -> dict[str, int]:
        """By layer, how often u wrapped or v saturated; a sound network has none."""
        return {name: layer.overflows for name, layer in self.layers.items()}

    @property
    def accuracy(self) -> float | None:
        """The share of recordings whose prediction is their label; None without labels."""
        return self.accuracy_over(self.recordings)

    def accuracy_over(self, recordings: int) -> float | None:
        """The same over the first `recordings` alone."""
        return None if self.labels is None else float(np.mean((self.predictions == self.labels)[:recordings]))

    def aligned(self, kind: str, layer: str) -> Array:
        """`kind` ("spikes", "u", "v", "u_digest" or "v_digest") of `layer`, its own offset taken off: (R, T, ...)."""
        return self.layers[layer].aligned(kind, self.steps)

    def output(self, layer: str) -> Array:
        """What `layer` hands on, its own offset taken off: spikes, or v of a readout, (R, T, ...)."""
        return self.aligned(self.layers[layer].gives, layer)

    def parts(self, rows: int = PART) -> Iterator["Trace"]:
        """So many recordings at a time, all of them in order, in memory."""
        layers = {name: layer.parts(rows) for name, layer in self.layers.items()}
        given = self.frames if self.stored_frames is None else self.stored_frames
        frames = None if given is None else parts_of(given, rows)
        for first in range(0, self.recordings, rows):
            here = slice(first, first + rows)
            yield replace(
                self,
                layers={name: next(parts) for name, parts in layers.items()},
                predictions=self.predictions[here],
                labels=None if self.labels is None else self.labels[here],
                names=self.names[here],
                frames=None if frames is None else next(frames),
                stored_frames=None,
            )

    def take(self, rows: Sequence[int]) -> "Trace":
        """The recordings `rows`, in ascending order, in memory."""
        rows = sorted(rows)
        frames = self.frames if self.stored_frames is None else self.stored_frames.read()
        return replace(
            self,
            layers={name: layer.take(rows) for name, layer in self.layers.items()},
            predictions=self.predictions[rows],
            labels=None if self.labels is None else self.labels[rows],
            names=tuple(self.names[row] for row in rows) if self.names else (),
            frames=None if frames is None else frames[rows],
            stored_frames=None,
        )

    def labeled(self, labels: Array | None, names: tuple[str, ...] = ()) -> "Trace":
        """The same with the classes that its recordings show, and their names."""
        return replace(self, labels=labels, names=names)

    def save(self, path: Path | str, *, attributes: Mapping[str, str] | None = None) -> None:
        """Write the trace to one file, with further attributes; a crash leaves no half-written file behind."""
        meta = {name: getattr(self, name) for name in _META} | {"binning": self.binning and vars(self.binning)}
        frames = self.frames if self.stored_frames is None else self.stored_frames
        whole = {"labels": self.labels, "predictions": self.predictions, "frames": frames}
        storage.write(Path(path), meta, whole, self.layers, attributes or {})


_META = ("names", "classes", "schedule", "runner", "device", "seconds", "versions")


def load_trace(path: Path | str) -> Trace:
    """Open a trace; layers are read when they are asked for.

    Raises:
        TraceError: missing, not a trace, damaged, or written by another version.
    """
    path = Path(path)
    try:
        meta, whole, layers = storage.read(path)
        if "predictions" not in whole:
            raise TraceError("it holds no predictions")
        require_sound(meta, whole, layers)
        binning = meta.pop("binning")
        meta["names"], meta["classes"] = tuple(meta["names"]), tuple(meta["classes"])
        return Trace(layers=layers, binning=binning and binning_from(binning), **whole, **meta)
    except TraceError as error:
        text = str(error) if str(path) in str(error) else f"{path}: {error}; record it again"
        raise TraceError(one_line(text)) from error
    except (*DAMAGED_HDF5, AttributeError, ArithmeticError) as error:
        reason = one_line(f"{error or type(error).__name__}")
        raise TraceError(f"{path}: not a trace file, or a damaged one ({reason}); record it again") from error


def join_traces(parts: Sequence[Trace], **metadata: Any) -> Trace:
    """The recordings of several traces of one network, one after the other; `metadata` sets fields of the whole.

    Frames, labels and names are there where every part has them.
    """
    for kind in ("frames", "labels"):
        if kind not in metadata:  # frames that are given would be copied for nothing
            metadata[kind] = _concatenated([getattr(part, kind) for part in parts])
    whole = {
        "predictions": np.concatenate([part.predictions for part in parts]),
        "names": tuple(chain(*(part.names for part in parts))) if all(part.names for part in parts) else (),
        "layers": {name: join_layers([part.layers[name] for part in parts]) for name in parts[0].layers},
    }
    return replace(parts[0], **(whole | metadata))


def _concatenated(values: Sequence[Array | None]) -> Array | None:
    there = [value for value in values if value is not None]
    return np.concatenate(there) if len(there) == len(values) else None


@cache
def software_versions(*packages: str) -> dict[str, str]:
    """Python's version, ours and those of `packages`, for a trace's metadata."""
    # Looked up once: that takes as long as some thousand steps of a small network.
    from importlib.metadata import version

    own = {"python": platform.python_version(), DISTRIBUTION: own_version()}
    return own | {package: version(package) for package in packages}
