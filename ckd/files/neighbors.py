"""What a user meant who gave a folder one level too high or too low, a file in it, or a name mistyped."""

import difflib
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

MOST = 200
"""Folders that are looked at; nobody waits for a guess."""


def perhaps_meant(path: Path, is_one: Callable[[Path], bool]) -> str:
    """`; perhaps you meant ../mine`, of a path that is none; nothing where no near one is.

    Args:
        path: what was given.
        is_one: whether a folder is what was to be given.
    """
    try:
        found = next((near for near in islice(_near(path), MOST) if is_one(near)), None)
    except OSError:  # a folder that may not be looked into
        return ""
    return f"; perhaps you meant {found}" if found is not None else ""


def _near(path: Path) -> Iterator[Path]:
    """Two levels up, one down; of a path that is not there, what has nearly its name, and its folder."""
    if path.exists():
        for up in (path.parent, path.parent.parent):
            if up.name not in ("", ".."):
                yield up
        if path.is_dir():
            yield from sorted(below for below in path.iterdir() if below.is_dir())
    elif path.parent.is_dir():
        names = [beside.name for beside in islice(path.parent.iterdir(), MOST) if beside.is_dir()]
        yield from (path.parent / name for name in difflib.get_close_matches(path.name, names))
        yield path.parent
