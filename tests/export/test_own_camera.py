"""One's own camera, larger than the student's frames: from a folder of recordings to the simulator."""

import json
from pathlib import Path

import numpy as np
import pytest

from ckd.evaluate import evaluate
from ckd.events import EVENT_DTYPE, write_recording
from ckd.train import main as train
from deploy.cli import main as deploy
from export.cli import main as export
from tests.ckd.conftest import TINY

SENSOR = (60, 80)


@pytest.fixture
def own_data(tmp_path: Path) -> Path:
    """Recordings and stills of a bar that stands (class `high`) or lies (class `wide`)."""
    from PIL import Image

    rng = np.random.default_rng(0)
    for label, box in (("high", (36, 10, 44, 50)), ("wide", (10, 26, 70, 34))):
        (tmp_path / "images" / label).mkdir(parents=True)
        for i in range(12):
            events = np.zeros(4000, EVENT_DTYPE)
            events["x"], events["y"] = rng.integers(box[0], box[2], 4000), rng.integers(box[1], box[3], 4000)
            events["t"], events["p"] = np.sort(rng.integers(0, 320_000, 4000)), rng.integers(0, 2, 4000)
            write_recording(tmp_path / "recordings" / label / f"{i}.bin", events)
            pixels = np.zeros(SENSOR, np.uint8)
            pixels[box[1] : box[3], box[0] : box[2]] = 255
            Image.fromarray(pixels).convert("RGB").save(tmp_path / "images" / label / f"{i}.png")
    return tmp_path


def test_recordings_of_a_larger_sensor_are_gathered_everywhere_alike(
    own_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    camera = ["--sensor", *map(str, SENSOR), "--first-padding", "0", "--iterations", "40"]
    assert train(["--preset", "folder", "--data-root", str(own_data), *TINY, *camera, "--out", str(run)]) == 0
    recordings = own_data / "recordings"
    trained = evaluate(run, events=recordings)
    assert trained["recordings"] == 24 and trained["accuracy"] > 0.9
    assert export(["--to", "nir", str(run)]) == 0
    capsys.readouterr()
    assert deploy(["run", str(run / "student.nir"), "--on", "integer", "--events", str(recordings), "--json"]) == 0
    ran = json.loads(capsys.readouterr().out)
    assert ran["recordings"] == 24
    assert all(rate > 0 for rate in trained["spike_rate"].values())
    assert abs(ran["accuracy"] - trained["accuracy"]) <= 1 / 24 + 1e-9  # the grid may turn one of them
