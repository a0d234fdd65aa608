"""AEDAT 4 through the library aedat, in a process of its own: on a damaged file its Rust ends the whole process.

One process reads all recordings, and may take as much memory as `ckd.events.sizes` allows a file of its size.
"""

import atexit
import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np

from ckd.errors import RecordingError
from ckd.events.sizes import allowed

DECODER = Path(__file__).with_name("decode_aedat4.py")

_lock = threading.Lock()
_running: list[subprocess.Popen[bytes]] = []


def read_aedat4(path: Path) -> tuple[Any, ...]:
    """x, y, t, p of the events of a file.

    Raises:
        RecordingError: damaged, or it would take more memory than a file of its size may.
        ImportError: the library is missing.
    """
    with _lock:
        process = _decoder()
        assert process.stdin is not None and process.stdout is not None
        question = {"path": str(path.absolute()), "bytes": allowed(path)}
        try:
            process.stdin.write(json.dumps(question).encode() + b"\n")
            process.stdin.flush()
            answer = json.loads(process.stdout.readline() or b"{}")
            if "dtype" in answer:
                dtype = np.dtype([tuple(field) for field in answer["dtype"]])
                raw = process.stdout.read(answer["count"] * dtype.itemsize)
                events = np.frombuffer(raw, dtype)
                return tuple(events[name] for name in "xytp")
        except BrokenPipeError:
            answer = {}
        except BaseException:
            _end(process)
            raise
        if not answer:
            _end(process)
    if "missing" in answer:
        raise ImportError(name=answer["missing"])
    reason = answer.get("error", "its decoder broke off")
    size = path.stat().st_size
    raise RecordingError(f"{path}: cannot be read ({reason}); it is damaged, or holds more than its {size:,} bytes may")


def _decoder() -> subprocess.Popen[bytes]:
    """The process that reads; a new one where the last one broke off."""
    if not _running or _running[0].poll() is not None:
        _running[:] = [
            subprocess.Popen(
                [sys.executable, "-P", str(DECODER)],
                cwd=DECODER.parent,  # tonic's own libraries look for settings in the current folder
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,  # Rust's own account of a panic
            )
        ]
    return _running[0]


@atexit.register
def _end_running() -> None:
    for process in list(_running):
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.communicate()
    _running.clear()
