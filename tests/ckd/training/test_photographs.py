"""The command for photographs, whole but short, on made-up photographs in an archive as Caltech 101's."""

import io
import json
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks import photographs
from benchmarks.photographs_data import Scale
from ckd.events import read_recording

SHORT = ["iterations=1", "teacher_iterations=1", "teacher_batch=4", "evaluations=1", "warmup=0", "batch=4"]
SMALL = ["widths=4-AP-8", "labels_per_class=1", "validation_per_class=1", "test_per_class=2"]
PHOTOGRAPHS = {"ant": 9, "bee": 10, "cat": 8, "Faces_easy": 20, "BACKGROUND_Google": 20}


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    with tarfile.open(tmp_path / "photographs.tar", "w") as tar:
        for name, count in PHOTOGRAPHS.items():
            for number in range(count):
                content = io.BytesIO()
                Image.fromarray(rng.integers(0, 255, (64, 64, 3), np.uint8)).save(content, "JPEG")
                member = tarfile.TarInfo(f"{name}/image_{number:04d}.jpg")
                member.size = len(content.getvalue())
                tar.addfile(member, io.BytesIO(content.getvalue()))
    return tmp_path / "photographs.tar"


@pytest.fixture
def run(archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two classes of the three that count; the folder of the results, once the rows are trained."""
    monkeypatch.setitem(photographs.SCALES, "laptop", Scale(classes=2, recordings=4, trials=4))
    out = tmp_path / "out"
    # A process of many tests: the next ones are held against what this many threads summed.
    files = ["--tar", str(archive), "--out", str(out), "--threads", str(torch.get_num_threads())]
    monkeypatch.setattr(sys, "argv", ["x", *files, "--set", *SHORT, *SMALL])
    assert photographs.main() == 0
    return out / "laptop"


def test_the_rows_are_trained_once_on_recordings_of_photographs_that_no_still_shows(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for part in ("test", "trials"):
        stills = {
            path.relative_to(run / "data" / part / "images") for path in (run / "data").rglob(f"{part}/*/*/*.jpg")
        }
        films = {Path(name.replace("filmed-", "")).with_suffix(".jpg") for name in recorded(run, part)}
        assert {path.parent.name for path in films} == {"ant", "bee"} and len(films) == 8 and len(stills) == 3
        assert not films & stills
        assert all(len(read_recording(run / "data" / part / "recordings" / name)) > 100 for name in recorded(run, part))
    assert recorded(run, "test") and not recorded(run, "test") & recorded(run, "trials")
    (file,) = run.glob("test*/test.json")
    results = json.loads(file.read_text())
    assert [result["row"] for result in results["results"]] == list(photographs.ROWS)
    assert all(result["recordings"]["test"] == 4 for result in results["results"])
    before = {path: path.stat().st_mtime_ns for path in run.rglob("student.safetensors")}
    assert len(before) == 3 and photographs.main() == 0
    assert before == {path: path.stat().st_mtime_ns for path in run.rglob("student.safetensors")}
    said = capsys.readouterr().out
    assert "simulated recordings" in said and all(f"| {row} |" in said for row in photographs.ROWS)


def test_a_trial_sees_its_own_recordings_alone(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", [*sys.argv, "--trial", "slow:lr=0.001"])
    assert photographs.main() == 0
    (folder,) = run.glob("trials */slow/0")
    split = json.loads((folder / "split.json").read_text())
    seen = {str(Path(name).with_suffix(".bin")) for part in split.values() for name in part}
    assert seen and seen <= recorded(run, "trials")


def recorded(run: Path, part: str) -> set[str]:
    """The recordings of a part, as <class>/<name>."""
    return {f"{path.parent.name}/{path.name}" for path in (run / "data" / part / "recordings").rglob("*.bin")}
