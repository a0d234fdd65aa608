"""Runs with a data set or a student from outside, exported."""

import json
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


def test_a_student_from_outside_is_exported_and_proven_spike_by_spike(
    write: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("export.pipeline.TOGETHER", 3)  # the test recordings are gone through in parts
    out, own = tmp_path / "run", ["--student", f"{write(STUDENT)}:Net", "--dataset", f"{write(DATA)}:both"]
    assert train([*TINY, *own, "--no-distill", "--iterations", "40", "--lr", "0.01", "--out", str(out)]) == 0
    capsys.readouterr()
    assert main([str(out)]) == 2
    assert f"names {own[1]} and {own[3]}, code that is no part of ckd" in capsys.readouterr().err
    assert main([str(out), *own, "--finetune", "2"]) == 2
    assert f"--finetune trains students of ckd alone, not {own[1]}" in capsys.readouterr().err
    assert not (out / "student.nir").exists()
    assert main([str(out), *own, "--json"]) == 0
    exported = json.loads(capsys.readouterr().out)
    assert exported["float_accuracy"] == json.loads((out / "summary.json").read_text())["test_accuracy"] > 0.9
    network, trace = deploy.load(out / "student.nir"), deploy.load_trace(out / "student.trace")
    assert network.classes == ("high", "wide") and network.binning is not None and network.binning.step_us == 80_000
    assert trace.layers["lif"].output.any() and deploy.check(out / "student.nir", on="integer")


def test_a_run_without_neurons_is_no_network_to_export(
    write: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = STUDENT.replace("spikes, v = self.lif(self.norm(self.conv(frame)), v)", "spikes = self.conv(frame)")
    out, own = tmp_path / "run", ["--student", f"{write(plain)}:Net", "--dataset", f"{write(DATA)}:both"]
    assert train([*TINY, *own, "--no-distill", "--out", str(out)]) == 0
    capsys.readouterr()
    assert main([str(out), *own]) == 2
    said = capsys.readouterr().err.strip()
    assert said.startswith("error:") and "\n" not in said and not (out / "student.nir").exists()
