"""A student that first learns without labels: from which recordings, what it leaves behind, and that it learns."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from ckd.config import load_preset
from ckd.data.material import prepare
from ckd.data.own import OwnData
from ckd.data.sources import open_source
from ckd.data.split import PARTS, make_split, unlabeled_rows
from ckd.runs.folder import load_run
from ckd.train import main
from tests.ckd.conftest import TINY

CONTRASTIVE = [*TINY, "--no-distill", "--contrastive", "50", "--batch", "16"]


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "pretrained"
    assert main([*CONTRASTIVE, "--out", str(out)]) == 0
    return out


def test_only_recordings_that_neither_train_nor_validate_nor_test_are_seen(pretrained: Path) -> None:
    run = load_run(pretrained)
    source = open_source(run.config.data)
    names = {source.names[row] for row in unlabeled_rows(source, run.split)}
    assert not any(names & set(getattr(run.split, part)) for part in PARTS)
    assert len(names) == 1797 - 20 - 20 - 30  # two label, two validate and three test each class
    material = prepare(run.config.data, run.config.method, seed=run.config.seed, split=run.split)
    assert material.unlabeled is not None and len(material.unlabeled) == len(names)
    of_names = source.frames(np.flatnonzero([name in names for name in source.names]))
    assert np.array_equal(np.asarray(material.unlabeled), np.asarray(of_names))
    assert json.loads((pretrained / "summary.json").read_text())["unlabeled"] == len(names)


def films_of_the_same() -> OwnData:
    """Ten originals a class, each filmed three times."""
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 2, (60, 4, 2, 26, 26), np.uint8)
    originals = np.repeat(np.arange(20), 3)
    return OwnData(recordings=(frames, originals % 2), originals=originals.tolist())


def test_another_film_of_what_a_recording_of_the_split_shows_is_not_seen_either() -> None:
    config = load_preset("digits")
    counts = {"labels_per_class": 2, "validation_per_class": 2, "test_per_class": 3}
    data = replace(config.data, dataset=f"{__name__}:films_of_the_same", size=26, time_steps=4, **counts)
    source = open_source(data)
    split = make_split(source, data, seed=0)
    held_out = {int(source.image_ids[row]) for part in PARTS for row in split.rows(part, source)}
    seen = unlabeled_rows(source, split)
    assert len(seen) == 3 * 2 * 3 and len(held_out) == 14
    assert not held_out & {int(source.image_ids[row]) for row in seen}


def test_a_student_learns_without_labels_and_then_begins_with_that(pretrained: Path) -> None:
    stages: dict[str, list[Any]] = {}
    for line in (pretrained / "metrics.jsonl").read_text().splitlines():
        record = json.loads(line)
        stages.setdefault(record["stage"], []).append(record)
    assert {stage: len(records) for stage, records in stages.items()} == {"contrastive": 50, "student": 6}
    losses = [record["loss"] for record in stages["contrastive"]]
    # Of 32 views, one that sees no difference guesses among 31. Seeds 0, 1, 2: from 3.7, 4.0, 3.8 to 2.9, 3.0, 3.1.
    assert np.mean(losses[-10:]) < np.log(31) and np.mean(losses[-10:]) < np.mean(losses[:10]) - 0.3
    began, ended = (load_file(pretrained / f"{name}.safetensors") for name in ("contrastive", "student"))
    assert began.keys() == ended.keys()
    # AdamW moves a weight by little more than its rate in an iteration, and a fresh one would lie elsewhere.
    moved = np.abs(began["nodes.conv2.weight"] - ended["nodes.conv2.weight"])
    assert 0 < moved.max() < 6 * 1.5 * load_run(pretrained).config.training.lr


def test_a_student_from_outside_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*CONTRASTIVE, "--student", "my_package.models:make", "--out", str(tmp_path / "run")]) == 2
    error = capsys.readouterr().err.strip().splitlines()
    assert len(error) == 1 and "--contrastive (=50) needs to know the classifier" in error[0]


def test_a_dry_run_shows_the_views(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*CONTRASTIVE, "--dry-run", "--out", str(tmp_path / "run")]) == 0
    assert "views without labels: (4, 32, 2, 26, 26)" in capsys.readouterr().out
