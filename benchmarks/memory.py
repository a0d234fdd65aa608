"""A data set larger than memory trains as fast as one that fits, in little memory.

    python -m benchmarks.memory [--gigabytes 20] [--fits 0.2] [--rounds 12] [--json FILE]

Two processes train the same student on made-up recordings, one on `--gigabytes` of frames (one byte a pixel, as
training takes them; on disk, frames of zeros and ones are bits), one on `--fits`. They take turns of `TURN` iterations,
so that other work on the machine meets both. What is compared is the median over the rounds of the ratio of wall times
within a round. Resident memory is the kernel's: the greatest that the process had, with reading, training and
measuring; and the greatest while the trained student was exported with the spikes of its test recordings. Exit code 1:
more than `MOST` bytes, or more than `LOSS` slower.
"""

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

SIZE, STEPS, CLASSES, STILLS = 48, 10, 10, 2000
TESTED = 0.01
"""Share of the recordings that test; their spikes are exported."""
DATASET = "benchmarks.memory:made_up"
TURN, FIRST = 10, 10
"""Iterations of a turn, and those before the first one that is compared."""
MOST, LOSS = 2e9, 0.05
GIGABYTES = "CKD_BENCHMARK_GIGABYTES"
"""Tells the data set how large it is: a factory of a data set has no arguments."""


class MadeUp:
    """Recordings that are computed when they are read: noise, denser in the rows that belong to their class."""

    classes = [str(label) for label in range(CLASSES)]  # noqa: RUF012 (read by name, as of any data set)

    def __init__(self, recordings: int) -> None:
        self.targets = [row % CLASSES for row in range(recordings)]
        self.data = [f"{row}.made-up" for row in range(recordings)]

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, row: int) -> tuple[NDArray[np.uint8], int]:
        noise = np.random.default_rng(row).integers(0, 256, (STEPS, 2, SIZE, SIZE), np.uint8)
        return (noise < self._densities[self.targets[row]]).view(np.uint8), self.targets[row]

    @cached_property
    def _densities(self) -> NDArray[np.uint8]:
        """(K, 1, 1, H, 1), in 256th."""
        rows = np.arange(SIZE) * CLASSES // SIZE
        return np.where(rows == np.arange(CLASSES)[:, None], 40, 10).astype(np.uint8)[:, None, None, :, None]


def recordings_of(gigabytes: float) -> int:
    return int(gigabytes * 1e9) // (STEPS * 2 * SIZE * SIZE)


def made_up() -> Any:
    """The data set, as `--dataset benchmarks.memory:made_up` reads it."""
    from ckd.data.own import OwnData

    labels = np.arange(STILLS) % CLASSES
    bright = np.arange(SIZE) * CLASSES // SIZE == labels[:, None]
    images = np.broadcast_to(np.where(bright, 255, 30)[:, :, None], (STILLS, SIZE, SIZE)).astype(np.uint8)
    return OwnData(recordings=MadeUp(recordings_of(float(os.environ[GIGABYTES]))), images=(images, labels))


def train(iterations: int) -> None:
    """Train on the data set, a turn whenever a line comes in; says the seconds of each, then what it took."""
    import ckd
    from ckd.config import Config, Data, Method, StudentConfig, TeacherConfig, Training
    from ckd.training.reporter import Silent

    class Turns(Silent):
        """Waits for its turn, and tells how long it took."""

        training, started = False, 0.0

        def stage(self, title: str, total: int | None, done: int = 0) -> None:
            self.training = total == iterations

        def advance(self, done: int) -> None:
            if not self.training or done < FIRST or (done - FIRST) % TURN:
                return
            print(time.perf_counter() - self.started, flush=True)
            sys.stdin.readline()
            self.started = time.perf_counter()

    data = Data(
        dataset=DATASET, size=SIZE, time_steps=STEPS, labels_per_class=None,
        validation_per_class=20, test_per_class=TESTED,
    )  # fmt: skip
    config = Config(
        preset="memory", data=data, student=StudentConfig(widths="16-AP-32-AP-64-AP", first_padding=1),
        teacher=TeacherConfig(teacher_iterations=20), method=Method(baseline=False),
        training=Training(iterations=iterations, batch=16, warmup=5, evaluations=1),
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        summary = ckd.train_run(config, Path(folder) / "run", reporter=Turns())
        said = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
        command = [sys.executable, "-m", "export.cli", str(Path(folder) / "run"), "--dataset", DATASET]
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
        exported = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        trace = (Path(folder) / "run" / "student.trace").stat().st_size
    parts = summary["recordings"]
    told = {
        "recordings": parts,
        "gigabytes": round(sum(parts.values()) * STEPS * 2 * SIZE * SIZE / 1e9, 2),
        "training": int(said["VmHWM"].split()[0]) * 1024,
        "export": exported * 1024,
        "trace": trace,
        "seconds": summary["seconds"],
        "accuracy": summary["test_accuracy"],
    }
    print(json.dumps(told), flush=True)


def turns(sizes: dict[str, float], rounds: int) -> tuple[list[dict[str, float]], dict[str, dict[str, Any]]]:
    """Seconds a turn of either side, by round, and what each side says in the end."""
    iterations = FIRST + rounds * TURN
    command = [sys.executable, "-m", "benchmarks.memory", "--train", str(iterations)]
    sides = {
        name: subprocess.Popen(
            command, env={**os.environ, GIGABYTES: str(size)}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for name, size in sizes.items()
    }
    for side in sides.values():
        _answer(side)  # both are ready: what one prepares must not meet a turn of the other
    found = []
    for number in range(rounds):
        seconds = {}
        for name in sorted(sides, reverse=bool(number % 2)):
            seconds[name] = float(_asked(sides[name]))
        found.append(seconds)
    return found, {name: json.loads(_asked(side)) for name, side in sides.items()}


def _asked(side: "subprocess.Popen[str]") -> str:
    assert side.stdin is not None
    side.stdin.write("\n")
    side.stdin.flush()
    return _answer(side)


def _answer(side: "subprocess.Popen[str]") -> str:
    assert side.stdout is not None
    line = side.stdout.readline()
    if not line:
        raise SystemExit(f"a side ended with {side.wait()}; what it said stands above")
    return line


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gigabytes", type=float, default=20)
    parser.add_argument("--fits", type=float, default=0.2)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--train", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.train:
        train(options.train)
        return 0
    rounds, sides = turns({"large": options.gigabytes, "fits": options.fits}, options.rounds)
    ratio = float(np.median([seconds["large"] / seconds["fits"] for seconds in rounds]))
    for name, told in sides.items():
        mine = np.median([seconds[name] for seconds in rounds]) / TURN * 1e3
        print(
            f"{name}: {told['gigabytes']} GB of frames, {sum(told['recordings'].values()):,} recordings: "
            f"{told['training'] / 1e6:,.0f} MB resident at most, {mine:.1f} ms an iteration, "
            f"{told['seconds']:.0f} s in all; {told['export'] / 1e6:,.0f} MB to export {told['recordings']['test']:,} "
            f"recordings, a trace of {told['trace'] / 1e6:,.0f} MB"
        )
    print(f"an iteration takes {ratio:.3f} of the time of frames that fit (median of {len(rounds)} rounds)")
    if options.json:
        content = {"machine": platform.processor(), "ratio": ratio, "rounds": rounds, "sides": sides}
        options.json.write_text(json.dumps(content, indent=1))
    return int(max(sides["large"][stage] for stage in ("training", "export")) > MOST or ratio > 1 + LOSS)


if __name__ == "__main__":
    sys.exit(main())
