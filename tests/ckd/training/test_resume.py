"""An interrupted run, continued, ends with the very weights of one that was not interrupted."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from ckd.train import main
from tests.ckd.conftest import TINY

BUDGET = [
    *TINY, "--iterations", "40", "--ema", "0.9", "--align-weight", "0.5", "--temporal-weights",
    "--replacement", "sliding", "--checkpoint-seconds", "0",
]  # fmt: skip
FILES = ("teacher.safetensors", "student.safetensors", "baseline.safetensors", "split.json")


@pytest.mark.parametrize(
    ("stage", "precision"),
    [
        ("student", "32-true"),
        ("baseline", "64-true"),
        pytest.param("student", "64-true", marks=pytest.mark.long),
        pytest.param("baseline", "32-true", marks=pytest.mark.long),
    ],
)
def test_killed_and_resumed_training_gives_bit_identical_weights(stage: str, precision: str, tmp_path: Path) -> None:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    command = [sys.executable, "-m", "ckd.train"]
    budget = [*BUDGET, "--precision", precision]
    subprocess.run([*command, *budget, "--out", str(whole)], check=True, env=environment, capture_output=True)

    process = subprocess.Popen([*command, *budget, "--out", str(broken)], env=environment, stderr=subprocess.DEVNULL)
    metrics = broken / "metrics.jsonl"
    deadline = time.monotonic() + 240
    while not metrics.is_file() or metrics.read_text().count(f'"stage": "{stage}"') < 20:
        assert process.poll() is None and time.monotonic() < deadline, "ended before it could be killed"
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (broken / "summary.json").exists()
    assert (broken / "checkpoint.pt").is_file()

    resumed = [*command, "--resume", str(broken)]
    subprocess.run(resumed, check=True, env=environment, capture_output=True)
    for name in FILES:
        assert (broken / name).read_bytes() == (whole / name).read_bytes(), name
    assert _records(broken) == _records(whole)
    assert _accuracies(broken) == _accuracies(whole)
    assert not (broken / "checkpoint.pt").exists()


def _records(run: Path) -> list[str]:
    return (run / "metrics.jsonl").read_text().splitlines()


def _accuracies(run: Path) -> dict[str, Any]:
    summary = json.loads((run / "summary.json").read_text())
    return {name: value for name, value in summary.items() if name != "seconds"}


def test_an_unfinished_run_says_how_to_go_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from ckd.config import load_preset
    from ckd.runs.folder import write_config

    out = tmp_path / "unfinished"
    out.mkdir()
    write_config(out, load_preset("digits"))
    assert main([*TINY, "--out", str(out)]) == 2
    assert "--resume" in capsys.readouterr().err


def test_resume_takes_no_other_option(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--resume", str(tmp_path), "--seed", "3"]) == 2
    assert "no other option" in capsys.readouterr().err
