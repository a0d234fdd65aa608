"""A trace's file: HDF5, version 4.

Attributes hold the metadata as JSON; `frames`, `labels`, `predictions`; one group a layer under `layers` with what was
kept of `spikes`, `u`, `v`, `u_digest` and `v_digest`. Spikes, and frames of 0 and 1, are bits packed along the neurons,
(R, T, ceil(n / 8)), with the shape in an attribute. A layer is read when it is asked for.

The metadata name every array and carry a checksum, and so does each array (CRC-32 of its type, shapes and bytes): one
flipped bit is a damaged file, not another run. Version 3, which had none, is read too.
"""

import json
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from math import prod
from pathlib import Path
from typing import Any, TypeVar

import h5py
import numpy as np

from deploy.errors import DAMAGED_HDF5, TraceError
from deploy.hdf5 import Dataset, Group, Kind, new_hdf5, open_hdf5
from deploy.network import Array, Shape
from deploy.traces.layers import KINDS, PART, LayerRecord, Stored, as_spikes, pack, parts_of, unpack

TRACE = Kind("a trace file", TraceError, "record it again")
FORMAT_VERSION = 4
UNCHECKED = 3
"""A version without checksums that is still read."""
CHUNK_BYTES = 1 << 18

Given = TypeVar("Given")
Contents = tuple[dict[str, Any], dict[str, Any], dict[str, LayerRecord]]
"""Metadata, the arrays that are no layer's, and the layers."""


def write(
    path: Path,
    meta: dict[str, Any],
    whole: Mapping[str, Array | Stored | None],
    layers: Mapping[str, LayerRecord],
    attributes: Mapping[str, str],
) -> None:
    """Write a trace; a crash leaves no half-written file behind. `attributes` are further ones of the file."""
    # The file says "shifts" where everything else says offset; a new word would be a new version of the format.
    shifts = {name: layer.offset for name, layer in layers.items()}
    meta = meta | {"shifts": shifts, "overflows": {name: layer.overflows for name, layer in layers.items()}}
    meta["holds"] = [name for name, value in whole.items() if value is not None]
    meta["kept"] = {name: [kind for kind in KINDS if kind in layer] for name, layer in layers.items()}
    text = json.dumps(meta, default=dict)
    with new_hdf5(path) as file:
        file.attrs["ckd_trace"] = FORMAT_VERSION
        file.attrs.update(attributes)
        file.attrs["meta"], file.attrs["crc32"] = text, zlib.crc32(text.encode())
        for name, value in whole.items():
            if value is not None:
                _write(file, name, value, as_bits=name == "frames")
        for name, layer in layers.items():
            group = file.create_group(f"layers/{name}")
            for kind in KINDS:
                if kind in layer:
                    _write(group, kind, layer.source(kind), as_bits=kind == "spikes")


