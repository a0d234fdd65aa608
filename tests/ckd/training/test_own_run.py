"""A run with a student and a data set from outside: trained, resumed, evaluated, and trusted only where it is named."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from ckd.errors import CkdError, ConfigError
from ckd.evaluate import evaluate
from ckd.evaluate import main as evaluate_main
from ckd.events import write_recording
from ckd.runs.folder import load_run
from ckd.runs.metrics import read_metrics
from ckd.train import main, parse
from ckd.training.pipeline import resume_run, train_run
from ckd.training.reporter import Silent
from tests.ckd.conftest import TINY
from tests.ckd.outside import DATA, STUDENT, Write, write

__all__ = ["write"]


@pytest.fixture
def outside(write: Write) -> list[str]:
    """The options that name a student and a data set from outside."""
    return ["--student", f"{write(STUDENT)}:Net", "--dataset", f"{write(DATA)}:both"]


def error_of(capsys: pytest.CaptureFixture[str]) -> str:
    said = capsys.readouterr().err.strip().splitlines()
    assert said[-1].startswith("error:") and "Traceback" not in "\n".join(said)
    return said[-1]


def test_a_run_holds_what_every_run_holds_and_is_evaluated(
    outside: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    assert main([*TINY, *outside, "--iterations", "40", "--lr", "0.01", "--out", str(out)]) == 0
    files = {"student.safetensors", "baseline.safetensors", "teacher.safetensors", "split.json", "curves.png"}
    assert files <= {path.name for path in out.iterdir()}
    assert {"conv.weight", "norm.running_mean", "classifier.bias"} <= set(load_file(out / "student.safetensors"))
    summary = json.loads((out / "summary.json").read_text())
    assert summary["classes"] == ["high", "wide"] and summary["recordings"] == {"train": 4, "validation": 4, "test": 6}
    assert summary["test_accuracy"] > 0.9 and "synaptic_operations" not in summary and summary["spike_rate"] == {}
    capsys.readouterr()
    assert evaluate_main([str(out), *outside, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["accuracy"] == summary["test_accuracy"]
    assert evaluate_main([str(out), *outside, "--baseline"]) == 0
    assert "neurons that spike" not in capsys.readouterr().out
    events = np.zeros(100, [("x", np.int16), ("y", np.int16), ("t", np.int64), ("p", np.int8)])
    events["x"], events["y"], events["t"] = 12, np.arange(100) % 20 + 3, np.arange(100) * 3000
    write_recording(tmp_path / "recordings" / "high" / "a.bin", events)
    assert evaluate_main([str(out), *outside, "--events", str(tmp_path / "recordings"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["recordings"] == 1


def test_a_dry_run_says_that_only_logits_are_distilled(outside: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*TINY, *outside, "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "logits: (4, 8, 2)" in said and "the student names no alignment_layer; only logits are distilled" in said


def test_recordings_alone_train_without_distillation(write: Write, tmp_path: Path) -> None:
    out, dataset = tmp_path / "run", f"{write(DATA)}:Bars"
    assert main([*TINY, "--dataset", dataset, "--no-distill", "--out", str(out)]) == 0
    assert load_run(out, factories=[dataset]).recordings("test")[0].shape == (6, 4, 2, 26, 26)


def test_a_student_without_batch_norm_aligns_mixes_and_averages(write: Write, tmp_path: Path) -> None:
    student = STUDENT.replace("self.norm = nn.BatchNorm2d(4)", "self.alignment_layer = 'lif'").replace("self.norm", "")
    options = ["--align-weight", "0.5", "--temporal-weights", "--ema", "0.9", "--replacement", "time-mix"]
    out = tmp_path / "run"
    own = ["--student", f"{write(student)}:Net", *options, "--batch-norm", "joint", "--precision", "bf16-mixed"]
    assert main([*TINY, *own, "--no-baseline", "--out", str(out)]) == 0
    records = read_metrics(out)["student"]
    assert all(len(record["cka"]) == 4 and max(record["cka"]) > 0.01 for record in records)


class Interrupting(Silent):
    """Ends a run at an iteration of a stage, as Ctrl-C does."""

    def __init__(self, title: str) -> None:
        self._title, self._stage = title, ""

    def stage(self, title: str, total: int | None, done: int = 0) -> None:
        self._stage = title

    def advance(self, done: int) -> None:
        if self._stage == self._title and done == 9:
            raise KeyboardInterrupt


@pytest.mark.parametrize("stage", ["distilled student", "undistilled student"])
def test_an_interrupted_run_goes_on_to_the_same_weights(stage: str, outside: list[str], tmp_path: Path) -> None:
    whole, broken, names = tmp_path / "whole", tmp_path / "broken", outside[1::2]
    _, config = parse([*TINY, *outside, "--iterations", "14", "--ema", "0.9", "--checkpoint-seconds", "0"])
    train_run(config, whole)
    with pytest.raises(KeyboardInterrupt):
        train_run(config, broken, reporter=Interrupting(stage))
    assert (broken / "checkpoint.pt").is_file() and not (broken / "summary.json").exists()
    with pytest.raises(ConfigError, match=f"names {names[0]} and {names[1]}, code .* --student {names[0]} --"):
        resume_run(broken)
    resume_run(broken, factories=names)
    for name in ("student.safetensors", "baseline.safetensors", "metrics.jsonl"):
        assert (broken / name).read_bytes() == (whole / name).read_bytes(), name


def test_the_command_says_how_an_interrupted_run_goes_on_and_it_does(
    outside: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(reporter: Any, done: int) -> None:
        raise KeyboardInterrupt

    out = tmp_path / "run"
    with monkeypatch.context() as patch:
        patch.setattr("ckd.console.RichReporter.advance", interrupt)
        assert main([*TINY, *outside, "--no-distill", "--out", str(out)]) == 130
    command = f"python -m ckd.train --resume {out} {' '.join(outside)}"
    assert f"interrupted; continue with: {command}" in " ".join(capsys.readouterr().err.split())
    assert main(["--resume", str(out), *outside, "--seed", "1"]) == 2
    assert "no other option" in error_of(capsys)
    assert main(command.split()[3:]) == 0 and (out / "summary.json").is_file()


@pytest.fixture
def strange(outside: list[str], tmp_path: Path) -> Iterator[Path]:
    """Somebody's finished run; its code would leave a file behind where it is imported."""
    out = tmp_path / "strange"
    assert main([*TINY, *outside, "--no-distill", "--out", str(out)]) == 0
    for name in (name.split(":")[0] for name in outside[1::2]):
        del sys.modules[name]
        file = Path(f"{name}.py")
        file.write_text(f"open('{name}-ran', 'w').close()\n{file.read_text()}")
    yield out


