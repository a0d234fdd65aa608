"""A lock that the operating system holds: it is gone with the process that has it, however that ends."""

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows, where nothing is held
    fcntl = None

FLAGS = os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)


class HeldError(Exception):
    """A lock is held elsewhere; the message says by which process."""


@contextmanager
def held(path: Path, *, wait: bool = False) -> Iterator[None]:
    """Hold the lock file `path`, which lies there as long as the block runs. Its folder is made.

    Args:
        wait: until another process gives it up.

    Raises:
        HeldError: another process, or another block of this one, holds it.
        OSError: it cannot be made, or its file system knows no locks.
    """
    descriptor = _locked(path, wait)
    try:
        os.write(descriptor, f"process {os.getpid()} on {platform.node()}".encode())
        yield
    finally:
        with suppress(OSError):  # Windows removes no open file
            path.unlink()  # before it is given up: later, it could be another one's
        os.close(descriptor)


def _locked(path: Path, wait: bool) -> int:
    while True:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, FLAGS, 0o644)
        except FileNotFoundError:
            continue  # The folder went in between: it was emptied by who held it.
        try:
            if fcntl is not None:
                fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            if _is(path, descriptor):
                os.truncate(descriptor, 0)
                return descriptor
        except BlockingIOError:
            holder = os.read(descriptor, 200).decode("utf-8", "replace")
            os.close(descriptor)
            raise HeldError(holder or "another process") from None
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)  # of a file that its holder removed as it gave it up


def _is(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.lstat(path), os.fstat(descriptor))
    except FileNotFoundError:
        return False
