"""Writing files so that a crash or bad input never leaves half of one behind."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def write_then_rename(path: Path) -> Iterator[Path]:
    """Give a temporary name beside `path`; rename it to `path` when the block succeeds, delete it when it fails."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
