"""The numbers of a data set from where they lie in the file: as they are, or in chunks packed by gzip.

Format: HDF5 File Format Specification 3.0, "Data Storage"; the filters "deflate" (RFC 1950) and "shuffle".
"""

import os
import zlib
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

DEFLATE = 1
SHUFFLE = 2


class Changed(Exception):  # noqa: N818
    """The file is not the one that was looked through."""


@dataclass(frozen=True)
class Place:
    """Where the numbers are: `values` themselves, one block at `offset`, or chunks.

    table: a row a chunk: its first index in every dimension, byte in the file, bytes, mask of the filters left out.
    chunks: the shape of a chunk; those at the border stand over it. filters: in the order of packing.
    """

    values: Array | None = None
    offset: int | None = None
    table: Array | None = None
    chunks: tuple[int, ...] = ()
    filters: tuple[int, ...] = ()


def identity(path: Path) -> tuple[int, ...]:
    """What changes when a file is replaced or written: its number, size and date. () of a file that is gone."""
    return _identity(path.stat()) if path.is_file() else ()


def read_place(path: Path, expected: tuple[int, ...], place: Place, shape: tuple[int, ...], dtype: str) -> Array:
    """The array of `shape`.

    Raises:
        Changed: the file is another one than that of the identity `expected`.
        ValueError: the file is too short, or what lies there cannot be unpacked.
        OSError, MemoryError: it cannot be read, or held.
    """
    if place.values is not None:
        values = place.values
    else:
        kind = np.dtype("u1") if dtype[1] == "b" else np.dtype(dtype)
        with path.open("rb", buffering=0) as file:
            if _identity(os.fstat(file.fileno())) != expected:
                raise Changed
            if place.offset is not None:
                values = _block(file, place.offset, prod(shape), kind)
            else:
                values = _chunked(file, place, shape, kind)
    if dtype != "text" and dtype[1] == "b":
        if values.max(initial=0) > 1:
            raise ValueError("holds other values than true and false")
        values = values.view(bool)
    return values.reshape(shape)


def _identity(found: os.stat_result) -> tuple[int, ...]:
    return found.st_ino, found.st_size, found.st_mtime_ns


def _block(file: Any, offset: int, count: int, kind: np.dtype[Any]) -> Array:
    length = os.fstat(file.fileno()).st_size
    if not 0 <= offset <= length or count * kind.itemsize > length - offset:
        raise ValueError(f"{count * kind.itemsize} bytes at {offset} of a file of {length}")
    file.seek(offset)
    values = np.fromfile(file, kind, count)
    if len(values) != count:
        raise ValueError("the file is too short")
    return values


def _chunked(file: BinaryIO, place: Place, shape: tuple[int, ...], kind: np.dtype[Any]) -> Array:
    rank, chunks = len(shape), place.chunks
    if place.table is None or len(chunks) != rank or min(chunks, default=0) < 1:
        raise ValueError(f"chunks of {chunks} for a shape of {shape}")
    if len(place.table) != prod(-(-n // step) for n, step in zip(shape, chunks, strict=True)):
        raise ValueError("chunks are missing")
    values, seen = np.empty(shape, kind), np.zeros(len(place.table), bool)
    for row in place.table.tolist():
        first, (offset, size, mask) = row[:rank], row[rank:]
        number = 0
        for at, n, step in zip(first, shape, chunks, strict=True):
            if at % step or not 0 <= at < n:
                raise ValueError(f"a chunk at {first}")
            number = number * -(-n // step) + at // step
        seen[number] = True
        whole = _unpacked(_bytes(file, offset, size), place.filters, mask, prod(chunks), kind).reshape(chunks)
        inside = tuple(slice(0, min(step, n - at)) for at, n, step in zip(first, shape, chunks, strict=True))
        values[tuple(slice(at, at + part.stop) for at, part in zip(first, inside, strict=True))] = whole[inside]
    if not seen.all():
        raise ValueError("chunks lie over each other")
    return values


def _bytes(file: BinaryIO, offset: int, size: int) -> bytes:
    if offset < 0 or not 0 <= size <= os.fstat(file.fileno()).st_size:
        raise ValueError(f"{size} bytes at {offset}")
    file.seek(offset)
    return file.read(size)


def _unpacked(packed: bytes, filters: tuple[int, ...], mask: int, count: int, kind: np.dtype[Any]) -> Array:
    used = [name for i, name in enumerate(filters) if not mask >> i & 1]
    if DEFLATE in used:
        unpacking = zlib.decompressobj()
        try:
            packed = unpacking.decompress(packed, count * kind.itemsize + 1)
        except zlib.error as error:
            raise ValueError(f"a chunk cannot be unpacked: {error}") from error
    if len(packed) != count * kind.itemsize:
        raise ValueError(f"a chunk of {len(packed)} bytes where {count * kind.itemsize} are expected")
    if SHUFFLE not in used or kind.itemsize == 1:
        return np.frombuffer(packed, kind)
    values = np.empty((count, kind.itemsize), np.uint8)
    for i, plane in enumerate(np.frombuffer(packed, np.uint8).reshape(kind.itemsize, count)):
        values[:, i] = plane
    return values.reshape(-1).view(kind)
