"""`open_hdf5`: the groups and data sets of a file, as a process of its own has found them.

HDF5's library, C, crashes on some damaged files, and runs for ever or takes any memory on others. So it never runs on
a stranger's file here. It runs in a fork of one process with limits (`look_through.py`), which tells what the file
holds and where its numbers lie; `deploy.hdf5.stored` takes them from there, and holds every place against the file.
"""

import atexit
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from deploy.hdf5.limits import MAX_ANSWER, Kind, limits
from deploy.hdf5.tree import Group, Source, grown

LOOK_THROUGH = Path(__file__).with_name("look_through.py")

_lock = threading.Lock()
_running: dict[int, subprocess.Popen[bytes]] = {}
"""By our own process: one that was forked from it must not share its pipes."""


def open_hdf5(path: Path, kind: Kind) -> Group:
    """The root of a file; numbers are read when they are asked for.

    Raises:
        DeployError: the kind's own: no HDF5 file, a damaged one, or one that holds what is not allowed.
    """
    answer, carried = _asked(path, kind)
    if "refused" in answer:
        where, problem = map(_line, answer["refused"])
        raise kind.refused(path, where, problem)
    if "damaged" in answer:
        raise kind.damaged(path, _line(answer["damaged"]))
    try:
        source = Source(path=path, kind=kind, identity=tuple(map(int, answer["identity"])), carried=carried)
        root = grown(source, "", answer["tree"])
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError) as error:
        raise kind.damaged(path, f"what was found makes no sense: {error!r:.60}") from error
    if not isinstance(root, Group):
        raise kind.damaged(path, "its root is no group")
    return root


def _asked(path: Path, kind: Kind) -> tuple[dict[str, Any], memoryview]:
    question = limits() | {"path": os.fsencode(path.absolute()).hex(), "max_bytes": kind.max_bytes}
    with _lock:
        process = _process()
        assert process.stdin is not None and process.stdout is not None
        try:
            process.stdin.write(json.dumps(question).encode() + b"\n")
            process.stdin.flush()
            size = int.from_bytes(process.stdout.read(8), "little")
            line = process.stdout.readline(size) if size <= MAX_ANSWER else b""
            carried = process.stdout.read(size - len(line)) if line else b""
            answer = json.loads(line or b"{}")
        except (BrokenPipeError, ValueError, RecursionError):
            answer, carried = {}, b""
        except BaseException:
            _end(process)
            raise
        if not isinstance(answer, dict) or not answer:
            _end(process)
            answer = {"damaged": "the process that looks through it broke off"}
    return answer, memoryview(carried)


def _line(text: Any) -> str:
    return " ".join(str(text).split())


def _process() -> subprocess.Popen[bytes]:
    """The process that looks through files; a new one where the last one broke off."""
    running = _running.get(os.getpid())
    if running is not None and running.poll() is not None:
        _end(running)
        running = None
    if running is None:
        running = subprocess.Popen(
            [sys.executable, "-P", str(LOOK_THROUGH)],
            cwd=LOOK_THROUGH.parent,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for us; it ends with its standard input
            env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},  # what forks has one thread
        )
        _running[os.getpid()] = running
    return running


@atexit.register
def _end_running() -> None:
    running = _running.get(os.getpid())
    if running is not None:
        _end(running)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.communicate()
    _running.pop(os.getpid(), None)
