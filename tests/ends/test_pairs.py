"""Two commands started into one folder: one goes on, and the other says in one line which process is there."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.checking.check import check
from tests.ends.conftest import CHECK, COMPILE, EXPORT, ONNX, REPORT, TRAIN, World, hidden, leave_one

RUN = ["deploy.cli", "run", "OUT/x.nir", "--trace", "OUT/y.trace"]
OTHER = ["export.cli", "RUN", "-o", "OUT/x.nir", "--weight-bits", "6"]
TRAINING = [*TRAIN, "--out", "OUT/run"]
OVERWRITE = [*TRAINING, "--overwrite", "--seed", "1"]
RESUME = ["ckd.train", "--resume", "OUT/run"]
OF_RUN = ["export.cli", "OUT/run"]
PAIRS = {
    "two exports": (EXPORT, EXPORT),
    "two exports of other bits": (EXPORT, OTHER),
    "export and compile": (EXPORT, COMPILE),
    "compile and export": (COMPILE, EXPORT),
    "two compiles": (COMPILE, COMPILE),
    "two reports": (REPORT, REPORT),
    "check and export": (CHECK, EXPORT),
    "export and check": (EXPORT, CHECK),
    "check and compile": (CHECK, COMPILE),
    "compile and check": (COMPILE, CHECK),
    "report and export": (REPORT, EXPORT),
    "export and report": (EXPORT, REPORT),
    "report and compile": (REPORT, COMPILE),
    "two runs into one trace": (RUN, RUN),
    "two exports to onnx": (ONNX, ONNX),
    "two trainings": (TRAINING, TRAINING),
    "two trainings that overwrite": (OVERWRITE, OVERWRITE),
    "two resumed trainings": (RESUME, RESUME),
    "an export and a training of one run": (OF_RUN, OVERWRITE),
    "a training and an export of one run": (OVERWRITE, OF_RUN),
}


def place(out: Path, words: list[str], world: World) -> None:
    """What the pairs that concern a run find there."""
    if words in (OVERWRITE, RESUME, OF_RUN):
        (out / "run").mkdir()
        for path in world.run.iterdir():
            (out / "run" / path.name).write_bytes(path.read_bytes())
    if words == RESUME:
        (out / "run" / "summary.json").unlink()
        (out / "run" / "student.safetensors").unlink()


@pytest.mark.long
@pytest.mark.parametrize("pair", PAIRS)
def test_of_two_commands_in_one_folder_one_goes_on(pair: str, world: World, filled: Callable[[], Path]) -> None:
    """The first is stopped as soon as it holds a lock, so that the second is sure to meet it."""
    one, other = PAIRS[pair]
    out = filled()
    leave_one(out, onnx="onnx" in pair)
    place(out, one, world)
    first = world.forks.start(world.command(one, out), folder=out)
    stop_when_it_holds(first.process, out)
    second = world.forks.run(world.command(other, out), folder=out)
    os.kill(first.process, signal.SIGCONT)
    ended = first.wait()
    assert ended.code == 0, ended.stderr
    assert second.code == 2 and second.is_one_line, second.stderr
    assert f"process {first.process} on " in second.stderr
    assert hidden(out) == []
    if (out / "x.nir").exists():
        checked = check(out / "x.nir")
        assert checked.equal and not checked.of_another_model


@pytest.mark.long
@pytest.mark.parametrize("pair", PAIRS)
def test_two_commands_at_once_never_mix(pair: str, world: World, filled: Callable[[], Path]) -> None:
    """Nobody is stopped: they may also miss each other, and then both are done."""
    one, other = PAIRS[pair]
    out = filled()
    leave_one(out, onnx="onnx" in pair)
    place(out, one, world)
    both = [world.forks.start(world.command(words, out), folder=out) for words in (one, other)]
    ended = [started.wait() for started in both]
    codes = [end.code for end in ended]
    assert 0 in codes and set(codes) <= {0, 2}, ended
    print(pair, codes, [end.stderr for end in ended if end.code])
    assert all(end.is_one_line for end in ended if end.code), ended
    assert hidden(out) == []
    if (out / "x.nir").exists():
        checked = check(out / "x.nir")
        assert checked.equal and not checked.of_another_model


def stop_when_it_holds(process: int, folder: Path) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        # A report holds its page first, and what it reads behind that.
        for lock in (*folder.rglob(".*.trace.held"), *folder.rglob(".training")):
            if f"process {process} " in lock.read_text():
                os.kill(process, signal.SIGSTOP)
                return
        time.sleep(0.0005)
    raise AssertionError("no lock was taken")
