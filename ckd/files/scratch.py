"""Temporary folders that a killed process leaves behind are cleared away by the next one that needs one."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from stat import S_ISDIR

from ckd.files.cache import cache_folder
from ckd.files.locks import HeldError, held

LOCK = ".held"


@contextmanager
def scratch_folder(prefix: str) -> Iterator[Path]:
    """A temporary folder, removed when the block ends; those with `prefix` that a killed process left go first."""
    with ExitStack() as kept:
        # Or what is just being made here would look left behind there.
        with held(cache_folder() / "scratch.held", wait=True):
            _clear(prefix)
            name = kept.enter_context(tempfile.TemporaryDirectory(prefix=prefix, ignore_cleanup_errors=True))
            kept.enter_context(held(Path(name) / LOCK))
        yield Path(name)


def _clear(prefix: str) -> None:
    """Remove this user's scratch folders that nobody holds."""
    for folder in Path(tempfile.gettempdir()).glob(f"{prefix}*"):
        with suppress(OSError, HeldError):
            about = folder.lstat()
            # A folder without a lock was made by something else, which may still use it.
            if S_ISDIR(about.st_mode) and about.st_uid == os.getuid() and (folder / LOCK).is_file():
                with held(folder / LOCK):
                    shutil.rmtree(folder)
