"""Runs a worker script in a Python 3.10 of its own; a time limit ends what hangs, a pipe what is left alone."""

import os
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from deploy.runners.lava.environment import failed, python_for

LAUNCH = Path(__file__).parent / "workers" / "launch.py"
MORE_TIME = "allow more time, or give fewer recordings or steps"


def run_worker(script: Path, folder: Path, *, timeout: float, python: str | None = None) -> None:
    """Run `script` under Python 3.10 in `folder`, which is its argument too, and wait for it.

    Nothing of the folder that the user stands in is on its path, and it ends when this process does.

    Args:
        timeout: seconds, after which it is ended together with every process that it started. Building its
            environment at the first run does not count.
        python: an interpreter that has what the script requires already.

    Raises:
        RunnerError: no Python 3.10, no environment, a failure (with the end of its stderr), or out of time.
    """
    # Isolated: neither the current folder, nor PYTHONPATH with packages of this Python, nor what a user installed.
    command = [python or python_for(script), "-I", "-W", "ignore", str(LAUNCH), str(script.resolve()), str(folder)]
    # One thread each: Lava starts a process for every layer, and their BLAS threads would fight for the cores.
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    # Its output is no pipe: the children of a worker that died would hold its other end open.
    with (
        tempfile.TemporaryFile("w+", errors="replace") as output,
        subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,  # The worker ends when nobody holds our end of it.
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as process,
    ):
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
            raise failed(f"{script.name} failed{why}", output.read())


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
