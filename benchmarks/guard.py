"""Is this checkout slower than another commit? Both take turns; more than a tenth lost fails.

    python -m benchmarks.guard COMMIT [--rounds 5]

Each round runs a process of either side, in turns, on the same work: a training step of the student, the integer
simulator and the float runner. Times are processor seconds of the best of three within a process, on one thread; what
is compared is the median over the rounds of the ratio within a round. Exit code 1: slower, 0: not.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

LOSS = 0.1
ROOT = Path(__file__).resolve().parent.parent


def work() -> dict[str, Callable[[], object]]:
    """What is timed; only what every commit has."""
    import torch

    from benchmarks.networks import SMALL, at_activity, events, vgg
    from ckd.models.student import build_vgg
    from deploy.passes.to_float import to_float
    from deploy.runners import floating, integer

    torch.set_num_threads(1)
    torch.manual_seed(0)
    student = build_vgg(SMALL, input_shape=(2, 34, 34), classes=10, first_padding=0)
    frames = (torch.rand(8, 16, 2, 34, 34) < 0.1).float()
    network = at_activity(vgg(SMALL, 34, 0), 0.05)
    network = network.replace(scale_bits=dict.fromkeys(network.neurons, 0))
    given, floats = events(network, 8, 50, 0.05), to_float(network)

    return {
        "integer simulator": lambda: integer.run(network, given),
        "float runner": lambda: floating.run(floats, given),
        # Last: what training keeps of memory changes what arrays after it cost.
        "training step": lambda: student(frames).logits.sum().backward(),
    }


def seconds() -> dict[str, float]:
    found = {}
    for name, function in work().items():
        function()
        times = []
        for _ in range(3):
            started = time.process_time()
            function()
            times.append(time.process_time() - started)
        found[name] = min(times)
    return found


def of(folder: Path) -> dict[str, float]:
    """The times of the checkout in `folder`, by this very file."""
    environment = os.environ | {"PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
    given = [sys.executable, "-P", __file__, "--here"]  # or the files beside this one hide Python's own: select
    ran = subprocess.run(given, env=environment, cwd=folder, capture_output=True, text=True, check=False)
    if ran.returncode:
        sys.exit(f"{folder}: cannot be timed: {(ran.stderr.strip().splitlines() or ['no message'])[-1]}")
    return json.loads(ran.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("commit", nargs="?", default="main", help="what this checkout is held against")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.here:
        print(json.dumps(seconds()))
        return
    with tempfile.TemporaryDirectory() as folder:
        other = Path(folder) / "other"
        subprocess.run(["git", "worktree", "add", "--detach", str(other), options.commit], cwd=ROOT, check=True)
        try:
            rounds = [(of(other), of(ROOT)) for _ in range(options.rounds)]
        finally:
            subprocess.run(["git", "worktree", "remove", "--force", str(other)], cwd=ROOT, check=True)
    slower = []
    for name in rounds[0][0]:
        ratio = float(np.median([here[name] / there[name] for there, here in rounds]))
        print(f"{name}: {ratio:.2f} times the time of {options.commit}")
        slower += [name] if ratio > 1 + LOSS else []
    if slower:
        sys.exit(f"slower than {options.commit} by more than {LOSS:.0%}: {', '.join(slower)}")


if __name__ == "__main__":
    main()