def read(path: Path) -> Contents:
    """Open a trace.

    Raises:
        TraceError: missing, damaged, or of another version.
        DAMAGED_HDF5, AttributeError: its metadata make no sense.
    """
    if path.is_dir():
        raise TraceError(f"{path}: is a folder, no trace; give a .trace file")
    if not path.is_file():
        raise TraceError(
            f"{path}: no such trace; ckd-export writes one beside the model, ckd-deploy run --trace another"
        )
    root = open_hdf5(path, TRACE)
    version = root.attributes.get("ckd_trace")
    if version is None:
        raise TraceError(f"{path}: an HDF5 file, but no trace; give a .trace file")
    if version not in (UNCHECKED, FORMAT_VERSION):
        raise TraceError(f"{path}: trace version {version}, this is version {FORMAT_VERSION}; export it again")
    text, checked = str(root.attributes["meta"]), version != UNCHECKED
    if checked and zlib.crc32(text.encode()) != root.attributes["crc32"]:
        raise TraceError(f"{path}: its metadata are damaged (their checksum differs); record it again")
    meta: dict[str, Any] = json.loads(text)
    offsets, overflows = meta.pop("shifts"), meta.pop("overflows")
    if checked:
        kept, holds = meta.pop("kept"), meta.pop("holds")
    else:
        kept = {name: [kind for kind in KINDS if f"layers/{name}/{kind}" in root] for name in offsets}
        holds = [name for name in ("labels", "predictions", "frames") if name in root]
        meta = {name: value for name, value in meta.items() if name not in ("kept", "holds")}
    whole: dict[str, Any] = {name: _value(path, _dataset(root, name), checked) for name in holds}
    layers = {
        name: LayerRecord(
            **{kind: _stored(path, root, name, kind, checked) for kind in kept[name]},
            offset=offset,
            overflows=overflows.get(name, 0),
        )
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
    checked: bool
    found: Dataset

    @property
    def dtype(self) -> "np.dtype[Any]":
        return np.dtype(bool if self.kind == "spikes" else self.found.dtype)

    def read(self) -> Array:
        return self._told(lambda: self._as_kept(_value(self.path, self._dataset(), self.checked)))

    def read_bits(self) -> Array | None:
        return self._told(lambda: _raw(self.path, self._dataset(), self.checked)) if self.packed else None

    def parts(self, rows: int) -> Iterator[Array]:
        reading = _parts(self.path, self._told(self._dataset), rows, self.checked)
        while (part := self._told(lambda: next(reading, None))) is not None:
            yield self._told(partial(self._as_kept, part))

    def _as_kept(self, value: Array) -> Array:
        if self.kind != "spikes":
            return value
        if self.packed:
            return value.view(bool)  # bits are nothing but 0 and 1, and to look costs ten times as long as to read
        try:
            return as_spikes(value)
        except TraceError as error:
            raise TraceError(f"{self.path}: {self.layer}: {error}") from None

    def _dataset(self) -> Dataset:
        """Where the array lies; in the file as it is now, where the trace was written anew since it was opened."""
        if self.found.unchanged:
            return self.found
        dataset = _dataset(open_hdf5(self.path, TRACE), f"layers/{self.layer}/{self.kind}")
        if (_packed_shape(dataset) or dataset.shape) != self.shape:
            raise ValueError("the trace is another one by now")
        return dataset

    def _told(self, reading: Callable[[], Given]) -> Given:
        try:
            return reading()
        except DAMAGED_HDF5 as error:
            raise TraceError(
                f"{self.path}: {self.layer}: {self.kind} cannot be read ({error}); record it again"
            ) from None


def _stored(path: Path, root: Group, layer: str, kind: str, checked: bool) -> _InFile:
    dataset = _dataset(root, f"layers/{layer}/{kind}")
    packed = _packed_shape(dataset)
    return _InFile(path, layer, kind, packed or dataset.shape, packed is not None, checked, dataset)


def _dataset(root: Group, name: str) -> Dataset:
    dataset = root[name]
    if not isinstance(dataset, Dataset) or dataset.dtype == "text":
        raise TypeError(f"{name} is no data set of numbers")
    return dataset


def _write(group: h5py.Group, name: str, values: Array | Stored, *, as_bits: bool) -> None:
    """An array; with `as_bits`, counts of 0 and 1 (R, T, ...) as bits (R, T, bytes), with the shape that they had.

    Bits are not compressed: half the bytes would take fifteen times as long to read, longer than simulating them.
    """
    shape, dtype = tuple(values.shape), values.dtype
    if as_bits and (dtype.kind == "b" or (dtype.kind in "iu" and _largest(values) <= 1)):
        bits = (*shape[:2], -(-prod(shape[2:]) // 8))
        dataset = group.create_dataset(name, bits, np.uint8)
        dataset.attrs["shape"] = shape
        dataset.attrs["crc32"] = _fill(dataset, map(_bits, parts_of(values, PART)), _begun("|u1", bits, shape))
        return
    chunks = _compression(shape, dtype)
    dataset = group.create_dataset(name, shape, dtype, **chunks)
    rows = 16 * chunks["chunks"][0] if chunks else max(1, *shape[:1])  # whole chunks, or they are packed twice
    dataset.attrs["crc32"] = _fill(dataset, parts_of(values, rows), _begun(dtype.str, shape, None))


def _fill(dataset: h5py.Dataset, parts: Iterable[Array], crc: int) -> int:
    """Write an array part by part; gives its checksum."""
    first = 0
    for part in map(np.ascontiguousarray, parts):
        dataset[first : first + len(part)] = part
        first, crc = first + len(part), zlib.crc32(part.data, crc)
    return crc


def _bits(counts: Array) -> Array:
    return pack(np.asarray(counts, bool))


def _largest(values: Array | Stored) -> int:
    return max((int(part.max(initial=0)) for part in parts_of(values, PART)), default=0)


def _packed_shape(dataset: Dataset) -> Shape | None:
    """The shape that packed counts had; None of anything else.

    Raises:
        ValueError: a shape that the bits do not have.
    """
    if "shape" not in dataset.attributes:
        return None
    said: Any = dataset.attributes["shape"]
    shape = tuple(said) if isinstance(said, list) and all(type(n) is int and n >= 0 for n in said) else ()
    if len(shape) < 2 or dataset.shape != (*shape[:2], -(-prod(shape[2:]) // 8)) or dataset.dtype != "|u1":
        raise ValueError(f"{dataset.name}: bits of shape {dataset.shape} for a shape of {said}")
    return shape


def _value(path: Path, dataset: Dataset, checked: bool) -> Array:
    """What `_write` wrote."""
    value, shape = _raw(path, dataset, checked), _packed_shape(dataset)
    return value if shape is None else unpack(value, shape[1:])


def _raw(path: Path, dataset: Dataset, checked: bool) -> Array:
    """The array as it lies in the file.

    Raises:
        TraceError: it is not what was written.
    """
    value: Array = dataset.read()
    if checked:
        _require_same(path, dataset, _checksum(value, _packed_shape(dataset)))
    return value


def _parts(path: Path, dataset: Dataset, rows: int, checked: bool) -> Iterator[Array]:
    """What `_value` gives, so many recordings at a time; the last of them comes if all are what was written.

    Raises:
        TraceError: they are not.
    """
    if not dataset.in_one_block:
        yield from parts_of(_value(path, dataset, checked), rows)
        return
    shape, dtype = _packed_shape(dataset), np.dtype(dataset.dtype)
    crc = _begun(dtype.str, dataset.shape, shape)
    for first in range(0, dataset.shape[0], rows):
        part: Array = dataset.read_rows(first, min(first + rows, dataset.shape[0]))
        crc = zlib.crc32(part.data, crc)
        if checked and first + rows >= dataset.shape[0]:
            _require_same(path, dataset, crc)
        yield part if shape is None else unpack(part, shape[1:])


def _require_same(path: Path, dataset: Dataset, crc: int) -> None:
    if crc != dataset.attributes["crc32"]:
        raise TraceError(f"{path}: {dataset.name} is damaged (its checksum differs); record it again")


def _checksum(value: Array, shape: Shape | None) -> int:
    return zlib.crc32(np.ascontiguousarray(value).data, _begun(value.dtype.str, value.shape, shape))


def _begun(dtype: str, stored: Shape, shape: Shape | None) -> int:
    """The checksum of an array of which nothing is read yet: `stored` as it lies in the file, `shape` that of bits."""
    return zlib.crc32(f"{dtype} {stored} {shape}".encode())


def _compression(shape: Shape, dtype: "np.dtype[Any]") -> dict[str, Any]:
    """Whole recordings in chunks of about `CHUNK_BYTES`: they are read one after the other or some of them."""
    if prod(shape) <= 1024:
        return {}
    rows = max(1, min(shape[0], CHUNK_BYTES // max(1, prod(shape[1:]) * dtype.itemsize)))
    return {"compression": "gzip", "compression_opts": 1, "shuffle": True, "chunks": (rows, *shape[1:])}
