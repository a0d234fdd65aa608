"""Arrays that take long to make, kept in the user's cache directory under a hash of everything that made them."""

import contextlib
import hashlib
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ckd.files import cache_folder, write_then_rename


def stamps(paths: list[Path]) -> list[tuple[str, int, int]]:
    """Of each file what changes with its content, for a key."""
    return [(str(path), found.st_size, found.st_mtime_ns) for path in paths for found in [path.stat()]]


def cached_frames(
    make: Callable[[], NDArray[np.uint8]], *, key: dict[str, Any], made_by: list[ModuleType]
) -> NDArray[np.uint8]:
    """What `make` gives, kept from the last time as long as neither the key nor the source code has changed.

    Frames of zeros and ones are packed eight to a byte. A cache that cannot be read or written is done without.

    Args:
        make: makes the frames.
        key: everything that decides them, beside the code.
        made_by: the modules that make them; a package stands for every module in it.
    """

    def packed() -> dict[str, Any]:
        frames = make()
        binary = frames.max(initial=0) <= 1
        return {
            "frames": np.packbits(frames) if binary else frames,
            "shape": np.asarray(frames.shape),
            "binary": np.asarray(binary),
        }

    stored = cached_arrays(packed, key=key, made_by=made_by)
    shape = tuple(stored["shape"])
    if stored["binary"]:
        return np.unpackbits(stored["frames"], count=int(np.prod(shape))).reshape(shape)
    return stored["frames"]


def cached_arrays(
    make: Callable[[], dict[str, NDArray[Any]]], *, key: dict[str, Any], made_by: list[ModuleType]
) -> dict[str, NDArray[Any]]:
    """What `make` gives by name; otherwise as `cached_frames`."""
    digest = hashlib.sha256(json.dumps(key, sort_keys=True, default=str).encode())
    for file in source_files(made_by):
        digest.update(file.read_bytes())
    path = cache_folder() / f"frames-{digest.hexdigest()[:32]}.npz"
    unusable = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile)
    with contextlib.suppress(*unusable), path.open("rb") as file, np.load(file) as stored:
        return dict(stored)
    made = make()
    with contextlib.suppress(OSError), write_then_rename(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **made)  # pyright: ignore[reportArgumentType]
    return made


def source_files(modules: list[ModuleType]) -> list[Path]:
    """The source files of modules; of a package, of every module in it, so that none is forgotten."""
    found: list[Path] = []
    for module in modules:
        file = Path(str(module.__file__))
        found += sorted(file.parent.glob("*.py")) if file.name == "__init__.py" else [file]
    return found
