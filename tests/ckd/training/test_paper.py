"""The command for the paper's table, whole but short, on made-up recordings in the layout of N-Caltech101."""

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.paper import main

SHORT = ["iterations=1", "teacher_iterations=1", "batch=2", "teacher_batch=2", "evaluations=1", "warmup=0"]
SMALL = ["widths=4-AP-8", "teacher=vgg"]


def made_up(root: Path) -> None:
    """Recordings in five bytes an event, as the authors of N-Caltech101 publish them, and a still of the same name."""
    rng = np.random.default_rng(0)
    for name in ("anchor", "ant"):
        for number in range(1, 9):
            recording = root / "Caltech101" / name / f"image_{number:04d}.bin"
            still = root / "101_ObjectCategories" / name / f"image_{number:04d}.jpg"
            for file in (recording, still):
                file.parent.mkdir(parents=True, exist_ok=True)
            t = np.sort(rng.integers(0, 300_000, 500))
            columns = rng.integers(0, 240, 500), rng.integers(0, 180, 500), rng.integers(0, 2, 500) << 7 | t >> 16
            recording.write_bytes(np.stack([*columns, t >> 8 & 255, t & 255], 1).astype(np.uint8).tobytes())
            Image.fromarray(rng.integers(0, 255, (60, 80, 3), dtype=np.uint8)).save(still)


def test_a_row_of_the_papers_table_is_trained_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made_up(tmp_path / "n-caltech101")
    rows = ["--datasets", "n-caltech101", "--recipes", "CKD", "--seeds", "42", "--set", *SHORT, *SMALL]
    command = ["paper", "--data-root", str(tmp_path), "--out", str(tmp_path / "out"), *rows]
    monkeypatch.setattr(sys, "argv", command)
    assert main() == 0
    row = next(line for line in capsys.readouterr().out.splitlines() if "CKD" in line)
    assert "(1 of 1 seeds)" in row and "97.13" in row
    weights = tmp_path / "out" / "n-caltech101" / "CKD" / "42" / "student.safetensors"
    before = weights.stat().st_mtime_ns
    assert main() == 0 and weights.stat().st_mtime_ns == before
