"""The groups and data sets of a file, without the library that wrote them."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deploy.hdf5.limits import GZIP_RATIO, Kind
from deploy.hdf5.stored import Changed, Place, identity, read_place

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Source:
    """The file that all of it lies in, as it was when it was looked through."""

    path: Path
    kind: Kind
    identity: tuple[int, ...]
    carried: memoryview = field(repr=False)


@dataclass(frozen=True)
class Dataset:
    """An array of a file. `dtype` is "text" where it holds texts."""

    source: Source
    name: str
    shape: Shape
    dtype: str
    place: Place
    attributes: Mapping[str, Any]

    @property
    def unchanged(self) -> bool:
        """Whether the file is the one that was looked through."""
        return identity(self.source.path) == self.source.identity

    def read(self) -> Any:
        """Numbers as an array, or a number of numpy where the shape is (); texts as str in the same way.

        Raises:
            DeployError: the kind's own: the file is damaged, or is another one by now.
        """
        return self._read(self.place, self.shape)[()]

    @property
    def in_one_block(self) -> bool:
        """Whether `read_rows` can read it."""
        return self.place.offset is not None and len(self.shape) > 0

    def read_rows(self, first: int, behind: int) -> Any:
        """From row `first` up to that in front of `behind`, as `read`."""
        assert self.place.offset is not None and 0 <= first <= behind <= self.shape[0]
        row = prod(self.shape[1:]) * np.dtype(self.dtype).itemsize
        return self._read(Place(offset=self.place.offset + first * row), (behind - first, *self.shape[1:]))

    def _read(self, place: Place, shape: Shape) -> Any:
        try:
            return read_place(self.source.path, self.source.identity, place, shape, self.dtype)
        except Changed:
            raise self.source.kind.damaged(self.source.path, "it was replaced while it was read") from None
        except (OSError, ValueError, MemoryError) as error:
            raise self.source.kind.damaged(self.source.path, f"{self.name}: {error}") from error


@dataclass(frozen=True)
class Group(Mapping[str, "Group | Dataset"]):
    """A group of a file: what lies in it by name; `get` also takes a path, "a/b"."""

    name: str
    children: Mapping[str, "Group | Dataset"]
    attributes: Mapping[str, Any]

    def __getitem__(self, path: str) -> "Group | Dataset":
        first, _, rest = path.partition("/")
        found = self.children[first]
        if not rest:
            return found
        if isinstance(found, Group):
            return found[rest]
        raise KeyError(path)

    def __iter__(self) -> Iterator[str]:
        return iter(self.children)

    def __len__(self) -> int:
        return len(self.children)


def grown(source: Source, name: str, found: Mapping[str, Any]) -> Group | Dataset:
    """The tree that an answer describes. The process that gave it read a stranger's file: it is not believed blindly.

    Raises:
        ValueError, TypeError, LookupError, AttributeError: an answer that makes no sense.
    """
    attributes = dict(found["attributes"])
    if "children" in found:
        children = {key: grown(source, f"{name}/{key}", child) for key, child in found["children"].items()}
        return Group(name, children, attributes)
    shape, dtype = tuple(int(n) for n in found["shape"]), str(found["dtype"])
    if dtype == "text":
        texts: NDArray[Any] = np.empty(len(found["texts"]), object)
        texts[:] = [str(text) for text in found["texts"]]
        return Dataset(source, name, shape, dtype, Place(values=texts), attributes)
    if not re.fullmatch(r"[<>|][biuf][1248]", dtype):
        raise ValueError(f"numbers of type {dtype[:20]}")
    size, kind = np.dtype(dtype).itemsize, np.dtype(dtype)
    for n in shape:
        size *= n
    if min(shape, default=0) < 0 or size > GZIP_RATIO * (source.identity[1] + 64):
        raise ValueError(f"a shape of {shape}")
    if "values" in found:
        held = np.dtype("u1") if kind.kind == "b" else kind
        values = np.frombuffer(_carried(source, found["values"]), held).copy()
        return Dataset(source, name, shape, dtype, Place(values=values), attributes)
    if "offset" in found:
        return Dataset(source, name, shape, dtype, Place(offset=int(found["offset"])), attributes)
    table = np.frombuffer(_carried(source, found["table"]), "<i8").reshape(-1, len(shape) + 3)
    chunks, filters = tuple(int(n) for n in found["chunks"]), tuple(int(n) for n in found["filters"])
    return Dataset(source, name, shape, dtype, Place(table=table, chunks=chunks, filters=filters), attributes)


def _carried(source: Source, place: Any) -> memoryview:
    start, size = map(int, place)
    if start < 0 or size < 0 or start + size > len(source.carried):
        raise ValueError("bytes that did not come")
    return source.carried[start : start + size]
