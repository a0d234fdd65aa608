"""Is a .nir file safe to read? Looked at with h5py alone, before a single array is loaded.

nir 1.0.8 trusts its file: 12 kB can cost 1.5 GB of memory, and HDF5 links and virtual data sets reach other files.
What a file may hold is written here as named limits; everything else is refused with the path inside the file.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from deploy.errors import DAMAGED_HDF5, ModelError

MAX_DEPTH = 32
"""Groups inside groups; each nested NIR graph takes two."""

MAX_OBJECTS = 100_000
MAX_RANK = 8
MAX_BYTES = 4 << 30
"""All arrays of one file together, unpacked."""

MAX_TEXT = 16 << 20
"""All variable-length strings of one file together: many may point at the same long one."""

MAX_CHUNK = 64 << 20
GZIP_RATIO = 1040
"""DEFLATE cannot pack tighter than 1032 : 1, so a larger ratio is data that is not in the file."""

FILTERS = {1: "gzip", 2: "shuffle", 3: "fletcher32", 32000: "lzf"}


def check_file(path: Path) -> None:
    """Refuse a .nir file that is missing, broken or hostile.

    Raises:
        ModelError: what is wrong, where in the file, and the limit.
    """
    path = Path(path)
    if not path.is_file():
        raise ModelError(f"{path}: no such model file; ckd-export --to nir RUN writes one")
    with opened(path) as file:
        node = file.get("node", getlink=True)
        if node is None:
            raise ModelError(f"{path}: an HDF5 file, but no NIR graph: it has no group 'node'")
        _Walk(path).group(file, "", 0)


@contextmanager
def opened(path: Path) -> Iterator[h5py.File]:
    """The file, open to read; whatever HDF5 says of a damaged one is a ModelError."""
    try:
        with h5py.File(path, "r") as file:
            yield file
    except DAMAGED_HDF5 as error:
        raise ModelError(f"{path}: not a NIR file, or a damaged one ({error}); export or copy it again") from error


class _Walk:
    """Visits every object once per path that leads to it and adds up what reading it would cost."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.objects = 0
        self.bytes = 0
        self.text = 0

    def fail(self, where: str, problem: str) -> ModelError:
        return ModelError(f"{self.path}: {where or '/'}: {problem}; such a file is not read, export the network again")

    def group(self, group: h5py.Group, where: str, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise self.fail(where, f"groups are nested deeper than {MAX_DEPTH}")
        for name in group:
            place = f"{where}/{name}"
            self.objects += 1
            if self.objects > MAX_OBJECTS:
                raise self.fail(place, f"more than {MAX_OBJECTS} objects in one file")
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise self.fail(place, "a soft or external link, which may reach outside the file")
            child = group[name]
            if isinstance(child, h5py.Group):
                self.group(child, place, depth + 1)
            elif isinstance(child, h5py.Dataset):
                self.dataset(child, place)
            else:
                raise self.fail(place, f"neither a group nor a data set, but a {type(child).__name__}")

    def dataset(self, data: h5py.Dataset, where: str) -> None:
        if data.is_virtual or data.external:
            raise self.fail(where, "its values lie in another file")
        shape: Any = data.shape
        if shape is None:
            raise self.fail(where, "an empty data set without a shape")
        if len(shape) > MAX_RANK:
            raise self.fail(where, f"{len(shape)} dimensions where at most {MAX_RANK} are allowed")
        self.filters(data, where)
        if h5py.check_string_dtype(data.dtype) is not None:
            self.strings(data, where)
            return
        if data.dtype.kind not in "biuf" or data.dtype.itemsize > 8 or data.dtype.names:
            raise self.fail(where, f"holds {data.dtype} where numbers of at most 64 bits or text are allowed")
        self.bytes += data.nbytes
        if self.bytes > MAX_BYTES:
            raise self.fail(where, f"shape {shape} brings the file to {self.bytes} bytes, allowed are {MAX_BYTES}")
        stored = data.id.get_storage_size()
        if data.nbytes > GZIP_RATIO * (stored + 64):
            raise self.fail(where, f"shape {shape} claims {data.nbytes} bytes, of which {stored} are stored")

    def filters(self, data: h5py.Dataset, where: str) -> None:
        plist = data.id.get_create_plist()
        used = [plist.get_filter(i)[0] for i in range(plist.get_nfilters())]
        if len(set(used)) < len(used) or not set(used) <= FILTERS.keys():
            raise self.fail(where, f"packed with HDF5 filters {used}; allowed are {FILTERS}, each once")
        if data.chunks and prod(data.chunks) * data.dtype.itemsize > MAX_CHUNK + data.nbytes:
            raise self.fail(where, f"chunks of {data.chunks} are larger than {MAX_CHUNK} bytes")

    def strings(self, data: h5py.Dataset, where: str) -> None:
        """Variable-length strings have no size until read, so they are read a few at a time."""
        if data.dtype.kind == "S":
            self.text += data.nbytes
            if self.text > MAX_TEXT:
                raise self.fail(where, f"more than {MAX_TEXT} bytes of text in one file")
            return
        if prod(data.shape) > MAX_OBJECTS * 4 or len(data.shape) > 2:
            raise self.fail(where, f"{data.shape} strings in one data set")
        rows = max(1, min(4096, MAX_TEXT // max(1, self.path.stat().st_size)))
        parts = [data[()]] if not data.shape else (data[i : i + rows] for i in range(0, data.shape[0], rows))
        for part in parts:
            self.text += sum(len(text) for text in np.asarray(part, object).ravel())
            if self.text > MAX_TEXT:
                raise self.fail(where, f"more than {MAX_TEXT} bytes of text in one file")
