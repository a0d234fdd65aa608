"""`new_hdf5`: HDF5 files of ours."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import h5py

from ckd.files import told_if_full, write_then_rename


@contextmanager
def new_hdf5(path: Path) -> Iterator[h5py.File]:
    """A file that lies at `path` once the block has succeeded.

    Raises:
        DiskFullError: it does not fit on the disk.
    """
    with write_then_rename(path) as temporary:
        kept = _Kept(temporary)
        with told_if_full(temporary, lambda: f"{kept.size:,}", [temporary]), closing(kept):
            try:
                with h5py.File(kept, "w") as file:
                    yield file
            finally:
                if kept.failed is not None:
                    raise kept.failed


class _Kept:
    """A file for HDF5's library, which crashes the process over a write that fails: that is kept in mind instead."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("w+b", buffering=0)
        self._place = self.size = 0
        self.failed: OSError | None = None

    def close(self) -> None:
        self._file.close()

    def write(self, content: memoryview) -> int:
        view = memoryview(content).cast("B")
        if self.failed is None:
            try:
                self._file.seek(self._place)
                done = 0
                while done < len(view):
                    done += self._file.write(view[done:])
            except OSError as error:
                self.failed = error
        self._place += len(view)
        self.size = max(self.size, self._place)
        return len(view)

    def read(self, size: int) -> bytes:
        content = bytearray(size)
        self.readinto(memoryview(content))
        return bytes(content)

    def readinto(self, content: memoryview) -> int:
        view = memoryview(content).cast("B")
        self._file.seek(self._place)
        done = self._file.readinto(view) or 0
        view[done:] = bytes(len(view) - done)  # what a full disk did not take
        self._place += len(view)
        return len(view)

    def seek(self, place: int, whence: int = 0) -> int:
        self._place = place + (0, self._place, self.size)[whence]
        return self._place

    def tell(self) -> int:
        return self._place

    def truncate(self, size: int | None = None) -> int:
        self.size = self._place if size is None else size
        if self.failed is None:
            try:
                self._file.truncate(self.size)
            except OSError as error:
                self.failed = error
        return self.size

    def flush(self) -> None:
        pass
