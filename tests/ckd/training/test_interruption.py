"""A run that is told to end, by whichever signal, loses nothing and says how it goes on; what it shows and leaves."""

import csv
import json
import os
import signal
import stat
from pathlib import Path
from typing import Any

import pytest

from ckd.console import RichReporter
from ckd.files import Interrupted, Interruption
from ckd.train import main
from tests.ckd.conftest import TINY

BUDGET = [*TINY, "--iterations", "8", "--ema", "0.9", "--teacher-iterations", "8", "--contrastive", "8"]
WEIGHTS = ("teacher.safetensors", "contrastive.safetensors", "student.safetensors", "baseline.safetensors")
FILES = (*WEIGHTS, "split.json", "metrics.jsonl")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "whole"
    assert main([*BUDGET, "--out", str(out)]) == 0
    return out


@pytest.mark.parametrize(
    ("stage", "number"),
    [
        ("teacher", signal.SIGTERM),
        ("student without labels", signal.SIGTERM),
        ("distilled student", signal.SIGHUP),
        ("undistilled student", signal.SIGINT),
    ],
)
def test_a_run_that_is_told_to_end_goes_on_to_the_same_weights(
    stage: str, number: int, whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    def figures(reporter: RichReporter, record: dict[str, Any]) -> None:
        if reporter._title == stage and record["iteration"] == 4:  # pyright: ignore[reportPrivateUsage]
            os.kill(os.getpid(), number)

    out = tmp_path / "my run"
    before = [signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)]
    with monkeypatch.context() as patch:
        patch.setattr("ckd.console.RichReporter.figures", figures)
        assert main([*BUDGET, "--out", str(out)]) == 128 + number
    assert [signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)] == before
    last = capsys.readouterr().err.splitlines()[-1]
    assert last == f"interrupted; continue with: python -m ckd.train --resume '{out}'"
    assert (out / "checkpoint.pt").is_file() and not (out / "summary.json").exists()
    lines = (out / "metrics.jsonl").read_text().splitlines()
    assert json.loads(lines[-1])["iteration"] == 4  # that iteration was not lost
    assert main(["--resume", str(out)]) == 0
    for name in FILES:
        assert (out / name).read_bytes() == (whole / name).read_bytes(), name


def test_a_second_signal_does_not_wait_and_an_ignored_one_stays_so() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with pytest.raises(Interrupted) as caught, Interruption() as interruption, interruption.deferred() as asked:
            os.kill(os.getpid(), signal.SIGHUP)
            assert not asked()
            os.kill(os.getpid(), signal.SIGTERM)
            assert asked()
            os.kill(os.getpid(), signal.SIGTERM)
            raise AssertionError("the second signal waited, too")
    finally:
        signal.signal(signal.SIGHUP, before)
    assert caught.value.code == 128 + signal.SIGTERM


def test_without_a_terminal_a_run_says_in_lines_how_far_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*TINY, "--no-baseline", "--out", str(tmp_path / "run")]) == 0
    lines = capsys.readouterr().err.splitlines()
    assert "teacher: 5 iterations" in lines and "distilled student: 6 iterations" in lines
    assert any(line.startswith("teacher 5/5, loss ") and line.endswith(" s left") for line in lines)
    measured = [line for line in lines if line.startswith("distilled student 3/6, loss ")]
    assert len(measured) == 1 and "validation_accuracy 0." in measured[0] and "validation_loss" in measured[0]


def test_the_metrics_are_also_a_table(whole: Path) -> None:
    records = [json.loads(line) for line in (whole / "metrics.jsonl").read_text().splitlines()]
    with (whole / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["stage"] for row in rows] == [record["stage"] for record in records]
    assert {row["stage"] for row in rows} == {"teacher", "contrastive", "student", "baseline"}
    for row, record in zip(rows, records, strict=True):
        assert float(row["loss"]) == record["loss"]
    assert float(rows[-1]["validation_accuracy_per_step/3"]) == records[-1]["validation_accuracy_per_step"][3]


def test_what_a_run_leaves_is_readable_as_the_user_has_it(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        assert main([*TINY, "--out", str(tmp_path / "run")]) == 0
    finally:
        os.umask(before)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "run").iterdir()}
    assert len(modes) >= 8 and set(modes.values()) == {0o640}, modes


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--teacher", "timm:nothing-of-that-name"], "timm"),
        (["--teacher", "torchvision:nothing-of-that-name"], "torchvision"),
        (["--teacher", "vgg99"], "vgg99"),
        (["--teacher-file", "nowhere.safetensors"], "nowhere.safetensors"),
        (["--accelerator", "cuda"], "not on this machine"),
        (["--size", "20002"], "--size 20002"),
        (["--batch", "10000000"], "--batch 10000000"),
        (["--time-steps", "100000000"], "--time-steps 100000000"),
        (["--widths", "16-AP-100000000"], "--widths"),
        (["--widths", "16-PA"], "'PA'"),
        (["--batch", "32", "--event-share", "0.001"], "--event-share"),
        (["--out", "taken"], "taken"),
    ],
)
@pytest.mark.parametrize("how", [[], ["--dry-run"]], ids=["run", "dry run"])
def test_what_cannot_be_run_is_refused_before_data_is_read(
    options: list[str], said: str, how: list[str], tmp_path: Path, monkeypatch: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    def read(*_: object, **__: object) -> None:
        raise AssertionError("data was read")

    import torch

    if options[0] == "--accelerator" and torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "taken").write_text("mine")
    monkeypatch.setattr("ckd.data.fitting.open_source", read)
    monkeypatch.setattr("ckd.data.material.open_source", read)
    assert main([*options, *how]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1 and said in error
    assert sorted(path.name for path in tmp_path.iterdir()) == ["taken"]


def test_a_dry_run_asks_no_more_than_a_run(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([*TINY, "--dry-run"]) == 0
    shown = capsys.readouterr().out
    assert "train recordings: 20" in shown and "memory of an iteration: at least" in shown
    assert not list(tmp_path.iterdir())
