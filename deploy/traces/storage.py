"""A trace's file: HDF5, version 3.

Attributes hold the metadata as JSON; `frames`, `labels`, `predictions`; one group a layer under `layers` with what was
kept of `spikes`, `u`, `v`, `u_digest` and `v_digest`. Spikes, and frames of 0 and 1, are bits packed along the neurons,
(R, T, ceil(n / 8)), with the shape in an attribute. A layer is read when it is asked for.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ckd.files import write_then_rename
from deploy.errors import DAMAGED_HDF5, TraceError
from deploy.network import Array, Shape
from deploy.traces.layers import KINDS, LayerRecord

FORMAT_VERSION = 3
CHUNK_BYTES = 1 << 18

Contents = tuple[dict[str, Any], dict[str, Any], dict[str, LayerRecord]]
"""Metadata, the arrays that are no layer's, and the layers."""


def write(path: Path, meta: dict[str, Any], whole: dict[str, Array | None], layers: Mapping[str, LayerRecord]) -> None:
    """Write a trace; a crash leaves no half-written file behind."""
    # The file says "shifts" where everything else says offset; a new word would be a new version of the format.
    shifts = {name: layer.offset for name, layer in layers.items()}
    meta = meta | {"shifts": shifts, "overflows": {name: layer.overflows for name, layer in layers.items()}}
    with write_then_rename(path) as temporary, h5py.File(temporary, "w") as file:
        file.attrs["ckd_trace"] = FORMAT_VERSION
        file.attrs["meta"] = json.dumps(meta, default=dict)
        for name, value in whole.items():
            if value is not None:
                _write(file, name, value, as_bits=name == "frames")
        for name, layer in layers.items():
            group = file.create_group(f"layers/{name}")
            for kind in KINDS:
                if kind in layer:
                    _write(group, kind, layer[kind], as_bits=kind == "spikes")


def read(path: Path) -> Contents:
    """Open a trace.

    Raises:
        TraceError: missing, or of another version; and whatever h5py and json raise of a damaged file.
    """
    if not path.is_file():
        raise TraceError(
            f"{path}: no such trace; ckd-export writes one beside the model, ckd-deploy run --trace another"
        )
    with h5py.File(path, "r") as file:
        version = file.attrs.get("ckd_trace")
        if version is None:
            raise TraceError(f"{path}: an HDF5 file, but no trace; give a .trace file")
        if version != FORMAT_VERSION:
            raise TraceError(f"{path}: trace version {version}, this is version {FORMAT_VERSION}; export it again")
        meta: dict[str, Any] = json.loads(str(file.attrs["meta"]))
        offsets, overflows = meta.pop("shifts"), meta.pop("overflows")
        whole: dict[str, Any] = {
            name: _unpacked(_dataset(file, name)) for name in ("labels", "predictions", "frames") if name in file
        }
        layers = {
            name: LayerRecord(**_stored(path, file, name), offset=offset, overflows=overflows.get(name, 0))
            for name, offset in offsets.items()
        }
    return meta, whole, layers


@dataclass(frozen=True)
class _InFile:
    """One array of a layer, as `deploy.traces.layers.Stored`."""

    path: Path
    layer: str
    kind: str
    shape: Shape
    packed: bool

    def read(self) -> Array:
        with self._opened() as dataset:
            value = _unpacked(dataset)
        return value.view(bool) if self.kind == "spikes" else value

    def read_bits(self) -> Array | None:
        if not self.packed:
            return None
        with self._opened() as dataset:
            return dataset[()]

    @contextmanager
    def _opened(self) -> Iterator[h5py.Dataset]:
        try:
            with h5py.File(self.path, "r") as file:
                yield _dataset(file, f"layers/{self.layer}/{self.kind}")
        except DAMAGED_HDF5 as error:
            raise TraceError(
                f"{self.path}: {self.layer}: {self.kind} cannot be read ({error}); record it again"
            ) from None


def _stored(path: Path, file: h5py.File, layer: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for kind in KINDS:
        if f"layers/{layer}/{kind}" in file:
            dataset = _dataset(file, f"layers/{layer}/{kind}")
            packed = _packed_shape(dataset)
            found[kind] = _InFile(path, layer, kind, packed or dataset.shape, packed is not None)
    return found


def _dataset(file: h5py.File, name: str) -> h5py.Dataset:
    dataset = file[name]
    if not isinstance(dataset, h5py.Dataset):
        raise TypeError(f"{name} is no data set")
    return dataset


def _write(group: h5py.Group, name: str, values: Array, *, as_bits: bool) -> None:
    """An array; with `as_bits`, counts of 0 and 1 (R, T, ...) as bits (R, T, bytes), with the shape that they had.

    Bits are not compressed: half the bytes would take fifteen times as long to read, longer than simulating them.
    """
    binary = values.dtype == bool or (values.dtype.kind in "biu" and values.max(initial=0) <= 1)
    if not as_bits or not binary:
        group.create_dataset(name, data=values, **_compression(values))
        return
    packed = np.packbits(np.asarray(values, bool).reshape(*values.shape[:2], -1), axis=-1)
    group.create_dataset(name, data=packed).attrs["shape"] = values.shape


def _packed_shape(dataset: h5py.Dataset) -> Shape | None:
    """The shape that packed counts had; None of anything else."""
    shape: Any = dataset.attrs.get("shape")
    return None if shape is None else tuple(int(n) for n in shape)


def _unpacked(dataset: h5py.Dataset) -> Array:
    """What `_write` wrote."""
    value, shape = dataset[()], _packed_shape(dataset)
    return value if shape is None else np.unpackbits(value, axis=-1, count=prod(shape[2:])).reshape(shape)


def _compression(value: Array) -> dict[str, Any]:
    """Whole recordings in chunks of about `CHUNK_BYTES`: they are read one after the other or some of them."""
    if value.size <= 1024:
        return {}
    rows = max(1, min(len(value), CHUNK_BYTES // max(1, value.nbytes // len(value))))
    return {"compression": "gzip", "compression_opts": 1, "shuffle": True, "chunks": (rows, *value.shape[1:])}
