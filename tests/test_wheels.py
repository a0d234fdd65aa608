"""What is uploaded: a wheel and a source archive that hold the files of the three wings, and nothing else."""

import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.distribution import build, committed, copy_source, entry_points

WINGS = ("ckd", "export", "deploy")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy; the source archive lies beside it."""
    return build(copy_source(tmp_path_factory.mktemp("source")), tmp_path_factory.mktemp("dist"))


def test_a_wheel_holds_every_file_of_the_wings_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as opened:
        held = {name for name in opened.namelist() if ".dist-info/" not in name}
        licensed = [name for name in opened.namelist() if name.endswith("/LICENSE")]
    commands = entry_points(wheel)
    assert held == {name for name in committed() if name.startswith(tuple(f"{wing}/" for wing in WINGS))}
    assert {f"{wing}/py.typed" for wing in WINGS} <= held and licensed
    for _, entry in [*commands["console_scripts"].items(), *commands["pytest11"].items()]:
        module = entry.partition(":")[0].replace(".", "/")
        assert {f"{module}.py", f"{module}/__init__.py"} & held, entry


def test_a_source_archive_builds_the_same_wheel(wheel: Path, tmp_path: Path) -> None:
    (archive,) = wheel.parent.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        tar.extractall(tmp_path, filter="data")
    (source,) = tmp_path.iterdir()
    held = []
    for path in (wheel, build(source, tmp_path / "out")):
        with zipfile.ZipFile(path) as opened:
            held.append({info.filename: info.CRC for info in opened.infolist()})
    assert held[0] == held[1]
