"""Arrays that take long to make, kept in the user's cache directory under a hash of everything that made them."""

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
import zipfile
from collections.abc import Callable
from math import prod
from pathlib import Path
from types import ModuleType
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from ckd.data.stored import AnyFrames, FrameFile, Make, blocks, write_frames
from ckd.errors import DatasetError
from ckd.files import cache_folder, write_then_rename

UNUSABLE = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile)
"""What a cache that is not there, or damaged, may raise."""
IN_MEMORY = 1 << 28
"""Bytes of frames that are kept there where they cannot be kept from run to run."""


def stamps(paths: list[Path]) -> list[tuple[str, int, int]]:
    """Of each file what changes with its content, for a key."""
    return [(str(path), found.st_size, found.st_mtime_ns) for path in paths for found in [path.stat()]]


def cached_frames(
    make: Make, shape: tuple[int, ...], *, bits: bool, key: dict[str, Any], made_by: list[ModuleType]
) -> AnyFrames:
    """What `make` gives, kept from the last time as long as neither the key nor the source code has changed.

    They are made a block at a time and stay on disk; where no cache can be written, as `frames_of_a_run` keeps them.

    Args:
        make: makes the frames of some rows.
        shape: of all, (R, T, 2, H, W).
        bits: whether all frames are 0 or 1; they are packed eight to a byte.
        key: everything that decides them, beside the code.
        made_by: the modules that make them; a package stands for every module in it.

    Raises:
        DatasetError: there is no room for them.
    """
    path = cache_folder() / f"frames-{_digest({'of': key, 'shape': shape}, made_by)}.bin"
    with contextlib.suppress(*UNUSABLE):
        return FrameFile(path.open("rb", buffering=0), str(path))
    with contextlib.suppress(OSError):
        with write_then_rename(path) as temporary, temporary.open("wb") as file:
            write_frames(file, make, shape, bits=bits)
        return FrameFile(path.open("rb", buffering=0), str(path))
    return frames_of_a_run(make, shape, bits=bits)


def frames_of_a_run(make: Make, shape: tuple[int, ...], *, bits: bool) -> AnyFrames:
    """What `make` gives where nobody knows what decides it: kept as long as it is used, on disk where it is large.

    Raises:
        DatasetError: there is no room for it.
    """
    if prod(shape) <= IN_MEMORY:
        frames = np.empty(shape, np.uint8)
        for block in blocks(shape):
            frames[block] = make(block)
        return frames
    size = prod(shape) // (8 if bits else 1)
    file = cast(BinaryIO, tempfile.TemporaryFile(dir=_folder_with_room(size)))  # noqa: SIM115 (open while it is used)
    write_frames(file, make, shape, bits=bits)
    return FrameFile(file, "a temporary file")


def _folder_with_room(size: int) -> Path:
    """Where this user may write that many bytes: with the caches, or with the temporary files."""
    folders = cache_folder(), Path(tempfile.gettempdir())
    for folder in folders:
        with contextlib.suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            if os.access(folder, os.W_OK) and shutil.disk_usage(folder).free > size:
                return folder
    raise DatasetError(
        f"frames take {size:,} bytes, for which neither {folders[0]} nor {folders[1]} has room; let XDG_CACHE_HOME or "
        "TMPDIR name a folder that has"
    )


def cached_arrays(
    make: Callable[[], dict[str, NDArray[Any]]], *, key: dict[str, Any], made_by: list[ModuleType]
) -> dict[str, NDArray[Any]]:
    """What `make` gives by name, in memory; otherwise as `cached_frames`."""
    path = cache_folder() / f"frames-{_digest(key, made_by)}.npz"
    with contextlib.suppress(*UNUSABLE), path.open("rb") as file, np.load(file) as stored:
        return dict(stored)
    made = make()
    with contextlib.suppress(OSError), write_then_rename(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **made)  # pyright: ignore[reportArgumentType]
    return made


def _digest(key: dict[str, Any], made_by: list[ModuleType]) -> str:
    digest = hashlib.sha256(json.dumps(key, sort_keys=True, default=str).encode())
    for file in source_files(made_by):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:32]


def source_files(modules: list[ModuleType]) -> list[Path]:
    """The source files of modules; of a package, of every module in it, so that none is forgotten."""
    found: list[Path] = []
    for module in modules:
        file = Path(str(module.__file__))
        found += sorted(file.parent.glob("*.py")) if file.name == "__init__.py" else [file]
    return found
