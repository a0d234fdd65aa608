"""What the training command leaves behind, and what it says when it cannot."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from ckd.errors import RunError
from ckd.evaluate import main as evaluate_main
from ckd.events import write_recording
from ckd.runs.folder import load_run
from ckd.train import main
from tests.ckd.conftest import TINY


def test_a_run_folder_holds_everything_that_the_design_names(tiny_run: Path) -> None:
    expected = {
        "config.yaml", "split.json", "student.safetensors", "baseline.safetensors", "teacher.safetensors",
        "metrics.jsonl", "summary.json",
    }  # fmt: skip
    assert expected <= {path.name for path in tiny_run.iterdir()}
    summary = json.loads((tiny_run / "summary.json").read_text())
    for key in ("test_accuracy", "baseline_test_accuracy", "teacher_accuracy"):
        assert 0 <= summary[key] <= 1
    assert summary["seconds"] > 0 and summary["seed"] == 0 and "torch" in summary["versions"]


def test_a_run_reads_back_as_it_was_trained(tiny_run: Path) -> None:
    run = load_run(tiny_run)
    frames, labels, names = run.recordings("test")
    frames = frames[:]
    assert frames.shape == (30, 4, 2, 26, 26) and frames.dtype == np.uint8 and frames.max() == 1
    assert labels.dtype == np.int64 and len(names) == 30 and set(names) == set(run.split.test)
    assert not run.student.training
    with torch.no_grad():
        logits = run.student(torch.from_numpy(frames).transpose(0, 1).float()).logits
    accuracy = (logits.sum(0).argmax(1).numpy() == labels).mean()
    assert accuracy == pytest.approx(run.summary["test_accuracy"])


def test_validation_and_test_images_are_seen_by_nobody_in_training(tiny_run: Path) -> None:
    from ckd.data.sources import open_source
    from ckd.data.split import training_stills

    run = load_run(tiny_run)
    source = open_source(run.config.data)
    images = {part: set(source.image_ids[run.split.rows(part, source)]) for part in ("train", "validation", "test")}
    stills = set(training_stills(source.stills(), source, run.split).image_ids)
    held_out = images["validation"] | images["test"]
    assert len(images["train"]) == 20 and len(held_out) == 50
    assert not held_out & images["train"] and not images["validation"] & images["test"]
    assert not held_out & stills and len(stills) == 1797 - 50


def test_metrics_tell_every_term_of_every_iteration(tiny_run: Path) -> None:
    records = [json.loads(line) for line in (tiny_run / "metrics.jsonl").read_text().splitlines()]
    student = [record for record in records if record["stage"] == "student"]
    assert [record["iteration"] for record in student] == list(range(6))
    assert {"loss", "event", "static", "kd", "P", "W", "lr"} <= set(student[0])
    assert {"validation_accuracy", "validation_accuracy_per_step", "spike_rate"} <= set(student[-1])


def test_the_same_seed_trains_the_same_weights(tiny_run: Path, tmp_path: Path) -> None:
    assert main([*TINY, "--out", str(tmp_path / "again")]) == 0
    for name in ("student", "baseline", "teacher"):
        assert (tmp_path / "again" / f"{name}.safetensors").read_bytes() == (
            tiny_run / f"{name}.safetensors"
        ).read_bytes()


def test_without_distillation_only_the_student_is_trained(tmp_path: Path) -> None:
    out = tmp_path / "alone"
    assert main([*TINY, "--no-distill", "--out", str(out)]) == 0
    summary = json.loads((out / "summary.json").read_text())
    assert "baseline_test_accuracy" not in summary and not (out / "teacher.safetensors").exists()
    assert load_run(out).summary["test_accuracy"] == summary["test_accuracy"]


def test_curves_are_drawn_into_the_run_folder(tiny_run: Path) -> None:
    from matplotlib.image import imread

    picture = imread(tiny_run / "curves.png")
    assert picture.shape[0] > 300 and picture.std() > 0.05


def test_tensorboard_gets_every_number_of_the_metrics(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="tensorboard is an extra")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    out = tmp_path / "watched"
    assert main([*TINY, "--no-distill", "--tensorboard", "--out", str(out)]) == 0
    events = EventAccumulator(str(out / "tensorboard" / "student"))
    events.Reload()
    records = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    logged = {scalar.step: scalar.value for scalar in events.Scalars("loss")}
    assert logged == pytest.approx({record["iteration"]: record["loss"] for record in records})
    assert {"spike_rate/lif1", "validation_accuracy_per_step/3", "synaptic_operations"} <= set(events.Tags()["scalars"])


def test_a_dry_run_prints_shapes_and_trains_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "dry"
    assert main([*TINY, "--dry-run", "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert "event: (4, 8, 2, 26, 26)" in said and "logits: (4, 8, 10)" in said and "labels_per_class: 2" in said
    assert not out.exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--preset", "no-such"], "no-such"),
        (["--preset"], "--preset"),
        (["--dataset", "mnist"], "--dataset mnist: unknown; known are digits, nmnist"),
        (["--preset", "nmnist"], "--data-root"),
        (["--preset", "nmnist", "--data-root", "/no/such/folder"], "/no/such/folder"),
        (["--labels-per-class", "0"], "labels-per-class"),
        (["--labels-per-class", "500"], "too few"),
        (
            ["--contrastive", "5", "--labels-per-class", "169", "--batch", "58"],
            "57 recordings over, fewer than --batch",
        ),
        (["--contrastive", "5", "--batch", "1"], "--batch (=1) must be at least 2"),
        (["--contrastive", "-1"], "--contrastive (=-1) must be at least 0"),
        (["--widths", "16-MP-32"], "MP"),
        (["--max-count", "300"], "300"),
        (["--teacher", "clever"], "clever"),
        (["--teacher-file", "/no/such.safetensors"], "no such file"),
        (["--teacher-file", str(Path(__file__))], "damaged"),
        (["--accelerator", "cuda"], "--accelerator cuda"),
        (["--first-padding", "-1"], "first-padding"),
        (["--resume", "/no/such/run"], "/no/such/run"),
    ],
)
def test_bad_input_gives_one_clear_line_and_leaves_nothing(
    arguments: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    asked = arguments if "--resume" in arguments else [*TINY, *arguments, "--out", str(out)]
    assert main(asked) == 2
    error = capsys.readouterr().err.strip().splitlines()
    assert error[-1].startswith("error:") and said in error[-1]
    assert "Traceback" not in "\n".join(error)
    assert not out.exists()


def test_a_run_folder_is_never_overwritten_unasked(tiny_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (tiny_run / "student.safetensors").read_bytes()
    assert main([*TINY, "--out", str(tiny_run)]) == 2
    assert "exists" in capsys.readouterr().err
    assert (tiny_run / "student.safetensors").read_bytes() == before


def test_overwriting_trains_anew_and_never_deletes_what_is_no_run(
    tiny_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "old"
    shutil.copytree(tiny_run, out)
    assert main([*TINY, "--no-distill", "--seed", "1", "--overwrite", "--out", str(out)]) == 0
    assert (out / "student.safetensors").read_bytes() != (tiny_run / "student.safetensors").read_bytes()
    assert not (out / "baseline.safetensors").exists()
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("years of work")
    assert main([*TINY, "--overwrite", "--out", str(mine)]) == 2
    (mine / "config.yaml").write_text("theme: dark")  # many programs call a file so
    for _ in range(2):
        assert main([*TINY, "--overwrite", "--out", str(mine)]) == 2
        assert "no run" in capsys.readouterr().err and (mine / "thesis.txt").exists()


def test_a_given_teacher_is_copied_into_the_run_and_must_fit(
    tiny_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = tmp_path / "given.safetensors"
    shutil.copy(tiny_run / "teacher.safetensors", given)
    out = tmp_path / "taught"
    assert main([*TINY, "--no-baseline", "--teacher-file", str(given), "--out", str(out)]) == 0
    assert (out / "teacher.safetensors").read_bytes() == given.read_bytes()
    assert (out / "student.safetensors").read_bytes() == (tiny_run / "student.safetensors").read_bytes()
    # Interrupted before its end, and the given file gone: the run has its own copy.
    given.unlink()
    for name in ("summary.json", "student.safetensors"):
        (out / name).unlink()
    assert main(["--resume", str(out)]) == 0
    capsys.readouterr()
    misfit = [*TINY, "--teacher", "resnet18", "--teacher-file", str(out / "teacher.safetensors")]
    assert main([*misfit, "--out", str(tmp_path / "misfit")]) == 2
    assert "does not fit --teacher" in capsys.readouterr().err and not (tmp_path / "misfit").exists()


def test_stills_of_other_names_than_the_recordings_train_too(tmp_path: Path) -> None:
    from PIL import Image

    from ckd.data.camera import Camera, film

    rng = np.random.default_rng(0)
    for label in ("cat", "dog"):
        (tmp_path / "images" / label).mkdir(parents=True)
        for i in range(8):
            image = rng.random((12, 12), np.float32)
            write_recording(tmp_path / "recordings" / label / f"rec{i}.bin", film(image, Camera(), rng))
            Image.fromarray(rng.integers(0, 255, (20, 30, 3), dtype=np.uint8)).save(
                tmp_path / "images" / label / f"web{i}.png"
            )
    out = tmp_path / "run"
    folder = ["--preset", "folder", "--data-root", str(tmp_path), "--sensor", "34", "34", "--first-padding", "0"]
    assert main([*TINY, *folder, "--out", str(out)]) == 0
    summary = json.loads((out / "summary.json").read_text())
    assert summary["classes"] == ["cat", "dog"] and "teacher_accuracy" not in summary


def test_a_run_of_another_version_is_refused(tiny_run: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(tiny_run, other)
    values = yaml.safe_load((other / "config.yaml").read_text())
    (other / "config.yaml").write_text(yaml.safe_dump({**values, "format": 99}))
    with pytest.raises(RunError, match="99"):
        load_run(other)


@pytest.mark.parametrize("name", ["summary.json", "student.safetensors", "split.json", "config.yaml"])
def test_a_damaged_run_is_refused_by_the_name_of_the_file(tiny_run: Path, tmp_path: Path, name: str) -> None:
    other = tmp_path / "damaged"
    shutil.copytree(tiny_run, other)
    (other / name).write_bytes((other / name).read_bytes()[:20])
    with pytest.raises(RunError, match=name):
        load_run(other)


def test_evaluate_repeats_the_accuracy_of_the_run(tiny_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluate_main([str(tiny_run), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    summary = json.loads((tiny_run / "summary.json").read_text())
    assert result["accuracy"] == summary["test_accuracy"] and result["recordings"] == 30


def test_evaluate_takes_labels_from_folder_names(
    tiny_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from ckd.data.camera import Camera, film

    image = np.zeros((12, 12), np.float32)
    image[:, 5:7] = 1
    for label in ("1", "7"):
        events = film(image, Camera(height=26, width=26), np.random.default_rng(int(label)))
        write_recording(tmp_path / label / "a.bin", events)
    assert evaluate_main([str(tiny_run), "--events", str(tmp_path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["recordings"] == 2
    (tmp_path / "7").rename(tmp_path / "seven")
    assert evaluate_main([str(tiny_run), "--events", str(tmp_path)]) == 2
    assert "seven" in capsys.readouterr().err
