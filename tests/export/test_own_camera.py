"""One's own camera, larger than the student's frames: from a folder of recordings to the simulator."""

import json
from pathlib import Path

import pytest

from ckd.evaluate import evaluate
from ckd.train import main as train
from deploy.cli import main as deploy
from export.cli import main as export
from tests.builders import SENSOR, write_own_data
from tests.ckd.conftest import TINY


def test_recordings_of_a_larger_sensor_are_gathered_everywhere_alike(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own_data = write_own_data(tmp_path / "own")
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
