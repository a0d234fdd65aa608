"""Arrays from .npy and .npz files of others: headers are held against the files' sizes before anything is read."""

import zipfile
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from ckd.errors import RecordingError
from ckd.events.fields import field_names
from ckd.events.sizes import judge

Header = tuple[tuple[int, ...], bool, np.dtype[Any]]
"""Shape, whether columns come first, and type."""


def read_npy(path: Path) -> NDArray[Any]:
    """The array of a .npy file.

    Raises:
        RecordingError: it is none, holds objects, or its header claims more or less than there is.
    """
    with path.open("rb") as file:
        if file.read(2) == b"PK":
            raise RecordingError(f"{path}: an archive of arrays; save one alone with numpy.save, as a .npy file")
        file.seek(0)
        header = npy_header(path, file, path.stat().st_size)
        judge(path, _bytes(header))
        file.seek(0)
        return np.load(file, allow_pickle=False)


def read_npz(path: Path) -> list[NDArray[Any]]:
    """The arrays x, y, t and p of a .npz file.

    Raises:
        RecordingError: one is missing, or as `read_npy`; together they may not take more than one file may.
    """
    needed = 0
    with zipfile.ZipFile(path) as archive:
        stored = [name.removesuffix(".npy") for name in archive.namelist()]
        names = field_names(path, stored).values()
        for name in names:
            about = archive.getinfo(f"{name}.npy")
            with archive.open(about) as member:
                needed += _bytes(npy_header(path, member, about.file_size))
    judge(path, needed)
    with np.load(path, allow_pickle=False) as stored:
        return [stored[name] for name in names]


def npy_header(path: Path, file: IO[bytes], size: int) -> Header:
    """The header of an array that takes `size` bytes with it; the file is behind it then. Raises as `read_npy`."""
    try:
        version = npy.read_magic(file)
        read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        header = read(file)
    except (ValueError, EOFError, OverflowError, MemoryError, RecursionError, SyntaxError) as error:
        raise RecordingError(
            f"{path}: cannot be read: not a .npy file, or a damaged one ({error}); copy it again"
        ) from None
    if header[2].hasobject:
        raise RecordingError(f"{path}: holds Python objects, which would be code to run; save plain numbers")
    there = size - file.tell()
    if min(header[0], default=1) < 0 or _bytes(header) != there:
        raise RecordingError(
            f"{path}: its header claims {_bytes(header):,} bytes of {header[2]} and shape {header[0]}, but there are "
            f"{there:,}; it is cut off or damaged, copy it again"
        )
    return header


def _bytes(header: Header) -> int:
    return prod(header[0]) * header[2].itemsize
