"""Run folders of an earlier format are read and go on as if this version had written them; unknown ones are refused."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from ckd.config import load_preset
from ckd.errors import RunError
from ckd.runs.curves import draw_curves
from ckd.runs.folder import read_config, write_config
from ckd.runs.metrics import read_metrics
from ckd.train import main, parse
from ckd.training.checkpoint import read_checkpoint
from ckd.training.pipeline import resume_run, train_run
from ckd.training.reporter import Silent
from tests.ckd.conftest import TINY

FORMAT_1 = """
format: 1
preset: mine
seed: 4
data: {dataset: digits, labels_per_class: 2}
method: {kd: phased, kd_centre: 0.3, kd_steepness: 20.0}
training: {iterations: 40}
"""


def write(folder: Path, text: str) -> Path:
    folder.mkdir()
    (folder / "config.yaml").write_text(text)
    return folder


def test_a_configuration_of_format_1_is_read_with_its_option_renamed(tmp_path: Path) -> None:
    config = read_config(write(tmp_path / "old", FORMAT_1))
    assert (config.method.kd_center, config.method.kd_steepness, config.seed) == (0.3, 20.0, 4)


def test_what_this_version_writes_is_format_2_and_knows_no_old_option(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    write_config(folder, load_preset("digits"))
    values = yaml.safe_load((folder / "config.yaml").read_text())
    assert values["format"] == 2 and values["method"]["kd_center"] == 0.5
    with pytest.raises(RunError, match="unknown key 'kd_centre'"):
        read_config(write(tmp_path / "mixed", FORMAT_1.replace("format: 1", "format: 2")))


@pytest.mark.parametrize("line", ["format: 3", "format: one", ""])
def test_a_run_folder_of_an_unknown_format_is_refused_with_a_way_out(tmp_path: Path, line: str) -> None:
    folder = write(tmp_path / "newer", FORMAT_1.replace("format: 1", line))
    with pytest.raises(RunError, match=r"newer: run folder of format .* reads formats 1 and 2; train it again"):
        read_config(folder)


def test_curves_are_drawn_of_metrics_that_say_step(tmp_path: Path) -> None:
    records = [{"stage": "student", "step": i, "loss": 1.0 / (i + 1), "event": 1.0, "P": 0, "W": 1} for i in range(4)]
    records[3] |= {"validation_accuracy": 0.5, "spike_rate": {"lif1": 0.1}}
    # The last line as an interruption leaves it.
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records) + '{"stage": "st')
    assert [record["iteration"] for record in read_metrics(tmp_path)["student"]] == [0, 1, 2, 3]
    draw_curves(tmp_path)
    assert (tmp_path / "curves.png").stat().st_size > 10_000


class Impatient(Silent):
    """Interrupts a run when the distilled student has seen so many batches."""

    def __init__(self, patience: int) -> None:
        self._patience = patience
        self._title = ""

    def stage(self, title: str, total: int | None, done: int = 0) -> None:
        self._title = title

    def advance(self, done: int) -> None:
        if self._title == "distilled student" and done == self._patience:
            raise KeyboardInterrupt


def as_format_1(run: Path) -> None:
    """What format 1 wrote where this version has other words."""
    values = yaml.safe_load((run / "config.yaml").read_text()) | {"format": 1}
    values["method"]["kd_centre"] = values["method"].pop("kd_center")
    (run / "config.yaml").write_text(yaml.safe_dump(values))
    lines = (run / "metrics.jsonl").read_text()
    (run / "metrics.jsonl").write_text(lines.replace('"iteration"', '"step"'))
    checkpoint: dict[str, Any] = torch.load(run / "checkpoint.pt", weights_only=True)
    del checkpoint["format"]
    progress = checkpoint["progress"]
    progress["step"], progress["optimiser"] = progress.pop("iteration"), progress.pop("optimizer")
    torch.save(checkpoint, run / "checkpoint.pt")


@pytest.fixture
def interrupted(tmp_path: Path) -> Path:
    """A run that was interrupted when its last checkpoint was of the third of six iterations."""
    _, config = parse([*TINY, "--no-baseline", "--checkpoint-seconds", "0"])
    with pytest.raises(KeyboardInterrupt):
        train_run(config, tmp_path / "run", reporter=Impatient(4))
    assert read_checkpoint(tmp_path / "run").progress.iteration == 3
    return tmp_path / "run"


def test_an_interrupted_run_of_format_1_goes_on_and_is_format_2_from_then_on(interrupted: Path, tiny_run: Path) -> None:
    as_format_1(interrupted)
    resume_run(interrupted)
    assert (interrupted / "student.safetensors").read_bytes() == (tiny_run / "student.safetensors").read_bytes()
    assert yaml.safe_load((interrupted / "config.yaml").read_text())["format"] == 2
    lines = (interrupted / "metrics.jsonl").read_text().splitlines()
    records = [record for record in map(json.loads, lines) if record["stage"] == "student"]
    assert [record["iteration"] for record in records] == list(range(6)) and '"step"' not in "".join(lines)


def test_a_checkpoint_of_an_unknown_format_is_refused_with_a_way_out(
    interrupted: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = interrupted / "checkpoint.pt"
    torch.save(torch.load(file, weights_only=True) | {"format": 3}, file)
    assert main(["--resume", str(interrupted)]) == 2
    said = capsys.readouterr().err
    assert f"{file}: checkpoint of format 3" in " ".join(said.split()) and "or remove the file" in said
    file.unlink()
    assert main(["--resume", str(interrupted)]) == 0


@pytest.mark.parametrize(
    "damage", [lambda whole: whole[: len(whole) // 2], lambda whole: b"", lambda whole: b"\0" * 99]
)
def test_a_damaged_checkpoint_is_one_line_with_a_way_out(
    interrupted: Path, damage: Callable[[bytes], bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    file = interrupted / "checkpoint.pt"
    file.write_bytes(damage(file.read_bytes()))
    assert main(["--resume", str(interrupted)]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()[-1:]
    assert line.startswith(f"error: {file}: damaged") and "remove it" in line
