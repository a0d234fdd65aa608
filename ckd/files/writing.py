"""Writing files so that a crash, a full disk or bad input never leaves half of one behind, nor half of a set.

What is being written lies beside its place as .PROCESS-NUMBER.tmp.NAME, and a lock beside it, .PROCESS-NUMBER.tmp, is
held as long as its writer lives. Once all files of a set are on the disk the lock says so: where a writer is killed
after that, the next one in this folder finishes its renames, and where it is killed before, clears its files away.
"""

import json
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from stat import S_ISREG
from typing import Any

from ckd.files.full import TEMPORARY, told_if_full
from ckd.files.locks import LOCKS, HeldError, held

_numbers = count()
_seen: set[tuple[int, int]] = set()
"""Folders in which this process has finished what killed ones had begun."""


@contextmanager
def write_then_rename(path: Path) -> Iterator[Path]:
    """Give a temporary name beside `path`; rename it to `path` when the block succeeds, delete it when it fails.

    Raises:
        DiskFullError: it does not fit on the disk.
    """
    with write_together(path) as (temporary,):
        yield temporary


@contextmanager
def write_together(*paths: Path) -> Iterator[list[Path]]:
    """Give a temporary name beside each path of one folder, of the same ending; rename all or delete all, as above."""
    folder = paths[0].parent
    folder.mkdir(parents=True, exist_ok=True)
    identity = folder.stat().st_dev, folder.stat().st_ino
    if identity not in _seen:
        _seen.add(identity)
        finish_writes(folder)
    lock = folder / f".{os.getpid()}-{next(_numbers)}.tmp"
    temporaries = [folder / f"{lock.name}.{path.name}" for path in paths]
    with held(lock, doing="is writing", wait=True, needed=False):
        try:
            # Where nobody knows how much was to come, what is there says the least.
            with told_if_full(paths[0], lambda: f"more than {_bytes_of(temporaries):,}", temporaries):
                yield temporaries
                # A name must not be on the disk before its content is, or a power cut leaves an empty file of it.
                for temporary in temporaries:
                    _sync(temporary)
                if len(paths) > 1:
                    lock.write_text(json.dumps({path.name: _identity(path) for path in paths}))
                    _sync(lock)
            try:
                _rename(temporaries, paths)
            except (KeyboardInterrupt, SystemExit):  # between two of a set
                _rename(temporaries, paths)
                raise
            with suppress(OSError):  # not every file system does this for folders
                _sync(folder)
        finally:
            for temporary in temporaries:
                temporary.unlink(missing_ok=True)


def finish_writes(folder: Path) -> None:
    """Finish or clear away what killed processes had begun to write in a folder, by whoever it was started here."""
    for lock in folder.glob(".*-*.tmp") if LOCKS else ():
        # Held by its writer, or not ours: either way it stays.
        with suppress(OSError, HeldError):
            if re.fullmatch(TEMPORARY, lock.name) and _is_own_file(lock):
                with held(lock) as left:
                    _finish(folder, lock.name, left)


def _finish(folder: Path, prefix: str, left: str) -> None:
    """Rename what is complete, if nobody has replaced its place since, and delete all else of a killed writer."""
    for name, before in _set_of(left).items():
        temporary, path = folder / f"{prefix}.{name}", folder / name
        if name == Path(name).name and _is_own_file(temporary) and _identity(path) == before:
            temporary.replace(path)
    for temporary in folder.glob(f"{prefix}.*"):
        temporary.unlink()


def _set_of(left: str) -> dict[str, Any]:
    """The files of a set that is complete, by name, and what lay in their places; nothing where it is not."""
    try:
        found = json.loads(left)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _identity(path: Path) -> list[int] | None:
    """Which file lies there."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return None
    return [found.st_ino, found.st_size, found.st_mtime_ns]


def _is_own_file(path: Path) -> bool:
    try:
        found = path.lstat()
    except FileNotFoundError:
        return False
    return S_ISREG(found.st_mode) and found.st_uid == os.getuid()


def _rename(temporaries: Sequence[Path], paths: Sequence[Path]) -> None:
    for temporary, path in zip(temporaries, paths, strict=True):
        if temporary.exists() or len(paths) == 1:
            temporary.replace(path)


def _bytes_of(files: Sequence[Path]) -> int:
    return sum(file.stat().st_size for file in files if file.exists())


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
