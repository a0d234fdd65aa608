"""Writing files so that a crash or bad input never leaves half of one behind."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def write_then_rename(path: Path) -> Iterator[Path]:
    """Give a temporary name beside `path`; rename it to `path` when the block succeeds, delete it when it fails."""
    with write_together(path) as (temporary,):
        yield temporary


@contextmanager
def write_together(*paths: Path) -> Iterator[list[Path]]:
    """Give a temporary name beside each path, of the same ending; rename all when the block succeeds, delete else."""
    temporaries = [path.with_name(f".{os.getpid()}.tmp.{path.name}") for path in paths]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield temporaries
        # A name must not be on the disk before its content is, or a power cut leaves an empty file of that name.
        for temporary in temporaries:
            _sync(temporary)
        for temporary, path in zip(temporaries, paths, strict=True):
            temporary.replace(path)
        for folder in {path.parent for path in paths}:
            with suppress(OSError):  # not every file system does this for folders
                _sync(folder)
    finally:
        for temporary in temporaries:
            temporary.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
