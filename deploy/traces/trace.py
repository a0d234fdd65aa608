"""Traces: what one run of a network gave, layer by layer; kept in memory as `Trace`, on disk as one HDF5 file.

File layout (`FORMAT_VERSION`): attributes hold the metadata as JSON; `frames`, `labels`, `predictions`; one group per
layer under `layers` with what was recorded of `spikes`, `u`, `v`, `u_digest` and `v_digest`. Spikes, and frames of 0
and 1, are bits packed along the neurons, (R, T, ceil(n / 8)), with the shape in an attribute. A layer is read when it
is asked for.
"""

import json
import platform
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import prod
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from ckd.events import Binning
from ckd.files import write_then_rename
from deploy.errors import TraceError
from deploy.traces.checksum import digest

__all__ = ["FORMAT_VERSION", "Trace", "digest", "join_traces", "load_trace", "software_versions"]

FORMAT_VERSION = 3

Array = NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class Trace:
    """The spikes of every layer for R recordings, and whatever else the runner was asked to keep.

    spikes: (R, T', ...) bool by neuron name; a readout, which never spikes, is not there.
    u, v: (R', T', ...) synaptic current and potential after the reset, of the first R' <= R recordings; v of a readout
        is always there, for all R.
    u_digest, v_digest: (R, T') uint64, a checksum over the neurons of each step (`deploy.traces.checksum`).
    predictions: (R,) index of the class.
    shifts: the step at which each layer sees the first input; T' = T + the largest one. All 0 when layer-synchronous,
        which is the default.
    overflows: by layer, how often u wrapped or v saturated; a sound network has none.
    """

    spikes: Mapping[str, Array]
    predictions: Array
    frames: Array | None = None
    labels: Array | None = None
    names: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    u: Mapping[str, Array] = field(default_factory=dict)
    v: Mapping[str, Array] = field(default_factory=dict)
    u_digest: Mapping[str, Array] = field(default_factory=dict)
    v_digest: Mapping[str, Array] = field(default_factory=dict)
    shifts: Mapping[str, int] = field(default_factory=dict)
    overflows: Mapping[str, int] = field(default_factory=dict)
    schedule: str = "synchronous"
    binning: Binning | None = None
    runner: str = ""
    device: str = ""
    seconds: float = 0.0
    versions: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.shifts:
            # Spikes from elsewhere, say a chip's, with no more said: every layer in step with the input.
            object.__setattr__(self, "shifts", dict.fromkeys([*self.spikes, *self.v], 0))
        unknown = set(self.spikes) - set(self.shifts)
        if unknown:
            raise TraceError(f"layer {sorted(unknown)[0]!r} has no shift; give all layers one, or none")

    @property
    def recordings(self) -> int:
        return len(self.predictions)

    @property
    def layers(self) -> tuple[str, ...]:
        """Every layer of neurons, in order of execution."""
        return tuple(self.shifts)

    @cached_property
    def steps(self) -> int:
        """T, the steps of input."""
        return self._shape(self.layers[0])[1] - max(self.shifts.values())

    def neuron_shape(self, layer: str) -> tuple[int, ...]:
        """The shape of a layer's neurons; a file is not read for it."""
        return self._shape(layer)[2:]

    def _shape(self, layer: str) -> tuple[int, ...]:
        return _shape_of(self.spikes if layer in self.spikes else self.v, layer)

    def held(self, kind: str, layer: str) -> int:
        """Of how many recordings `kind` ("spikes", "u", "v" or a digest) of `layer` is there; a file is not read."""
        values = getattr(self, kind)
        return _shape_of(values, layer)[0] if layer in values else 0

    @property
    def accuracy(self) -> float | None:
        """The share of recordings whose prediction is their label; None without labels."""
        return self.accuracy_over(self.recordings)

    def accuracy_over(self, recordings: int) -> float | None:
        """The same over the first `recordings` alone."""
        return None if self.labels is None else float(np.mean((self.predictions == self.labels)[:recordings]))

    def aligned(self, kind: str, layer: str) -> Array:
        """`kind` ("spikes", "u", "v", "u_digest" or "v_digest") of `layer`, its own delay taken off: (R, T, ...)."""
        shift = self.shifts[layer]
        return getattr(self, kind)[layer][:, shift : shift + self.steps]

    def packed(self, layer: str) -> Array:
        """The spikes of `layer`, its own delay taken off, as bits: (R, T, ceil(neurons / 8)) uint8."""
        shift = self.shifts[layer]
        if isinstance(self.spikes, _Lazy):
            return self.spikes.packed(layer)[:, shift : shift + self.steps]
        spikes = np.asarray(self.spikes[layer][:, shift : shift + self.steps], bool)
        return np.packbits(spikes.reshape(*spikes.shape[:2], -1), axis=-1)

    def save(self, path: Path) -> None:
        """Write the trace to one file; a crash leaves no half-written file behind."""
        with write_then_rename(Path(path)) as temporary, h5py.File(temporary, "w") as file:
            meta = {name: getattr(self, name) for name in _META}
            file.attrs["ckd_trace"] = FORMAT_VERSION
            file.attrs["meta"] = json.dumps(meta | {"binning": self.binning and vars(self.binning)}, default=dict)
            for name in ("labels", "predictions"):
                value = getattr(self, name)
                if value is not None:
                    file.create_dataset(name, data=value, **_compression(value))
            if self.frames is not None:
                _write_counts(file, "frames", self.frames)
            for layer in self.layers:
                group = file.create_group(f"layers/{layer}")
                if layer in self.spikes:
                    _write_counts(group, "spikes", self.spikes[layer])
                for kind in _STATES:
                    if layer in getattr(self, kind):
                        value = getattr(self, kind)[layer]
                        group.create_dataset(kind, data=value, **_compression(value))


