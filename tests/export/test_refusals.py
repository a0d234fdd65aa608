"""A trace proves the model beside it, and is not taken from it; a plan that cannot work costs no time."""

from pathlib import Path

import h5py
import pytest

import export
from deploy.cli import main as deploy_main
from deploy.errors import DeployError
from export.cli import main
from export.refusals import refuse_early


def test_a_plan_is_refused_before_its_run_is_read(tmp_path: Path) -> None:
    plan = export.Plan(run=tmp_path / "nowhere", weight_bits=9)
    with pytest.raises(DeployError, match="--weight-bits"):
        refuse_early(plan)


def test_the_teachers_name_is_not_taken(tmp_path: Path) -> None:
    pytest.importorskip("onnx", reason="onnx is an extra")
    with pytest.raises(DeployError, match="teacher is written"):
        refuse_early(export.Plan(run=tmp_path, to="onnx", out=tmp_path / "teacher.onnx"))
    refuse_early(export.Plan(run=tmp_path, to="nir", out=tmp_path / "teacher.nir"))


def test_a_folder_whose_trace_is_of_another_version_says_what_to_remove(
    tiny_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "s.onnx").touch()
    with h5py.File(tmp_path / "s.trace", "w") as old:
        old.attrs["ckd_trace"] = 2
    assert main([str(tiny_run), "--out", str(tmp_path / "s.nir")]) == 2
    assert "remove s.onnx" in capsys.readouterr().err


def test_a_trace_that_proves_another_format_is_kept(
    tiny_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = tmp_path / "student.nir"
    assert main(["--to", "nir", str(tiny_run), "--out", str(model), "--json"]) == 0
    kept = model.with_suffix(".trace").read_bytes()
    # The same options for another format give the same trace; rounding for netx gives another.
    assert main(["--to", "onnx", str(tiny_run), "--out", str(tmp_path / "student.onnx"), "--json"]) == 0
    capsys.readouterr()
    assert main(["--to", "netx", str(tiny_run), "--out", str(tmp_path / "student.net")]) == 2
    assert "student.trace: proves student.nir, which was exported with other options" in capsys.readouterr().err
    assert not (tmp_path / "student.net").exists()
    assert len(model.with_suffix(".trace").read_bytes()) == len(kept)
    assert deploy_main(["check", str(model)]) == 0
