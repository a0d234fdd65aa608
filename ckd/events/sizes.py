"""How much memory a file may ask for: judged before any of it is taken."""

import os
from pathlib import Path

from ckd.errors import RecordingError

SMALL = 1 << 28
"""Bytes that any file may become."""

GROWTH = 100
"""How often its own size a larger one may become; recordings compress five to twenty times."""


def judge(path: Path, needed: int) -> None:
    """Raise RecordingError where reading a file would take `needed` bytes, and that is too much for it or for here."""
    size, memory = path.stat().st_size, _memory()
    if needed > max(SMALL, GROWTH * size):
        raise RecordingError(
            f"{path}: {size:,} bytes that claim to hold {needed:,}, more than {GROWTH} times as much; it is damaged or "
            "made to fill the memory"
        )
    if needed > memory:
        raise RecordingError(
            f"{path}: needs {needed:,} bytes and this machine has {memory:,}; read it with ckd.events.stream_events"
        )


def allowed(path: Path) -> int:
    """The most that `judge` lets pass."""
    return min(max(SMALL, GROWTH * path.stat().st_size), _memory())


def _memory() -> int:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
