"""The environment of a worker: uv builds it once, from a list of packages with their hashes, in the user's cache.

The list lies beside the script, with the ending .lock. The script's head says what it needs; after a change there:

    uv pip compile --python-version 3.10 --generate-hashes --no-annotate --no-header SCRIPT.py -o SCRIPT.lock
"""

import hashlib
import shutil
import subprocess
from pathlib import Path

from ckd.files import cache_folder, held
from deploy.errors import RunnerError
from deploy.runners.lava.python310 import ELSEWHERE, find_python310, find_uv

BUILD_SECONDS = 900.0
"""For the first run of a script, which downloads its packages."""

TAIL = 4000
"""How many characters of a program's output an error shows: its end, where the exception is."""

READY = "ready"
"""The file that is written last: an environment without it is built again."""


def python_for(script: Path) -> str:
    """The interpreter of the environment of `script`, which is built where it is not there yet.

    Raises:
        RunnerError: no Python 3.10, no uv, or the packages cannot be installed (with the end of what uv said).
    """
    lock = script.with_suffix(".lock")
    interpreter = find_python310()
    digest = hashlib.sha256(lock.read_bytes() + interpreter.encode()).hexdigest()[:16]
    folder = cache_folder() / "environments" / f"{script.stem}-{digest}"
    python = folder / "bin" / "python"
    if not _usable(folder, python):
        with held(folder.with_suffix(".held"), wait=True):
            if not _usable(folder, python):
                shutil.rmtree(folder, ignore_errors=True)
                _uv(script, "venv", "--python", interpreter, str(folder))
                # What has no wheel would run code of its own, and that of packages that are on no list.
                options = ["--require-hashes", "--no-build", "--python", str(python)]
                _uv(script, "pip", "sync", *options, str(lock))
                (folder / READY).touch()
    return str(python)


def _usable(folder: Path, python: Path) -> bool:
    """Its Python is a link to one that may be gone."""
    return (folder / READY).is_file() and python.exists()


def _uv(script: Path, *arguments: str) -> None:
    """uv, which would obey a uv.toml or pyproject.toml around the current folder, and build what it was told there."""
    command = [find_uv(), "--no-config", "--quiet", *arguments]
    failure = f"{script.name}: its environment could not be built"
    try:
        done = subprocess.run(
            command, cwd=ELSEWHERE, capture_output=True, text=True, errors="replace", check=False, timeout=BUILD_SECONDS
        )
    except subprocess.TimeoutExpired:
        raise RunnerError(f"{failure}: not done after {BUILD_SECONDS:.0f} s; try again") from None
    except OSError as error:
        raise RunnerError(f"{failure} ({error})") from None
    if done.returncode:
        raise failed(f"{failure} (exit {done.returncode})", done.stderr)


def failed(message: str, output: str) -> RunnerError:
    """An error of a program that ended badly: with the last line of what it said, all of its end as a note."""
    tail = output.strip()[-TAIL:]
    last = tail.rpartition("\n")[2]
    error = RunnerError(f"{message}: {last}" if last else f"{message}; it said nothing")
    if tail != last:
        error.add_note(tail)
    return error
