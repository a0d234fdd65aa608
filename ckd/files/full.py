"""A full disk, told on one line: what was to be written, how much of it, and how much is free."""

import errno
import os
import re
import shutil
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
    try:
        path.write_bytes(content)
    except OSError as error:
        if error.errno not in FULL:
            raise
        path.unlink(missing_ok=True)
        raise DiskFullError(path, f"{memoryview(content).nbytes:,}", os.strerror(error.errno).lower()) from None


def append(path: Path, content: bytes) -> None:
    """Add to a file that lies there.

    Raises:
        DiskFullError: it does not fit; a part of it may lie there.
    """
    try:
        with path.open("ab") as file:
            file.write(content)
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise DiskFullError(path, f"{len(content):,}", os.strerror(error.errno).lower()) from None
