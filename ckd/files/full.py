"""A full disk, told on one line: what was to be written, how much of it, and how much is free."""

import errno
import os
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""What the system says of a full disk, a full quota and a limit on the size of files."""

TEMPORARY = r"\.\d+-\d+\.tmp"
"""A process and a number, and with "." and a name the temporary file that becomes a file of this name."""


class DiskFullError(OSError):
    """A file does not fit where it was to be written; nothing of it is left there."""

    def __init__(self, path: Path, needed: str, reason: str) -> None:
        path = path.with_name(re.sub(rf"^({TEMPORARY}\.)+", "", path.name))
        free = shutil.disk_usage(path.parent).free
        super().__init__(
            f"{path}: {reason}: {needed} bytes are to be written and {free:,} are free; make room for them"
        )


def fill(path: Path, content: bytes | memoryview) -> None:
    """Write all of a file at once.

    Raises:
        DiskFullError: it does not fit; the file is gone then.
    """
    with told_if_full(path, lambda: f"{memoryview(content).nbytes:,}", [path]):
        path.write_bytes(content)


def append(path: Path, content: bytes) -> None:
    """Add to a file that lies there.

    Raises:
        DiskFullError: it does not fit; a part of it may lie there.
    """
    with told_if_full(path, lambda: f"{len(content):,}"), path.open("ab") as file:
        file.write(content)


@contextmanager
def told_if_full(path: Path, needed: Callable[[], str], remove: Sequence[Path] = ()) -> Iterator[None]:
    """A full disk as DiskFullError of `path`, once what could not be finished is removed."""
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise
        said = needed()
        for unfinished in remove:
            unfinished.unlink(missing_ok=True)
        raise DiskFullError(path, said, os.strerror(error.errno).lower()) from None
