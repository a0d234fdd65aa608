"""A network trained without this toolchain, known by its .nir file alone, from the command line on raw recordings."""

import importlib.util
import json
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ckd.events import EVENT_DTYPE, write_recording
from deploy.cli import main
from tests.deploy.marks import needs_lava

SCRIPT = Path(__file__).parents[2] / "examples" / "02_foreign_nir" / "train_elsewhere.py"
STEP = ("--step-us", "20000", "--steps", "15")


def film_bars(folder: Path, recordings: int = 24, seed: int = 0) -> None:
    """Bars that cross the sensor: up, down and to the right, as many of each."""
    rng = np.random.default_rng(seed)
    t = np.repeat(np.arange(300), 30)
    for number in range(recordings):
        way = number % 3
        along = (t * 0.09 + rng.uniform(0, 6) + rng.normal(0, 0.7, len(t))).clip(0, 33).astype(int)
        across = rng.integers(4, 30, len(t))
        events = np.empty(len(t), EVENT_DTYPE)
        events["t"], events["p"] = t * 1000, rng.random(len(t)) < 0.5
        events["x"] = along if way == 2 else across
        events["y"] = across if way == 2 else (along if way == 1 else 33 - along)
        write_recording(folder / ("down", "right", "up")[(0, 2, 1)[way]] / f"{number}.bin", events)


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, float]:
    """The folder that the example's script makes, and the accuracy that PyTorch says."""
    folder = tmp_path_factory.mktemp("foreign")
    film_bars(folder / "bars")
    spec = importlib.util.spec_from_file_location("train_elsewhere", SCRIPT)
    assert spec is not None and spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    with pytest.MonkeyPatch.context() as patch:
        out = folder / "out"
        patch.setattr(script, "PER_CLASS", 3)
        patch.setattr(sys, "argv", ["x", "--recordings", str(folder / "bars"), "--out", str(out), "--epochs", "25"])
        said: list[str] = []
        patch.setattr("builtins.print", lambda *values, **_: said.append(" ".join(map(str, values))))
        script.main()
    accuracy = re.search(r"accuracy in PyTorch: ([\d.]+)%", "\n".join(said))
    assert accuracy is not None
    return out, float(accuracy[1]) / 100


@pytest.fixture(scope="module")
def ready(foreign: tuple[Path, float]) -> Path:
    """The network on the grid."""
    folder, _ = foreign
    path = folder / "ready.nir"
    compiling = ["compile", str(folder / "foreign.nir"), "-o", str(path), "--events", str(folder / "train"), *STEP]
    assert main(compiling) == 0
    return path


def run_json(capsys: pytest.CaptureFixture[str], *args: object) -> dict[str, Any]:
    capsys.readouterr()
    assert main([*map(str, args), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_the_float_runner_is_as_accurate_as_where_it_was_trained(
    foreign: tuple[Path, float], capsys: pytest.CaptureFixture[str]
) -> None:
    folder, accuracy = foreign
    figures = run_json(capsys, "run", folder / "foreign.nir", "--on", "float", "--events", folder / "test", *STEP)
    assert figures["recordings"] == 9
    assert figures["accuracy"] == pytest.approx(accuracy, abs=1e-4)
    assert accuracy > 0.6, "it learnt nothing, so its accuracy proves nothing"
    assert all(layer["rate"] > 0.005 for layer in figures["layers"])


def test_on_the_grid_it_needs_no_options_and_agrees_with_its_floats(
    foreign: tuple[Path, float], ready: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Binning, classes and dt stand in the file; float and integer are compared in one command."""
    folder, accuracy = foreign
    figures = run_json(capsys, "run", ready, "--on", "integer", "--events", folder / "test")
    assert abs(figures["accuracy"] - accuracy) <= 2 / 9
    both = ("run", folder / "foreign.nir", "--on", "integer", "--against", "float", "--events", folder / "test", *STEP)
    figures = run_json(capsys, *both)
    assert figures["on"] == "integer" and figures["against"]["on"] == "float"
    assert figures["against"]["accuracy"] == pytest.approx(accuracy, abs=1e-4)
    assert figures["against"]["same_predictions"] >= 7 / 9
    steps = figures["against"]["neuron_steps"]
    assert all(count < 0.05 * steps[layer] for layer, count in figures["against"]["differing"].items())
    assert main([*map(str, both)]) == 0
    assert re.search(r"float: accuracy .*same prediction for .*neuron-steps", capsys.readouterr().out, re.DOTALL)


@needs_lava
def test_lava_and_the_integer_simulator_agree_in_every_spike(
    foreign: tuple[Path, float], ready: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, _ = foreign
    test = ("--events", folder / "test", "--recordings", 3)
    figures = run_json(capsys, "run", ready, "--on", "lava", "--against", "integer", *test)
    assert figures["accuracy"] == figures["against"]["accuracy"]
    assert figures["against"]["same_predictions"] == 1
    assert set(figures["against"]["differing"].values()) == {0}
    assert figures["against"]["spikes"] > 1000


def test_recordings_of_fewer_classes_than_outputs_are_refused(
    foreign: tuple[Path, float], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file without class names takes the folders for its outputs: one that is missing would shift all after it."""
    folder, _ = foreign
    (tmp_path / "right").symlink_to(folder / "test" / "right")
    capsys.readouterr()
    assert main(["run", str(folder / "foreign.nir"), "--events", str(tmp_path), *STEP]) == 2
    assert "1 folders" in (error := capsys.readouterr().err) and "3 outputs" in error


def test_a_compiled_file_knows_the_classes_of_its_recordings(
    foreign: tuple[Path, float], ready: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, _ = foreign
    (tmp_path / "right").symlink_to(folder / "test" / "right")
    alone = run_json(capsys, "run", ready, "--events", tmp_path)
    everything = run_json(capsys, "run", ready, "--events", folder / "test")
    assert alone["recordings"] == 3
    assert alone["accuracy"] * 3 <= everything["accuracy"] * 9


def test_dt_is_what_the_files_time_constants_take_for_a_step(
    foreign: tuple[Path, float], capsys: pytest.CaptureFixture[str]
) -> None:
    """r = 50 is the gain of a step of 20 ms; with twice the dt every input counts twice."""
    folder, _ = foreign
    network = ("run", folder / "foreign.nir", "--on", "float", "--events", folder / "test", *STEP)
    spikes = [run_json(capsys, *network, "--dt", dt)["layers"][0]["spikes"] for dt in (0.02, 0.04)]
    assert spikes[1] > 1.2 * spikes[0] > 0
