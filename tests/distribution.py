"""The distribution as it is uploaded, and environments of its own into which it is installed."""

import configparser
import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from deploy.runners.lava.python310 import find_uv

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
BUILD = "import sys; from setuptools import build_meta as b; to = sys.argv[1]; b.build_wheel(to); b.build_sdist(to)"
"""What `python -m build` calls, with the setuptools that is here: no network."""


def committed() -> list[str]:
    """The files that git holds or would take."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    return [name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]


def copy_source(folder: Path, *below: str) -> Path:
    """What git holds, or what of it lies below some names."""
    for name in committed():
        if not below or name.startswith(below):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, folder / name)
    return folder


def build(source: Path, out: Path) -> Path:
    """A wheel and a source archive of a source tree; gives the wheel."""
    out.mkdir(parents=True, exist_ok=True)
    subprocess.run([sys.executable, "-c", BUILD, str(out)], cwd=source, check=True, capture_output=True)
    (wheel,) = out.glob("*.whl")
    return wheel


def entry_points(wheel: Path) -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    with zipfile.ZipFile(wheel) as opened:
        (name,) = [name for name in opened.namelist() if name.endswith(".dist-info/entry_points.txt")]
        parser.read_string(opened.read(name).decode())
    return parser


def interpreter(version: str) -> str:
    """A Python of this version on this machine, as uv or pyenv has it. Skips where there is none."""
    options = ["--no-config", "--no-python-downloads", "python", "find", "--no-project", "--system", version]
    found = subprocess.run([find_uv(), *options], capture_output=True, text=True, check=False)
    if found.returncode == 0:
        return found.stdout.strip()
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    for path in sorted(pyenv.glob(f"versions/{version}.*/bin/python{version}")):
        return str(path)
    pytest.skip(f"no Python {version} on this machine")


@dataclass(frozen=True)
class Environment:
    """A fresh one in `folder`, without anything of this one; `home` has its caches."""

    folder: Path
    home: Path

    @staticmethod
    def create(folder: Path, python: str) -> "Environment":
        subprocess.run([find_uv(), "venv", "--quiet", "--no-config", "--python", python, folder / "env"], check=True)
        return Environment(folder / "env", folder / "home")

    @property
    def variables(self) -> dict[str, str]:
        outer = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
        kept = subprocess.run([find_uv(), "--no-config", "cache", "dir"], capture_output=True, text=True, check=True)
        return outer | {
            "XDG_CACHE_HOME": str(self.home),
            "UV_CACHE_DIR": kept.stdout.strip(),
            "UV_FIND_LINKS": os.environ.get("PIP_FIND_LINKS", ""),
            "OMP_NUM_THREADS": "1",
        }

    def install(self, *what: str, constraints: str = "constraints.txt") -> None:
        """Packages and wheels, under one of our files of constraints."""
        options = ["--no-config", "--python", self.folder / "bin" / "python", "-c", ROOT / constraints]
        self._run(find_uv(), "pip", "install", "--quiet", *options, *what, cwd=self.folder)

    def run(self, program: str, *args: object, cwd: Path) -> str:
        """What a program of this environment prints; it must end well."""
        return self._run(self.folder / "bin" / program, *args, cwd=cwd).stdout

    def try_(self, program: str, *args: object, cwd: Path) -> subprocess.CompletedProcess[str]:
        """A program of this environment, however it ends."""
        return self._start(self.folder / "bin" / program, *args, cwd=cwd)

    def _run(self, *command: object, cwd: Path) -> subprocess.CompletedProcess[str]:
        done = self._start(*command, cwd=cwd)
        assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
        return done

    def _start(self, *command: object, cwd: Path) -> subprocess.CompletedProcess[str]:
        words = list(map(str, command))
        return subprocess.run(words, cwd=cwd, env=self.variables, capture_output=True, text=True, check=False)
