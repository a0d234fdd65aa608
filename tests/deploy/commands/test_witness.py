"""ckd-deploy witness as a user types it, and the fixture of the same name."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.faults import node
from deploy.cli import main
from deploy.formats.files import load_network, save


@pytest.fixture
def other(model: Path) -> Path:
    """The same model with one bias one higher."""
    path = model.parent / "other.nir"
    save(node("lif1", bias=lambda b: b + (np.arange(4) == 3).reshape(4, 1, 1))(load_network(model)), path)
    return path


def test_a_witness_is_a_trace_that_check_finds_different(
    model: Path, other: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = model.parent / "w.trace"
    assert main(["witness", str(model), str(other), "--seconds", "60", "-o", str(out)]) == 1
    said = capsys.readouterr().out
    assert "WITNESS of " in said and "layer lif1" in said and "threshold 7,040" in said
    command = said.split("ckd-deploy ")[1].split()
    assert main([*command, "--json"]) == 1
    verdict = json.loads(capsys.readouterr().out)
    assert verdict["recordings"] == 1 and verdict["first_spike"]["layer"] == "lif1"


def test_none_found_is_exit_code_0_and_writes_nothing(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = model.parent / "w.trace"
    same = model.parent / "same.nir"
    save(load_network(model), same)
    assert main(["witness", str(model), str(same), "-o", str(out), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["proven"] == "the two models are the same"
    assert main(["witness", str(model), "--on", "onnx", "--seconds", "1", "-o", str(out)]) == 0
    assert "NO WITNESS FOUND in 1 s" in capsys.readouterr().out and not out.exists()


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ([], "nothing to tell apart"),
        (["--seconds", "0"], "--seconds (=0) must be above 0"),
        (["--on", "brian"], "runner 'brian' is not known"),
        (["-o", "w.nir"], "a witness is a .trace file"),
        (["-o", "student.trace"], "would replace what it is made from"),
        (["--frames", "nope.npy"], "nope.npy"),
    ],
)
def test_a_mistake_is_one_line(
    model: Path,
    args: list[str],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(model.parent)
    before = model.with_suffix(".trace").read_bytes()
    second = [] if args == [] else ["--against", "onnx"]
    assert main(["witness", "student.nir", *second, *args]) == 2
    captured = capsys.readouterr()
    assert said in captured.err and captured.err.count("\n") == 1 and captured.out == ""
    assert model.with_suffix(".trace").read_bytes() == before


PROJECT = """
def test_another_model(witness):
    witness("student.nir", "other.nir", seconds=60, save="found.trace")


def test_itself(witness):
    witness("student.nir", on="onnx", seconds=1)
"""


def test_the_fixture_fails_a_test_where_it_finds_one(model: Path, other: Path) -> None:
    (model.parent / "test_mine.py").write_text(PROJECT)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=model.parent, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 1 and "1 failed, 1 passed" in done.stdout, done.stdout
    assert "WITNESS of " in done.stdout and "its frames are in found.trace" in done.stdout
    assert main(["check", str(model), str(other), "--trace", str(model.parent / "found.trace"), "--json"]) == 1
