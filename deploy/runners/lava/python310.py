"""Finds the Python 3.10 that Lava demands (lava-nc 0.10.0 refuses to be imported by any other)."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from deploy.errors import RunnerError
from deploy.extras import how_to_install

VARIABLE = "CKD_PYTHON310"


def find_uv() -> str:
    """The uv program: the one of the Python package, else one on PATH.

    Raises:
        RunnerError: there is none.
    """
    try:
        import uv

        return uv.find_uv_bin()
    except (ImportError, FileNotFoundError):
        found = shutil.which("uv")
    if found is None:
        raise RunnerError(f"uv is missing; it builds the environment in which Lava runs: {how_to_install('lava')}")
    return found


def find_python310() -> str:
    """A Python 3.10: from $CKD_PYTHON310, `uv python find 3.10`, PATH, or pyenv's versions, in this order.

    Raises:
        RunnerError: $CKD_PYTHON310 names something else, or there is no Python 3.10. The message says how to get one.
    """
    named = os.environ.get(VARIABLE)
    if named:
        if _is_python310(named):
            return named
        raise RunnerError(f"{VARIABLE}={named}: not a Python 3.10; let it name one, or unset it")
    for candidate in _candidates():
        if _is_python310(candidate):
            return candidate
    raise RunnerError(
        "no Python 3.10 found, and Lava runs in no other. Get one with `uv python install 3.10`, or from your system "
        f"(Debian and Ubuntu: python3.10 and python3.10-venv), or set {VARIABLE} to its path"
    )


def _candidates() -> Iterator[str]:
    found = subprocess.run([find_uv(), "python", "find", "3.10"], capture_output=True, text=True, check=False)
    if found.returncode == 0:
        yield found.stdout.strip()
    on_path = shutil.which("python3.10")
    if on_path:
        yield on_path
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    yield from (str(path) for path in sorted(pyenv.glob("versions/3.10*/bin/python3.10"), reverse=True))


def _is_python310(path: str) -> bool:
    """A shim of pyenv exists without its Python, so the program is asked, not its name."""
    command = [path, "-c", "import sys; print(sys.version_info[:2] == (3, 10))"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return answer.stdout.strip() == "True"
