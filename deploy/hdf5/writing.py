"""`new_hdf5`: HDF5 files of ours."""

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import h5py

from ckd.files import fill, write_then_rename


@contextmanager
def new_hdf5(path: Path) -> Iterator[h5py.File]:
    """A file that lies at `path` once the block has succeeded.

    It is made in memory: HDF5's library crashes the process where a disk fills while it writes.

    Raises:
        DiskFullError: it does not fit on the disk.
    """
    content = BytesIO()
    with h5py.File(content, "w") as file:
        yield file
    with write_then_rename(path) as temporary:
        fill(temporary, content.getbuffer())
