"""Recordings that libraries of C and Rust read, in a process of their own: a damaged file may end the whole process.

One process reads all recordings, and may take as much memory for each as `ckd.events.sizes` allows a file of its size.
"""

import atexit
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from ckd.errors import RecordingError
from ckd.events.sizes import allowed
from ckd.files import one_line

DECODER = Path(__file__).with_name("decode.py")

Columns = tuple[Any, ...]
"""x, y, t, p of events, an array each."""

_idle: dict[bool, list[subprocess.Popen[bytes]]] = {True: [], False: []}
"""Processes that wait for a question; those of aedat4 apart, whose libraries take a second or more to import."""


def read_decoded(path: Path, form: str) -> Columns:
    """The events of a file in the format "aedat4", "dat", "evt2" or "evt3".

    Raises:
        RecordingError: damaged, or it would take more memory than a file of its size may.
        ImportError: the library is missing.
    """
    (found,) = stream_decoded(path, form, None)
    return found


def stream_decoded(path: Path, form: str, chunk: int | None) -> Iterator[Columns]:
    """The same in parts of `chunk` events; raises the same."""
    idle = _idle[form == "aedat4"]
    process = _taken(idle)
    done = False
    try:
        yield from _answers(process, path, form, chunk)
        done = True
    except (ImportError, RecordingError):
        done = process.poll() is None
        raise
    finally:
        # Where nobody reads on, or it broke off, there may be more in its pipe.
        if done:
            idle.append(process)
        else:
            _end(process)


def _taken(idle: list[subprocess.Popen[bytes]]) -> subprocess.Popen[bytes]:
    """One of these that still lives, or a new one."""
    while idle:
        with suppress(IndexError):  # another thread took it
            process = idle.pop()
            if process.poll() is None:
                return process
    return _start()


def _answers(process: subprocess.Popen[bytes], path: Path, form: str, chunk: int | None) -> Iterator[Columns]:
    assert process.stdin is not None and process.stdout is not None
    question = {"path": str(path.absolute()), "format": form, "bytes": allowed(path), "chunk": chunk}
    try:
        process.stdin.write(json.dumps(question).encode() + b"\n")
        process.stdin.flush()
        answer = json.loads(process.stdout.readline())
        while "dtype" in answer:
            dtype = np.dtype([tuple(field) for field in answer["dtype"]])
            events = np.frombuffer(process.stdout.read(answer["count"] * dtype.itemsize), dtype)
            yield tuple(events[name] for name in "xytp")
            answer = json.loads(process.stdout.readline())
    except (BrokenPipeError, ValueError):  # it is gone, or what it says makes no sense
        _end(process)
        answer = {}
    if "end" in answer:
        return
    if "missing" in answer:
        raise ImportError(name=answer["missing"])
    reason = one_line(answer.get("error", "its decoder broke off"))
    size = path.stat().st_size
    raise RecordingError(f"{path}: cannot be read ({reason}); it is damaged, or holds more than its {size:,} bytes may")


def _start() -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-P", str(DECODER)],
        cwd=DECODER.parent,  # tonic's own libraries look for settings in the current folder
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # what the libraries say of a damaged file
        env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},  # what forks has one thread
    )


@atexit.register
def _end_running() -> None:
    for process in _idle[True] + _idle[False]:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.communicate()
