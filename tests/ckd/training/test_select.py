"""A recipe is chosen by validation recordings, every trial is written down, and the test is opened once."""

import json
from pathlib import Path

import pytest

from benchmarks.select import Options, select
from ckd.errors import ConfigError
from ckd.evaluate import evaluate
from ckd.runs.folder import load_run
from ckd.training.measure import measure

PRESET = """
data: {size: 26, time_steps: 4, step_us: 80000, labels_per_class: 2, validation_per_class: 2, test_per_class: 3}
student: {widths: 4-AP-8-AP}
teacher: {teacher_iterations: 5, teacher_batch: 16}
training: {iterations: 6, batch: 8, warmup: 2, evaluations: 2}
"""


@pytest.fixture
def options(tmp_path: Path) -> Options:
    preset = tmp_path / "tiny.yaml"
    preset.write_text(PRESET)
    candidates = ("default", "slow:lr=0.00001")
    return Options(preset=str(preset), labels="2", seeds=(0,), candidates=candidates, out=tmp_path / "out")


def test_the_choice_is_by_validation_and_the_test_is_opened_once(options: Options, tmp_path: Path) -> None:
    result = select(options)
    assert json.loads((options.out / "select.json").read_text()) == result
    assert "test" not in result and list(result["trials"]) == ["default-seed0", "slow-seed0"]
    scores = {}
    for trial, record in result["trials"].items():
        run = load_run(options.out / trial)
        assert not [name for name in run.summary if "accuracy" in name], "nobody has looked at the test"
        frames, labels, _ = run.recordings("validation")
        measured = measure(run.student, frames, labels)
        assert (measured.accuracy, measured.loss) == (record["validation_accuracy"], record["validation_loss"])
        scores[record["candidate"]] = (measured.accuracy, -measured.loss)
    assert len(set(scores.values())) == 2 and result["chosen"] == max(scores, key=lambda name: scores[name])

    before = {path: path.stat().st_mtime_ns for path in options.out.glob("*/student.safetensors")}
    opened = select(Options(**{**vars(options), "open_test": True}))
    assert opened["trials"] == result["trials"] and opened["chosen"] == result["chosen"]
    assert before == {path: path.stat().st_mtime_ns for path in options.out.glob("*/student.safetensors")}
    expected = {f"{name}-seed0" for name in (result["chosen"], "default")}
    assert opened["test"] == {trial: evaluate(options.out / trial, events=None)["accuracy"] for trial in expected}
    with pytest.raises(ConfigError, match="its test was opened"):
        select(Options(**{**vars(options), "candidates": ("default", "each")}))
    with pytest.raises(ConfigError, match="of another recipe"):
        select(Options(**{**vars(options), "candidates": ("default", "slow:lr=0.1")}))


@pytest.mark.parametrize(
    ("candidate", "message"),
    [("fast", "unknown; known are"), ("a/b:lr=1", "a name has letters"), ("a:lr", "KEY=VALUE")],
)
def test_a_candidate_that_cannot_be_read_is_named(options: Options, candidate: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        select(Options(**{**vars(options), "candidates": (candidate,)}))
    assert not options.out.exists()
