"""Finds the Python 3.10 that Lava demands (lava-nc 0.10.0 refuses to be imported by any other).

uv and pyenv would take a Python, and settings, from the current folder; so they are asked in a folder of ours.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from ckd.files import how_to_install
from deploy.errors import RunnerError

VARIABLE = "CKD_PYTHON310"
ELSEWHERE = Path(__file__).parent
"""Where programs run that would obey what lies in the current folder."""


def find_uv() -> str:
    """The uv program: the one of the Python package, else one on PATH.

    Raises:
        RunnerError: there is none.
    """
    try:
        import uv

        return uv.find_uv_bin()
    except (ImportError, FileNotFoundError):
        found = on_path("uv")
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
        program = named_program(named)
        if _is_python310(program):
            return program
        raise RunnerError(f"{VARIABLE}={named}: not a Python 3.10; let it name one, or unset it")
    for candidate in _candidates():
        if _is_python310(candidate):
            return candidate
    raise RunnerError(
        "no Python 3.10 found, and Lava runs in no other. Get one with `uv python install 3.10`, or from your system "
        f"(Debian and Ubuntu: python3.10 and python3.10-venv), or set {VARIABLE} to its path"
    )


def named_program(name: str) -> str:
    """A program that a user names: a path, which may begin at the current folder, or a name on PATH."""
    return os.path.abspath(name) if os.sep in name else name  # noqa: PTH100  (a link of a venv must stay one)


def on_path(name: str) -> str | None:
    """A program on PATH, but not below a relative entry of it: that would be the current folder's."""
    entries = [entry for entry in os.get_exec_path() if Path(entry).is_absolute()]
    return shutil.which(name, path=os.pathsep.join(entries))


def _candidates() -> Iterator[str]:
    command = [find_uv(), "--no-config", "python", "find", "--no-project", "--system", "3.10"]
    found = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ELSEWHERE)
    if found.returncode == 0:
        yield found.stdout.strip()
    python = on_path("python3.10")
    if python:
        yield python
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    yield from (str(path) for path in sorted(pyenv.glob("versions/3.10*/bin/python3.10"), reverse=True))


def _is_python310(path: str) -> bool:
    """A shim of pyenv exists without its Python, so the program is asked, not its name."""
    command = [path, "-I", "-c", "import sys; print(sys.version_info[:2] == (3, 10))"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, cwd=ELSEWHERE)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return answer.stdout.strip() == "True"