def test_no_code_of_a_strangers_run_is_imported_unless_it_is_named(
    outside: list[str], strange: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    student, data = outside[:2], outside[2:]
    for command, given in ((evaluate_main, []), (evaluate_main, student), (evaluate_main, data)):
        assert command([str(strange), *given]) == 2
        missing = [data[1]] if given == student else [student[1]] if given == data else [student[1], data[1]]
        said = error_of(capsys)
        assert f"names {' and '.join(missing)}, code that is no part of ckd" in said
        assert f"say so by {' '.join(outside)}" in said
    (strange / "summary.json").rename(strange / "kept")
    assert main(["--resume", str(strange)]) == 2 and "code that is no part of ckd" in error_of(capsys)
    (strange / "kept").rename(strange / "summary.json")
    with pytest.raises(ConfigError, match="code that is no part of ckd"):
        load_run(strange)
    assert not list(Path().glob("*-ran"))
    assert evaluate(strange, events=None, factories=outside[1::2])["recordings"] == 6
    assert len(list(Path().glob("*-ran"))) == 2


def test_a_run_is_not_given_other_code_than_its_own(
    outside: list[str], strange: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluate_main([str(strange), *outside, "--student", "other.module:make"]) == 2
    assert "names outside" in error_of(capsys)
    with pytest.raises(ConfigError, match=r"not with other\.module:make; where it has moved"):
        load_run(strange, factories=[*outside[1::2], "other.module:make"])
    Path(f"{outside[1].split(':')[0]}.py").unlink()
    assert evaluate_main([str(strange), *outside]) == 2
    assert f"--student {outside[1]}: there is no module" in error_of(capsys)


def test_weights_of_another_student_are_refused(outside: list[str], strange: Path) -> None:
    file = Path(f"{outside[1].split(':')[0]}.py")
    file.write_text(file.read_text().replace("4, 3, stride=3", "4, 3, stride=3, bias=False"))
    with pytest.raises(CkdError, match="do not fit the network that"):
        load_run(strange, factories=outside[1::2])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        # The spikes of snnTorch are float32 in every precision.
        (
            ["--student", "MINE:Net", "--precision", "64-true"],
            "it raised RuntimeError: mat1 and mat2 must have the same",
        ),
        (["--student", "absent_module:make"], "--student absent_module:make: there is no module absent_module"),
        (["--student", "MINE:fails"], "--student MINE:fails: raised ZeroDivisionError: division by zero"),
        (["--student", "MINE:number"], "--student MINE:number: is a int"),
        (["--student", "MINE:nothing"], "returned a NoneType; it must return a torch.nn.Module"),
        (["--student", "clever"], "--student clever: unknown"),
        (["--dataset", "absent_module:make"], "--dataset absent_module:make: there is no module absent_module"),
        (["--dataset", "MINE:fails"], "--dataset MINE:fails: raised ZeroDivisionError"),
        (["--dataset", "MINE:nothing"], "returned a NoneType as recordings"),
        (["--dataset", "MINE:fails", "--dry-run"], "--dataset MINE:fails: raised ZeroDivisionError"),
    ],
)
def test_bad_code_gives_one_line_and_leaves_nothing(
    options: list[str], said: str, write: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = write(f"{STUDENT}\n    number = 3\n    def fails(): return 1 / 0\n    def nothing(): ...")
    out = tmp_path / "run"
    assert main([*TINY, *(word.replace("MINE", name) for word in options), "--out", str(out)]) == 2
    assert said.replace("MINE", name) in error_of(capsys) and not out.exists()


@pytest.mark.long
def test_the_command_finds_both_in_the_current_folder(outside: list[str], tmp_path: Path) -> None:
    command = [sys.executable, "-m", "ckd.train", *TINY, *outside, "--no-distill", "--out", str(tmp_path / "run")]
    subprocess.run(command, check=True, capture_output=True)
    assert (tmp_path / "run" / "summary.json").is_file()
