"""Arrays from .npy and .npz files of others: headers are held against the files' sizes before anything is read."""

import warnings
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

LONGEST = 10_000
"""Bytes of a header, as numpy has it."""

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
        shape, columns_first, dtype = header
        try:
            return np.fromfile(file, dtype, prod(shape)).reshape(shape, order="F" if columns_first else "C")
        except ValueError as error:  # a type that is an array itself
            raise RecordingError(f"{path}: {dtype} of shape {shape}: {error}; save plain numbers") from None


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
    with np.load(path, allow_pickle=False) as stored, warnings.catch_warnings(action="ignore"):
        return [stored[name] for name in names]


def npy_header(path: Path, file: IO[bytes], size: int) -> Header:
    """The header of an array that takes `size` bytes with it; the file is behind it then. Raises as `read_npy`."""
    try:
        header = _header(file)
    except Exception as error:  # numpy's reader lets through whatever its parser comes upon
        reason = str(error).partition("\n")[0][:120]
        raise RecordingError(
            f"{path}: cannot be read: not a .npy file, or a damaged one ({reason}); copy it again"
        ) from None
    if header[2].hasobject:
        raise RecordingError(f"{path}: holds Python objects, which would be code to run; save plain numbers")
    if header[2].itemsize == 0:
        raise RecordingError(f"{path}: holds {header[2]}, values of no bytes; save plain numbers")
    there = size - file.tell()
    if min(header[0], default=1) < 0 or _bytes(header) != there:
        raise RecordingError(
            f"{path}: its header claims {_bytes(header):,} bytes of {header[2]} and shape {header[0]}, but there are "
            f"{there:,}; it is cut off or damaged, copy it again"
        )
    return header


def _header(file: IO[bytes]) -> Header:
    start = file.tell()
    version = npy.read_magic(file)
    if version not in ((1, 0), (2, 0), (3, 0)):
        raise ValueError(f"version {version}")
    length = int.from_bytes(file.read(2 if version == (1, 0) else 4), "little")
    if length > LONGEST:  # numpy would read as much before it refuses it
        raise ValueError(f"a header of {length:,} bytes")
    file.seek(start)
    npy.read_magic(file)
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    with warnings.catch_warnings(action="ignore"):  # of headers that Python 2 wrote, which are read as well
        return read(file)


def _bytes(header: Header) -> int:
    return prod(header[0]) * header[2].itemsize
