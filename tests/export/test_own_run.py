"""Runs with a data set or a student from outside, exported."""

from pathlib import Path

import pytest

import deploy
from ckd.train import main as train
from export.cli import main
from tests.ckd.conftest import TINY
from tests.ckd.outside import DATA, STUDENT, Write, write

__all__ = ["write"]


def test_a_run_on_data_from_outside_is_exported_where_its_data_set_is_named(
    write: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, dataset = tmp_path / "run", f"{write(DATA)}:both"
    assert train([*TINY, "--dataset", dataset, "--no-baseline", "--out", str(out)]) == 0
    capsys.readouterr()
    assert main([str(out)]) == 2
    said = capsys.readouterr().err.strip()
    assert said.startswith("error:") and f"names {dataset}, code that is no part of ckd" in said and "\n" not in said
    assert not (out / "student.nir").exists()
    assert main([str(out), "--dataset", dataset, "--finetune", "2"]) == 0
    network = deploy.load(out / "student.nir")
    assert network.classes == ("high", "wide") and deploy.check(out / "student.nir", on="integer")


def test_a_student_from_outside_is_exported_as_a_module(
    write: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, student = tmp_path / "run", f"{write(STUDENT)}:Net"
    assert train([*TINY, "--student", student, "--no-distill", "--out", str(out)]) == 0
    capsys.readouterr()
    assert main([str(out), "--student", student]) == 2
    said = capsys.readouterr().err.strip()
    assert f"ckd-export {student} --weights {out / 'student.safetensors'}" in said and "\n" not in said
    assert not (out / "student.nir").exists()
