"""A run in which nothing spikes says so, and which step the constants of the file fit."""

from itertools import pairwise
from pathlib import Path

import nir
import numpy as np
import pytest

from deploy.cli import main
from deploy.network import Array
from tests.builders import small_frames, write_model


def written(folder: Path, neuron: nir.NIRNode) -> tuple[Path, Path]:
    """A file in which inputs of weight 1 reach four neurons, and frames for it."""
    nodes = {
        "input": nir.Input({"input": np.array([4])}),
        "fc": nir.Linear(np.eye(4, dtype=np.float32)),
        "neuron": neuron,
        "output": nir.Output({"output": np.array([4])}),
    }
    nir.write(folder / "n.nir", nir.NIRGraph(nodes=nodes, edges=list(pairwise(nodes))))
    np.save(folder / "frames.npy", np.ones((3, 50, 4), np.uint8))
    return folder / "n.nir", folder / "frames.npy"


def full(value: float) -> Array:
    return np.full(4, value, np.float32)


NEURONS: dict[str, tuple[nir.NIRNode, str]] = {
    "sinabs IAF": (nir.IF(r=full(1), v_threshold=full(1.5)), "1"),
    "snnTorch Leaky, beta 0.9": (
        nir.LIF(tau=full(1e-3), r=full(10), v_leak=full(0), v_threshold=full(1.5)),
        "0.0001",
    ),
    "snnTorch Synaptic": (
        nir.CubaLIF(
            tau_mem=full(1e-3), tau_syn=full(2e-4), r=full(10), w_in=full(2), v_leak=full(0), v_threshold=full(1.5)
        ),
        "0.0001",
    ),
}


@pytest.mark.parametrize("what", NEURONS)
def test_a_run_without_a_spike_says_which_step_the_constants_fit(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], what: str
) -> None:
    """The step that each tool writes for; with it the same run spikes and says nothing."""
    neuron, step = NEURONS[what]
    model, frames = written(tmp_path, neuron)
    given = ["run", str(model), "--on", "float", "--frames", str(frames)]
    assert main([*given, "--dt", "1e-9"]) == 0
    err = capsys.readouterr().err
    assert "no layer spikes on float" in err and f"--dt {step}\n" in err and err.count("\n") == 1
    assert main([*given, "--dt", step]) == 0
    assert capsys.readouterr().err == ""


def test_compiling_says_so_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model, frames = written(tmp_path, NEURONS["sinabs IAF"][0])
    out = tmp_path / "ready.nir"
    assert main(["compile", str(model), "--frames", str(frames), "-o", str(out), "--dt", "1e-9"]) == 0
    assert "--dt 1\n" in capsys.readouterr().err


def test_silence_that_no_other_step_ends_is_said_without_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, frames = written(tmp_path, nir.IF(r=full(1), v_threshold=full(1e9)))
    assert main(["run", str(model), "--on", "float", "--frames", str(frames), "--dt", "1"]) == 0
    err = capsys.readouterr().err
    assert "no layer spikes" in err and "--dt" not in err


def test_frames_unlike_those_of_the_model_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = write_model(tmp_path)
    frames = small_frames()
    np.save(tmp_path / "like.npy", frames)
    np.save(tmp_path / "odd.npy", 3 * frames[:, :2])
    for name, said in (("like.npy", 0), ("odd.npy", 1)):
        assert main(["run", str(model), "--frames", str(tmp_path / name)]) == 0
        warnings = [line for line in capsys.readouterr().err.splitlines() if "may answer otherwise" in line]
        assert len(warnings) == said
    assert "holds 2 steps where it has" in warnings[0] and "counts up to 3 where it stops at 1" in warnings[0]
