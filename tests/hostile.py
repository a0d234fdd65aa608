"""A stranger's folder, full of files that programs would run or obey, and our commands in it as pip installs them."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
SCRIPTS: dict[str, str] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
MODULES = (
    *("ckd", "deploy", "export", "nir", "numpy", "torch", "h5py", "lava", "lava_io", "scipy", "yaml", "matplotlib"),
    *("os", "json", "runpy", "signal", "threading", "typing", "warnings", "sitecustomize", "usercustomize", "canary"),
)
NOWHERE = "http://127.0.0.1:9/simple"
"""No index of packages: nothing listens there."""


def hostile_folder(folder: Path) -> Path:
    """Whatever of it is run leaves a file whose name begins with "ran-"."""
    (folder / ".venv" / "bin").mkdir(parents=True)
    for name in MODULES:
        (folder / f"{name}.py").write_text(f"open({str(folder / f'ran-{name}')!r}, 'w').close()\n")
    python = folder / ".venv" / "bin" / "python"
    python.write_text(f"#!/bin/sh\n: > '{folder}/ran-venv'\nexec python3.10 \"$@\"\n")
    python.chmod(0o755)
    (folder / ".venv" / "pyvenv.cfg").write_text("home = /usr/bin\nversion = 3.10.13\n")
    (folder / "uv.toml").write_text(f'[[index]]\nurl = "{NOWHERE}"\ndefault = true\n')
    (folder / "pyproject.toml").write_text(
        f'[project]\nname = "x"\nversion = "0"\n[tool.uv]\nindex-url = "{NOWHERE}"\n'
    )
    (folder / ".python-version").write_text("../../canary\n")
    (folder / "matplotlibrc").write_text("backend: module://canary\nfigure.dpi: obeyed\n")
    (folder / ".numba_config.yaml").write_text(f"cache_dir: {folder / 'ran-numba'}\n")
    return folder


def ran_in(folder: Path) -> list[str]:
    """What of a hostile folder was run."""
    return sorted(path.name for path in folder.glob("ran-*"))


def installed(script: str, folder: Path) -> Path:
    """A console script of pyproject.toml as pip writes it into a folder of programs."""
    module, _, function = SCRIPTS[script].partition(":")
    path = folder / script
    folder.mkdir(exist_ok=True)
    path.write_text(f"import sys\nfrom {module} import {function}\nsys.exit({function}())\n")
    return path


def run_script(script: str, *args: object, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """A console script of this source tree, in a folder."""
    command = [sys.executable, str(installed(script, cwd.parent / "programs")), *map(str, args)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **variables}
    return subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, errors="replace", timeout=300, check=False
    )
