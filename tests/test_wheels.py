"""What is uploaded: a wheel and a source archive that hold the files of the three wings, and nothing else."""

import configparser
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
WINGS = ("ckd", "export", "deploy")
BUILD = "import sys; from setuptools import build_meta as b; to = sys.argv[1]; b.build_wheel(to); b.build_sdist(to)"
"""What `python -m build` calls, with the setuptools that is here: no network."""


def committed() -> list[str]:
    """The files that git holds or would take."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    return [name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel and the source archive, built from a copy."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("dist")
    for name in committed():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, source / name)
    subprocess.run([sys.executable, "-c", BUILD, str(out)], cwd=source, check=True, capture_output=True)
    return out


def entry_points(wheel: zipfile.ZipFile) -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    (name,) = [name for name in wheel.namelist() if name.endswith(".dist-info/entry_points.txt")]
    parser.read_string(wheel.read(name).decode())
    return parser


def test_a_wheel_holds_every_file_of_the_wings_and_nothing_else(built: Path) -> None:
    (path,) = built.glob("*.whl")
    with zipfile.ZipFile(path) as wheel:
        held = {name for name in wheel.namelist() if ".dist-info/" not in name}
        licensed = [name for name in wheel.namelist() if name.endswith("/LICENSE")]
        commands = entry_points(wheel)
    assert held == {name for name in committed() if name.startswith(tuple(f"{wing}/" for wing in WINGS))}
    assert {f"{wing}/py.typed" for wing in WINGS} <= held and licensed
    for _, entry in [*commands["console_scripts"].items(), *commands["pytest11"].items()]:
        module = entry.partition(":")[0].replace(".", "/")
        assert {f"{module}.py", f"{module}/__init__.py"} & held, entry


def test_a_source_archive_builds_the_same_wheel(built: Path, tmp_path: Path) -> None:
    (archive,) = built.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        tar.extractall(tmp_path, filter="data")
    (source,) = tmp_path.iterdir()
    (tmp_path / "out").mkdir()
    subprocess.run([sys.executable, "-c", BUILD, str(tmp_path / "out")], cwd=source, check=True, capture_output=True)
    held = []
    for folder in (built, tmp_path / "out"):
        with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
            held.append({info.filename: info.CRC for info in wheel.infolist()})
    assert held[0] == held[1]


@pytest.mark.long
def test_a_wheel_installs_alone_and_its_commands_start(built: Path, tmp_path: Path) -> None:
    """Without any extra: what needs one says which, and `deploy` runs without torch."""
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as opened:
        commands = entry_points(opened)["console_scripts"]
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "env")], check=True)
    bin_ = tmp_path / "env" / "bin"
    subprocess.run([bin_ / "python", "-m", "pip", "install", "--quiet", str(wheel)], check=True, cwd=tmp_path)
    for command in commands:
        shown = subprocess.run([bin_ / command, "--help"], cwd=tmp_path, capture_output=True, text=True, check=False)
        said = shown.stdout + shown.stderr
        # ckd and export need torch, and say so in one line.
        helped = shown.returncode == 0 and "usage" in said.lower()
        assert helped or (command != "ckd-deploy" and "ckd" in said and "[train]" in said), f"{command}: {said}"
        assert "Traceback" not in said
    code = "import sys, deploy, deploy.formats.files, deploy.runners.integer; assert 'torch' not in sys.modules"
    subprocess.run([bin_ / "python", "-I", "-c", code], check=True, cwd=tmp_path)
