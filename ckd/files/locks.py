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

LOCKS = fcntl is not None
"""Whether this system holds locks at all."""

FLAGS = os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)


GONE_MOST = 1000
"""So often a folder may go between being made and being used."""


class HeldError(Exception):
    """A lock is held elsewhere; the message says by which process, and what that is doing."""


@contextmanager
def held(
    path: Path, *, doing: str = "", wait: bool = False, shared: bool = False, needed: bool = True
) -> Iterator[str]:
    """Hold the lock file `path`, which lies there as long as the block runs. Gives what a killed holder left in it.

    Its folder is made, and removed again where nothing else came into it.

    Args:
        doing: what others are told of the holder, say "is training into it".
        wait: until another process gives it up.
        shared: with others who hold it shared.
        needed: False where the block may run without, in a folder that takes no files or a file system without locks.

    Raises:
        HeldError: another process, or another block of this one, holds it.
        OSError: it cannot be made, or its file system knows no locks.
    """
    missing = [folder for folder in path.parents if not folder.exists()]
    descriptor = None
    try:
        try:
            descriptor = _locked(path, wait, shared)
        except OSError:
            if needed:
                raise
        yield "" if descriptor is None else _signed(descriptor, f"process {os.getpid()} on {platform.node()} {doing}")
    finally:
        if descriptor is not None:
            _give_up(path, descriptor, shared)
        for folder in missing:
            with suppress(OSError):  # not empty
                folder.rmdir()


def _locked(path: Path, wait: bool, shared: bool) -> int:
    gone = 0
    while True:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, FLAGS, 0o644)
        except FileNotFoundError:
            gone += 1
            if gone > GONE_MOST:
                raise  # /proc takes no folders and says so in this way
            continue  # The folder went in between: it was emptied by who held it.
        try:
            if fcntl is not None:
                fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB))
            if _is(path, descriptor):
                return descriptor
        except BlockingIOError:
            holder = os.read(descriptor, 300).decode("utf-8", "replace").strip()
            os.close(descriptor)
            raise HeldError(holder or "another process uses it") from None
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)  # of a file that its holder removed as it gave it up


def _signed(descriptor: int, holder: str) -> str:
    """Say in a lock file who holds it; gives what was in it before."""
    left = os.read(descriptor, 1 << 20).decode("utf-8", "replace")
    with suppress(OSError):  # on a full disk it holds as well without
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, holder.encode(), 0)
    return left


def _give_up(path: Path, descriptor: int, shared: bool) -> None:
    with suppress(OSError):  # Windows removes no open file; others may still share it
        if shared and fcntl is not None:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink()  # before it is given up: later, it could be another one's
    os.close(descriptor)


def _is(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.lstat(path), os.fstat(descriptor))
    except FileNotFoundError:
        return False
