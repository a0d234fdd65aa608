"""Runs side by side."""

import json
import shutil
from pathlib import Path

import pytest
import yaml

from ckd.compare import compare, main


def test_seeds_of_one_recipe_share_a_line_and_recipes_are_told_apart(tiny_run: Path, tmp_path: Path) -> None:
    runs = [tmp_path / name for name in ("a", "b", "c")]
    for seed, (run, accuracy) in enumerate(zip(runs, (0.5, 0.7, 0.9), strict=True)):
        shutil.copytree(tiny_run, run)
        values = yaml.safe_load((run / "config.yaml").read_text())
        values["seed"] = seed
        values["method"]["kd"] = "none" if run.name == "c" else "constant"
        (run / "config.yaml").write_text(yaml.safe_dump(values))
        summary = json.loads((run / "summary.json").read_text())
        (run / "summary.json").write_text(json.dumps(summary | {"seed": seed, "test_accuracy": accuracy}))
    first, second = compare(tuple(runs))
    assert first["recipe"] == {"method.kd": "constant"} and first["seeds"] == [0, 1]
    assert first["test_accuracy"]["mean"] == pytest.approx(0.6)
    assert first["test_accuracy"]["spread"] == pytest.approx(0.02**0.5)
    assert second["recipe"] == {"method.kd": "none"} and second["test_accuracy"]["spread"] is None


def test_what_is_no_run_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path)]) == 2
    assert str(tmp_path) in capsys.readouterr().err