def load_trace(path: Path) -> Trace:
    """Open a trace; layers are read when they are asked for.

    Raises:
        TraceError: missing, not a trace, or written by another version.
    """
    path = Path(path)
    if not path.is_file():
        raise TraceError(
            f"{path}: no such trace; ckd-export writes one beside the model, ckd-deploy run --trace another"
        )
    try:
        with h5py.File(path, "r") as file:
            version = file.attrs.get("ckd_trace")
            if version != FORMAT_VERSION:
                raise TraceError(f"{path}: trace version {version}, this is version {FORMAT_VERSION}; export it again")
            meta: dict[str, Any] = json.loads(str(file.attrs["meta"]))
            whole = {name: file[name][()] for name in ("labels", "predictions") if name in file}  # pyright: ignore
            whole["frames"] = _read_counts(file["frames"]) if "frames" in file else None  # pyright: ignore
            lazy = {kind: _Lazy(path, kind, _held(file, kind, meta["shifts"])) for kind in ("spikes", *_STATES)}
        binning = meta.pop("binning")
        meta["names"], meta["classes"] = tuple(meta["names"]), tuple(meta["classes"])
        return Trace(binning=binning and Binning(**binning), **whole, **lazy, **meta)
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise TraceError(f"{path}: not a trace file, or a damaged one ({error}); record it again") from error


def join_traces(parts: Sequence[Trace], **metadata: Any) -> Trace:
    """The recordings of several traces of one network, one after the other; `metadata` sets fields of the whole."""

    def joined(kind: str) -> dict[str, Array]:
        return {name: np.concatenate([getattr(part, kind)[name] for part in parts]) for name in getattr(parts[0], kind)}

    return replace(
        parts[0],
        spikes=joined("spikes"),
        **{kind: joined(kind) for kind in _STATES},
        predictions=np.concatenate([part.predictions for part in parts]),
        overflows={layer: sum(part.overflows[layer] for part in parts) for layer in parts[0].overflows},
        **metadata,
    )


def software_versions(*packages: str) -> dict[str, str]:
    """Python's version and those of `packages`, for a trace's metadata."""
    from importlib.metadata import version

    return {"python": platform.python_version(), **{package: version(package) for package in packages}}


_META = ("names", "classes", "shifts", "overflows", "schedule", "runner", "device", "seconds", "versions")
_STATES = ("u", "v", "u_digest", "v_digest")


