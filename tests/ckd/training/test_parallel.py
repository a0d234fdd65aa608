"""Two processes train as one does on the same global batch."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.ckd.conftest import TINY

# In float64: the order of a sum over the batch moves a potential by its last bit, and in float32 such a bit has turned
# a spike, and with it the loss by 1e-4, within ten iterations of every other run.
RECIPE = [
    *TINY, "--iterations", "10", "--align-weight", "0.5", "--temporal-weights", "--replacement", "sliding",
    "--kd", "phased", "--precision", "64-true",
]  # fmt: skip


@pytest.mark.parametrize(
    "parts",
    [
        "--batch-norm joint",
        pytest.param("--batch-norm separate", marks=pytest.mark.long),
        pytest.param("--contrastive 5", marks=pytest.mark.long),
        pytest.param("--event-share 0.5 --align-weight 0 --no-temporal-weights", marks=pytest.mark.long),
    ],
)
def test_two_gloo_processes_give_the_losses_of_one(parts: str, tmp_path: Path) -> None:
    recipe = [*RECIPE, *parts.split()]
    one = _losses([sys.executable, "-m", "ckd.train"], recipe, tmp_path / "one", tmp_path / "one/runs/digits-seed0")
    torchrun = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        "2",
        "-m",
        "ckd.train",
    ]
    # A run of that name is there already: both processes must take the same other one.
    taken, out = (tmp_path / "two" / "runs" / name for name in ("digits-seed0", "digits-seed0-2"))
    taken.mkdir(parents=True)
    two = _losses(torchrun, recipe, tmp_path / "two", out)
    assert json.loads((out / "summary.json").read_text())["processes"] == 2 and not any(taken.iterdir())
    assert len(one) == len(two) == (25 if "--contrastive" in parts else 20)
    for a, b in zip(one, two, strict=True):
        for term in ("loss", "event", "static", "kd", "align", "cka"):
            # Logged in float32, whose step is 2.4e-7 at these losses.
            assert (term in a) == (term in b)
            if term in a:
                assert a[term] == pytest.approx(b[term], abs=1e-6), (a["iteration"], term)


def _losses(command: list[str], recipe: list[str], folder: Path, out: Path) -> list[dict[str, Any]]:
    """The students' metrics of a run that a command started in `folder` writes to `out`."""
    folder.mkdir(exist_ok=True)
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run([*command, *recipe], env=environment, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    records = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return [record for record in records if record["stage"] != "teacher"]  # one process alone trains it
