"""The commands in the README and in the examples run as they are typed, in their order, in a copy of the examples."""

import os
import re
import subprocess
import sys
from pathlib import Path
from shutil import copytree

import pytest

from tests.builders import write_own_data

ROOT = Path(__file__).resolve().parents[1]
DATA = Path(os.environ.get("CKD_DATA", ROOT.parent / "shared" / "data")).resolve()
SECONDS = 3600
BRIEFLY = "--iterations 40 --batch 16 --warmup 4 --evaluations 2 --teacher-iterations 20 --teacher-batch 32"
"""A training budget of seconds; networks, data and all that a user types stay as they are."""
QUICK = {"06_lava_dl_net-0", "07_planted_fault-0", "08_live_stream-0", "10_new_simulator-0"}
"""Blocks of a few seconds: no training, no Lava."""


def blocks_of(path: Path) -> list[str]:
    """The fenced commands of a document; those of one fence are typed in one shell."""
    return re.findall(r"```sh\n(.*?)```", path.read_text(), re.DOTALL)


def example_blocks() -> list[object]:
    blocks = {
        f"{path.parent.name}-{number}": block
        for path in sorted((ROOT / "examples").glob("*/README.md"))
        for number, block in enumerate(blocks_of(path))
    }
    return [
        pytest.param(block, id=name, marks=[] if name in QUICK else pytest.mark.long) for name, block in blocks.items()
    ]


def need_nmnist() -> None:
    if not (DATA / "nmnist").is_dir():
        pytest.skip(f"no N-MNIST recordings in {DATA}")


def type_in(folder: Path, commands: str) -> None:
    """Type commands into a shell that stops at the first one whose exit code is not 0."""
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "XDG_CACHE_HOME": str(folder / "cache"),
    }
    done = subprocess.run(
        ["bash", "-euxc", commands],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:]


@pytest.mark.parametrize("block", example_blocks())
def test_the_commands_of_an_example_run_in_their_order(block: str, tmp_path: Path) -> None:
    copytree(ROOT / "examples", tmp_path / "examples")
    if "NMNIST/" in block:
        need_nmnist()
        (tmp_path / "NMNIST").symlink_to(DATA / "nmnist" / "NMNIST")
    if "/DATA " in block:
        need_nmnist()
        (tmp_path / "DATA").symlink_to(DATA)
    if "--cluster" in block:
        pytest.importorskip("ray", reason="the extra `cluster` is not installed")
    type_in(tmp_path, block)


def readme_blocks() -> list[object]:
    """All that a user types once the environment is there; `make demo` and `make test` are run by other means."""
    blocks = [block for block in blocks_of(ROOT / "README.md") if "make " not in block]
    return [pytest.param(block, id=str(number)) for number, block in enumerate(blocks)]


@pytest.mark.long
@pytest.mark.parametrize("block", readme_blocks())
def test_the_commands_of_the_readme_run_in_their_order(block: str, tmp_path: Path) -> None:
    if "DATA " in block:
        need_nmnist()
        (tmp_path / "DATA").symlink_to(DATA)
        (tmp_path / "recordings").symlink_to(DATA / "nmnist" / "NMNIST" / "Train")
    write_own_data(tmp_path / "MINE")
    type_in(tmp_path, re.sub("(python -m ckd.train.*?)(#|$)", rf"\1 {BRIEFLY} \2", block, flags=re.MULTILINE))


def test_every_example_and_the_readme_have_commands() -> None:
    assert len(example_blocks()) >= len(list((ROOT / "examples").iterdir())) and len(readme_blocks()) == 2


def test_the_first_command_that_fails_is_shown(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=r"ckd-deploy check absent\.nir\n.*error: absent"):
        type_in(tmp_path, "ckd-deploy check absent.nir\ntouch reached")
    assert not (tmp_path / "reached").exists()