class _Lazy(Mapping[str, Array]):
    """Layers of a trace file, read one at a time; `shapes` of packed spikes is None for everything else."""

    def __init__(self, path: Path, kind: str, shapes: dict[str, tuple[int, ...] | None]) -> None:
        self._path, self._kind, self._shapes = path, kind, shapes

    def __getitem__(self, layer: str) -> Array:
        with self._opened(layer) as dataset:
            value = _read_counts(dataset)
        return value.view(bool) if self._kind == "spikes" else value

    def packed(self, layer: str) -> Array:
        """Spikes as they lie in the file: (R, T', ceil(neurons / 8)) uint8."""
        with self._opened(layer) as dataset:
            return dataset[()]

    def shape(self, layer: str) -> tuple[int, ...]:
        """(R, T', ...) of a layer."""
        shape = self._shapes[layer]
        if shape is not None:
            return shape
        with self._opened(layer) as dataset:
            return dataset.shape

    @contextmanager
    def _opened(self, layer: str) -> Iterator[h5py.Dataset]:
        try:
            with h5py.File(self._path, "r") as file:
                yield _dataset(file, layer, self._kind)
        except (OSError, RuntimeError, ValueError) as error:
            raise TraceError(f"{self._path}: {layer}: {self._kind} cannot be read ({error}); record it again") from None

    def __contains__(self, layer: object) -> bool:
        # A Mapping looks a key up by reading its value, which here is a file's.
        return layer in self._shapes

    def __iter__(self) -> Iterator[str]:
        return iter(self._shapes)

    def __len__(self) -> int:
        return len(self._shapes)


def _shape_of(values: Mapping[str, Array], layer: str) -> tuple[int, ...]:
    """(R, T', ...) of a layer; a file is not read for it."""
    return values.shape(layer) if isinstance(values, _Lazy) else values[layer].shape


def _held(file: h5py.File, kind: str, layers: Iterable[str]) -> dict[str, tuple[int, ...] | None]:
    """The layers of which the file has `kind`, with the shapes of packed spikes."""
    held: dict[str, tuple[int, ...] | None] = {}
    for layer in layers:
        if f"layers/{layer}/{kind}" in file:
            shape: Any = _dataset(file, layer, kind).attrs.get("shape")
            held[layer] = None if shape is None else tuple(int(n) for n in shape)
    return held


def _dataset(file: h5py.File, layer: str, kind: str) -> h5py.Dataset:
    dataset = file[f"layers/{layer}/{kind}"]
    assert isinstance(dataset, h5py.Dataset)
    return dataset


def _write_counts(group: h5py.Group, name: str, counts: Array) -> None:
    """Counts (R, T, ...); those of 0 and 1 as bits (R, T, bytes), with the shape that they had.

    Bits are not compressed: half the bytes would take fifteen times as long to read, longer than simulating them.
    """
    if counts.dtype != bool and (counts.dtype.kind not in "biu" or counts.max(initial=0) > 1):
        group.create_dataset(name, data=counts, **_compression(counts))
        return
    packed = np.packbits(np.asarray(counts, bool).reshape(*counts.shape[:2], -1), axis=-1)
    group.create_dataset(name, data=packed).attrs["shape"] = counts.shape


def _read_counts(dataset: h5py.Dataset) -> Array:
    """What `_write_counts` wrote, or a dataset as it is."""
    value, shape = dataset[()], dataset.attrs.get("shape")
    if shape is None:
        return value
    shape = tuple(int(n) for n in shape)  # pyright: ignore[reportGeneralTypeIssues]
    return np.unpackbits(value, axis=-1, count=prod(shape[2:])).reshape(shape)


CHUNK_BYTES = 1 << 18


def _compression(value: Array) -> dict[str, Any]:
    """Whole recordings in chunks of about `CHUNK_BYTES`: they are read one after the other or some of them."""
    if value.size <= 1024:
        return {}
    rows = max(1, min(len(value), CHUNK_BYTES // max(1, value.nbytes // len(value))))
    return {"compression": "gzip", "compression_opts": 1, "shuffle": True, "chunks": (rows, *value.shape[1:])}
