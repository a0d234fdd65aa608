"""Commands killed with SIGKILL before any of their operations on files, and at random moments.

What lies there then is whole, a model and its trace belong together, and a run goes on as if nothing had happened.
"""

import json
import os
import random
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import onnx
import pytest

from deploy.checking.check import check
from deploy.formats.files import load
from deploy.traces.trace import load_trace
from tests.ends.conftest import CHECK, COMPILE, EXPORT, ONNX, REPORT, TRAIN, World, hidden, leave_one
from tests.ends.forks import Ended

WEIGHTS = ("teacher.safetensors", "student.safetensors", "baseline.safetensors", "split.json", "config.yaml")
COMMANDS = {"export": (EXPORT, 48), "onnx": (ONNX, 34), "compile": (COMPILE, 36), "report": (REPORT, 20)}
"""A command and how often it is killed; with 8 checks and 60 trainings more than 200."""
TRAININGS = 60
RESUMED = 10
"""So many kills, one after the other, may a training meet."""


def killed(world: World, command: list[str], folder: Path, number: int, operations: int) -> Ended:
    """Kill a command for the number-th time: three in four before a file operation, in turn, others from outside."""
    if number % 4 != 3:
        at = 1 + (number - number // 4) % operations
        return world.forks.run(command, folder=folder, kill_at=at)
    rng, before = random.Random(number), set(_names(folder))
    started = world.forks.start(command, folder=folder)
    end = time.monotonic() + 60
    while time.monotonic() < end and not any(".tmp." in name for name in set(_names(folder)) - before):
        time.sleep(0.0005)
    time.sleep(rng.random() * 0.01)
    os.kill(started.process, signal.SIGKILL)
    return started.wait()


def _names(folder: Path) -> list[str]:
    return os.listdir(folder) if folder.is_dir() else []  # noqa: PTH208


def require_whole(folder: Path) -> None:
    """Whatever bears a file's own name is a whole file, and models belong to their traces."""
    for path in folder.iterdir():
        if path.name.startswith("."):
            continue
        if path.suffix == ".html":
            page = path.read_text()
            assert page.startswith("<!doctype html>") and page.rstrip().endswith("</html>"), path
        elif path.suffix == ".trace":
            assert all(layer.output.any() or layer.is_readout for layer in load_trace(path).layers.values()), path
        elif path.name == "teacher.onnx":
            onnx.checker.check_model(str(path), full_check=True)
        else:
            load(path)
    for name in ("x.nir", "x.onnx"):
        model = folder / name
        if model.exists() and model.with_suffix(".trace").exists():
            checked = check(model, on="onnx" if model.suffix == ".onnx" else "integer")
            assert checked.equal and not checked.of_another_model, model


@pytest.mark.long
@pytest.mark.parametrize("name", COMMANDS)
def test_what_a_killed_command_leaves_is_whole(name: str, world: World, filled: Callable[[], Path]) -> None:
    words, times = COMMANDS[name]
    out = filled()
    if name != "report":
        leave_one(out, onnx=name == "onnx")
    whole = world.forks.start(world.command(words, out), folder=out)
    assert whole.wait().code == 0
    codes = []
    for number in range(times):
        more = ["--weight-bits", "48"[number % 2]] if name != "report" else []
        codes.append(killed(world, world.command(words, out, *more), out, number, whole.operations).code)
        require_whole(out)
    assert codes.count(-signal.SIGKILL) >= 0.9 * times, codes
    assert world.forks.run(world.command(words, out), folder=out).code == 0
    require_whole(out)
    assert hidden(out) == []


@pytest.mark.long
def test_a_killed_check_leaves_everything_as_it_was(world: World, filled: Callable[[], Path]) -> None:
    out = filled()
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    for number in range(8):
        killed(world, world.command(CHECK, out), out, number, 5)
        assert before == {name: (out / name).read_bytes() for name in before}
    assert world.forks.run(world.command(CHECK, out), folder=out).code == 0
    assert hidden(out) == []


@pytest.mark.long
def test_a_training_that_is_killed_again_and_again_ends_as_if_it_had_not_been(world: World, tmp_path: Path) -> None:
    out, kills, chain = tmp_path / "run", 0, 0
    while kills < TRAININGS:
        shutil.rmtree(out, ignore_errors=True)
        code = 0
        for number in range(RESUMED):
            at = 1 + (kills * 7 + number) % 80
            ended = world.forks.run(_training(out), folder=out, kill_at=at)
            code = ended.code
            kills += code == -signal.SIGKILL
            assert code in (0, -signal.SIGKILL), ended.stderr
            if code == 0:
                break
        if not (out / "summary.json").is_file():
            ended = world.forks.run(_training(out), folder=out)
            assert ended.code == 0, ended.stderr
        elif code:  # killed behind its last rename: what it left is cleared by the next command there
            assert world.forks.run(["export.cli", str(out)], folder=out).code == 0
        chain += 1
        assert hidden(out) == []
        for name in WEIGHTS:
            assert (out / name).read_bytes() == (world.run / name).read_bytes(), (name, chain)
        assert (out / "metrics.jsonl").read_text() == (world.run / "metrics.jsonl").read_text()
        results = [json.loads((run / "summary.json").read_text()) | {"seconds": 0} for run in (out, world.run)]
        assert results[0] == results[1]


def _training(out: Path) -> list[str]:
    """The command that begins a run, or goes on with it."""
    begun = (out / "config.yaml").is_file()
    return ["ckd.train", "--resume", str(out)] if begun else [*TRAIN, "--out", str(out)]
