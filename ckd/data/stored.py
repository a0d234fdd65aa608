"""Frames that stay on disk: as many as are asked for are in memory, and no more."""

import json
import threading
import weakref
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from ckd.errors import DatasetError
from ckd.events import Binning, Frames, load_frames
from ckd.events.types import Int

HEADER = 512
"""Bytes before the first recording: what the file holds, as JSON."""
BLOCK = 1 << 25
"""Bytes of frames that are made or handed on together."""

Rows = Int | slice
Make = Callable[[slice], Frames]
"""The frames of some recordings."""


class StoredFrames(ABC):
    """Like an array (R, T, 2, H, W) of uint8 whose rows are read when they are asked for, by a slice or row numbers."""

    shape: tuple[Any, ...]

    def __len__(self) -> int:
        return self.shape[0]

    @abstractmethod
    def __getitem__(self, rows: Rows) -> Frames: ...

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.asarray(self[:], dtype)


AnyFrames = Frames | StoredFrames
"""Frames of recordings, (R, T, 2, H, W) uint8, in memory or on disk."""


class FrameFile(StoredFrames):
    """A file of frames that this module wrote: those of zeros and ones as bits, each recording's with a checksum.

    It is read in place and not mapped: pages of a map count as the process's memory, and a mapped file that somebody
    cuts off ends the process. The system's own cache of files keeps in memory what there is room for.

    Args:
        file: open to be read; it is closed with the last that refers to this.
        name: what an error message calls it.

    Raises:
        ValueError, OSError: another file, one that is cut off, or whose table of checksums is damaged.
    """

    def __init__(self, file: BinaryIO, name: str) -> None:
        self._file, self._name, self._lock = file, name, threading.Lock()
        weakref.finalize(self, file.close)
        file.seek(0)
        said = json.loads(self._file.read(HEADER))
        self.shape = tuple(int(n) for n in said["shape"])
        self._bits = bool(said["bits"])
        self._row_bytes = _row_bytes(self.shape, bits=self._bits)
        self._file.seek(HEADER + len(self) * self._row_bytes)
        self._checksums = np.frombuffer(self._file.read(), "<u4")
        if len(self._checksums) != len(self) or zlib.crc32(self._checksums.data) != int(said["crc32"]):
            raise ValueError("it is cut off, or damaged")

    def __getitem__(self, rows: Rows) -> Frames:
        wanted = np.arange(len(self))[rows]
        stored = np.empty((len(wanted), self._row_bytes), np.uint8)
        for place, row in enumerate(wanted):
            with self._lock:  # the place in the file is shared by threads
                self._file.seek(HEADER + int(row) * self._row_bytes)
                found = _read_into(self._file, stored[place])
            if not found or zlib.crc32(stored[place].data) != self._checksums[row]:
                raise DatasetError(f"{self._name}: a cache of frames is damaged; remove it, and it is made anew")
        shape = (len(wanted), *self.shape[1:])
        return (np.unpackbits(stored, axis=1, count=prod(shape[1:])) if self._bits else stored).reshape(shape)


class Recordings(StoredFrames):
    """Recordings on disk that are binned whenever they are asked for."""

    def __init__(self, paths: list[Path], binning: Binning) -> None:
        self._paths, self._binning = paths, binning
        self.shape = (len(paths), binning.steps, *binning.frame_shape)

    def __getitem__(self, rows: Rows) -> Frames:
        return load_frames([self._paths[row] for row in np.arange(len(self))[rows]], self._binning)


def write_frames(file: BinaryIO, make: Make, shape: tuple[int, ...], *, bits: bool) -> None:
    """Make frames a block at a time, and write them for `FrameFile`; `bits` where all of them are 0 or 1."""
    file.write(b" " * HEADER)
    checksums = []
    for block in blocks(shape):
        frames = make(block)
        rows = frames.reshape(len(frames), -1)
        for row in np.packbits(rows, axis=1) if bits else rows:
            checksums.append(zlib.crc32(row.data))
            file.write(row.data)
    table = np.asarray(checksums, "<u4")
    file.write(table.data)
    file.seek(0)
    said = {"shape": shape, "bits": bits, "crc32": zlib.crc32(table.data)}
    file.write(json.dumps(said).encode().ljust(HEADER))
    file.flush()


def largest_count(frames: NDArray[Any] | StoredFrames) -> int:
    """The largest of all counts; 0 of no recordings. A block at a time is read for it."""
    return max((int(frames[block].max(initial=0)) for block in blocks(frames.shape)), default=0)


def blocks(shape: tuple[int, ...]) -> list[slice]:
    """All rows, as many at a time as fit into `BLOCK` bytes of frames."""
    size = max(1, BLOCK // max(1, prod(shape[1:])))
    return [slice(start, min(start + size, shape[0])) for start in range(0, shape[0], size)]


def _row_bytes(shape: tuple[int, ...], *, bits: bool) -> int:
    return -(-prod(shape[1:]) // 8) if bits else prod(shape[1:])


def _read_into(file: BinaryIO, row: NDArray[np.uint8]) -> bool:
    """Whether the whole row could be read."""
    view, done = row.data, 0
    while done < len(view):
        got = file.readinto(view[done:])  # pyright: ignore[reportAttributeAccessIssue]
        if not got:
            return False
        done += got
    return True
