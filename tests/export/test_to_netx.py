"""ckd-export --to netx: a student that Lava's netx runs spike by spike, and what it refuses."""

import json
from pathlib import Path

import pytest

import deploy
from deploy.cli import main as deploy_main
from deploy.formats.files import load
from deploy.network import Network
from export.cli import main
from tests.deploy.marks import needs_lava


@pytest.fixture(scope="module")
def exported(tiny_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("netx") / "student_netx.net"
    assert main(["--to", "netx", str(tiny_run), "--out", str(path), "--json"]) == 0
    return path


@needs_lava
def test_netx_is_equal_to_its_trace_on_five_recordings(exported: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = deploy_main(["check", str(exported), "--on", "netx", "--recordings", "5", "--json"])
    verdict = json.loads(capsys.readouterr().out)
    assert code == 0 and verdict["equal"] and verdict["recordings"] == 5 and verdict["spikes"] > 100


def test_the_file_carries_binning_and_classes_and_its_own_trace(exported: Path, tiny_run: Path) -> None:
    model, trace = load(exported), deploy.load_trace(exported.with_suffix(".trace"))
    assert isinstance(model, Network) and list(model.neurons) == list(trace.layers)
    assert (model.binning, model.classes) == (trace.binning, trace.classes)


def test_rounded_biases_are_reported(tiny_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--to", "netx", str(tiny_run), "--out", str(tmp_path / "a.net"), "--json"]) == 0
    parameters = json.loads(capsys.readouterr().out)["parameters"]
    rounded = [change for change in parameters if "rounded for netx" in change["note"]]
    assert {(change["node"], change["parameter"]) for change in rounded} >= {("lif1", "bias"), ("lif2", "bias")}
    # Half a unit of 64 against biases of many.
    assert all(change["saturated"] == 0 for change in rounded)


def test_floats_are_refused(tiny_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--to", "netx", str(tiny_run), "--chip", "none"]) == 2
    assert "netx holds integers: give --to netx a chip" in capsys.readouterr().err
