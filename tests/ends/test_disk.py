"""A disk that is full after so and so many bytes: one line that says what was needed, nothing half, nothing lost."""

import os
import re
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ckd.runs.folder import is_run
from tests.ends.conftest import CHECK, COMPILE, EXPORT, ONNX, REPORT, TRAIN, World, hidden, leave_one
from tests.ends.forks import Ended

SIZES = 30
PAGE = 4096
DISK = 64 << 20
COMMANDS = {"export": EXPORT, "onnx": ONNX, "compile": COMPILE, "check": CHECK, "report": REPORT}


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no file system can be mounted here: run as root")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def free(folder: Path) -> int:
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize


@contextmanager
def only(size: int, disk: Path) -> Iterator[None]:
    """Inside, so many bytes are free."""
    ballast = disk / "ballast"
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, free(disk) - size)
    assert free(disk) == size
    try:
        yield
    finally:
        ballast.unlink()


@contextmanager
def watched(disk: Path) -> Iterator[list[int]]:
    """The most bytes that are taken inside, in a list, beyond those that are taken now."""
    before, most, done = free(disk), [0], threading.Event()

    def watch() -> None:
        while not done.wait(0.0003):
            most[0] = max(most[0], before - free(disk))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield most
    finally:
        done.set()
        thread.join()


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def error_of(ended: Ended) -> str:
    """The line that says what is wrong; what a bar of progress showed stands before it."""
    assert ended.code == 2, (ended.code, ended.stderr)
    assert "Traceback" not in ended.stderr
    *_, last = ended.stderr.splitlines()
    assert last.startswith("error: ") and ended.stderr.count("error") == 1, ended.stderr
    assert re.search(r"no space left on device: (more than )?[\d,]+ bytes are to be written and [\d,]+ are free", last)
    return last


def sizes(need: int) -> list[int]:
    """From 0 to what is needed."""
    return [round(need * i / (SIZES - 1) / PAGE) * PAGE for i in range(SIZES)]


@pytest.mark.long
@pytest.mark.parametrize("name", COMMANDS)
def test_what_lies_there_stays_where_the_disk_is_too_small(
    name: str, world: World, filled: Callable[[], Path], disk: Path
) -> None:
    out, command, template = disk / "out", world.command(COMMANDS[name], disk / "out"), filled()
    if name in ("export", "compile", "onnx"):
        leave_one(template, onnx=name == "onnx")
    shutil.copytree(template, out)
    with watched(disk) as most:
        assert world.forks.run(command, folder=out).code == 0
    need = -(-most[0] // PAGE) * PAGE + PAGE
    refused = []
    for size in sizes(need):
        shutil.rmtree(out)
        shutil.copytree(template, out)
        before = contents(out)
        with only(size, disk):
            ended = world.forks.run(command, folder=out)
            if ended.code:
                refused.append(size)
                assert str(out) in error_of(ended)
                assert contents(out) == before
            assert hidden(out) == []
    assert refused == sizes(need)[: len(refused)]  # what fits in less fits in more
    assert (not refused) if name == "check" else 0 < len(refused) < SIZES
    print(f"{name}: {need:,} bytes needed, refused up to {max(refused, default=0):,}, done from there on")


@pytest.mark.long
def test_a_training_loses_nothing_where_the_disk_is_too_small(world: World, disk: Path) -> None:
    out = disk / "run"
    with watched(disk) as most:
        assert world.forks.run([*TRAIN, "--out", str(out)], folder=disk).code == 0
    need = -(-most[0] // PAGE) * PAGE + PAGE
    refused = []
    for i, size in enumerate(sizes(need)):
        shutil.rmtree(out)
        with only(size, disk):
            ended = world.forks.run([*TRAIN, "--out", str(out)], folder=disk)
            if ended.code:
                refused.append(size)
                assert str(out) in error_of(ended)
                assert not out.exists() or (is_run(out) and hidden(out) == [])
        if ended.code and out.exists() and i % 4 == 3:
            ended = world.forks.run(["ckd.train", "--resume", str(out)], folder=disk)
            assert ended.code == 0, ended.stderr
        if ended.code == 0:
            for name in ("student.safetensors", "baseline.safetensors", "metrics.jsonl", "config.yaml"):
                assert (out / name).read_bytes() == (world.run / name).read_bytes(), name
        else:
            out.mkdir(exist_ok=True)
    assert 0 < len(refused) < SIZES
    print(f"train: {need:,} bytes needed, refused up to {max(refused):,}, done from there on")
