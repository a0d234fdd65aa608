"""Runs a worker script in a Python 3.10 of its own: uv builds its environment once, a time limit ends what hangs."""

import os
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from deploy.errors import RunnerError
from deploy.runners.lava.python310 import find_python310, find_uv

BUILD_SECONDS = 900.0
"""For the first run of a script, which downloads its packages."""

MORE_TIME = "allow more time, or give fewer recordings or steps"
TAIL = 4000
"""How many characters of a worker's output an error shows: its end, where the exception is."""


def run_worker(script: Path, *arguments: str, timeout: float, python: str | None = None) -> None:
    """Run `script` (its requirements in its head, PEP 723) under Python 3.10 and wait for it.

    Args:
        timeout: seconds, after which it is ended together with every process that it started. Building its
            environment at the first run does not count.
        python: an interpreter that has what the script requires already.

    Raises:
        RunnerError: no Python 3.10, no environment, a failure (with the end of its stderr), or out of time.
    """
    if python is not None:
        _call([python, str(script), *arguments], f"{script.name} failed", timeout)
        return
    # PYTHONPATH would bring packages of this Python into that one.
    uv = ["env", "-u", "PYTHONPATH", "-u", "PYTHONHOME", find_uv(), "--quiet"]
    target = ["--python", find_python310(), "--script", str(script)]
    _call([*uv, "sync", *target], f"{script.name}: its environment could not be built", BUILD_SECONDS)
    _call([*uv, "run", "--no-sync", *target, *arguments], f"{script.name} failed", timeout)


def _call(command: list[str], failure: str, timeout: float) -> None:
    # One thread each: Lava starts a process for every layer, and their BLAS threads would fight for the cores.
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    # Not a pipe: the children of a worker that died would hold its other end open.
    with tempfile.TemporaryFile("w+", errors="replace") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )
        try:
            code = process.wait(timeout)
        except subprocess.TimeoutExpired:
            code = None
        except BaseException:
            _end_group(process)
            raise
        if code != 0:
            _end_group(process)
            output.seek(0)
            why = f" (exit {code})" if code is not None else f": not done after {timeout:.0f} s and ended; {MORE_TIME}"
            raise RunnerError(failure + why + _shown(output.read()))


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """End the worker and all its children: first politely, so that they give back their shared memory."""
    for signal_number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, signal_number)
            for _ in range(30):
                process.poll()
                os.killpg(process.pid, 0)
                time.sleep(0.1)
        except ProcessLookupError:
            return


def _shown(output: str) -> str:
    tail = output.strip()[-TAIL:]
    return f". It said:\n{tail}" if tail else "; it said nothing"
