"""What training and running the student cost beside the same network with ReLU and with other libraries' neurons.

    python -m benchmarks.training [--network small] [--rate 0.1] [--threads 1] [--repeats 5] [--memory] [--json FILE]

All take turns in one process; times are processor seconds, so that other work on the machine does not count, and each
ratio is the median over the rounds of one side's time by ReLU's in the same round. Peak memory is that of a process of
its own in a training step, less what it had before. Batch norm is shifted so that every layer spikes with the rate that
is asked for. A library that is not installed is said and left out. `python -m website.figures` makes the table of
docs/performance.md of what --json gathers in docs/figures/training.jsonl.
"""

import argparse
import json
import platform
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from benchmarks.networks import PAPER
from benchmarks.training_peers import NETWORKS
from benchmarks.turns import in_turns
from ckd.models.buffers import release
from ckd.models.student import Student, build_vgg

SHAPES = {"small": ("32-AP-64-AP-128-AP", 34, 0, 32), "paper": (PAPER, 48, 1, 4)}
"""By name: widths, pixels, padding of the first convolution, batch."""
STEPS, CLASSES = 10, 10
console = Console()


def build(network: str, rate: float) -> tuple[Student, Tensor, Tensor]:
    """A student whose layers spike with this rate, frames (T, N, 2, H, W) and labels."""
    widths, size, padding, batch = SHAPES[network]
    torch.manual_seed(0)
    student = build_vgg(widths, input_shape=(2, size, size), classes=CLASSES, first_padding=padding)
    frames = (torch.rand(STEPS, batch, 2, size, size) < rate).float()
    norms = [module for module in student.nodes.values() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        # So that evaluation, too, has the statistics of these frames.
        norm.momentum = 1.0
    for norm, lif in zip(norms, student.neurons, strict=True):
        low, high = -4.0, 4.0
        for _ in range(12):
            nn.init.constant_(norm.bias, (low + high) / 2)
            low, high = (
                (norm.bias[0].item(), high) if rates(student, frames)[lif] < rate else (low, norm.bias[0].item())
            )
    for mode in (True, False):
        assert all(abs(found - rate) < rate / 5 for found in rates(student.train(mode), frames).values())
    for norm in norms:
        norm.momentum = 0.1
    student.train()
    return student, frames, torch.randint(0, CLASSES, (batch,))


@torch.no_grad()
def rates(student: Student, frames: Tensor) -> dict[str, float]:
    found = {}
    student(frames, observe=lambda name, out: found.__setitem__(name, float(out.count_nonzero()) / out.numel()))
    return {name: found[name] for name in student.neurons}


def training_step(name: str, student: Student, frames: Tensor, labels: Tensor) -> Callable[[], None]:
    forward, parameters = NETWORKS[name](student)
    wanted = list(parameters)

    def step() -> None:
        for parameter in wanted:
            parameter.grad = None
        nn.functional.cross_entropy(forward(frames).mean(0), labels).backward()

    return step


def inference(name: str, student: Student, frames: Tensor, labels: Tensor) -> Callable[[], None]:
    forward, _ = NETWORKS[name](student.eval())

    def step() -> None:
        with torch.inference_mode():
            forward(frames)

    return step


def ratios(functions: dict[str, Callable[[], None]], repeats: int) -> dict[str, dict[str, float]]:
    """By name, milliseconds (median), and the median ratio to ReLU's of the same round."""
    times = {name: np.array(values) for name, values in in_turns(functions, repeats, uncounted=1).items()}
    return {
        name: {"ms": round(float(np.median(mine)) * 1e3, 1), "ratio": round(float(np.median(mine / times["ReLU"])), 3)}
        for name, mine in times.items()
    }


def peak(name: str, network: str, rate: float) -> float:
    """MiB that a training step takes beyond what the process had before, in a process of its own."""
    given = [sys.executable, "-m", "benchmarks.training", "--network", network, "--rate", str(rate), "--peak", name]
    ran = subprocess.run(given, capture_output=True, text=True, check=True)
    return float(ran.stdout.split()[-1])


def _peak_here(name: str, network: str, rate: float) -> float:
    student, frames, labels = build(network, rate)
    # A small batch first: what is compiled and loaded does not count.
    training_step(name, student, frames[:, :1], labels[:1])()
    release()
    Path("/proc/self/clear_refs").write_text("5")
    before = _resident("VmRSS")
    training_step(name, student, frames, labels)()
    return (_resident("VmHWM") - before) / 1024


def _resident(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field + ":"))


def measured(network: str, rate: float, names: list[str], repeats: int, memory: bool) -> dict[str, Any]:
    student, frames, labels = build(network, rate)
    found: dict[str, Any] = {"network": network, "rate": rate}
    for kind, make in (("training", training_step), ("inference", inference)):
        functions: dict[str, Callable[[], None]] = {}
        for name in names:
            try:
                functions[name] = make(name, student, frames, labels)
            except ImportError as error:
                console.print(f"{name} is left out: {error}")
        found[kind] = ratios(functions, repeats)
    if memory:
        found["peak_mib"] = {name: round(peak(name, network, rate)) for name in found["training"]}
    return found


def table(found: dict[str, Any]) -> Table:
    title = (
        f"{SHAPES[found['network']][0]}, {found['rate']:.0%} spikes, T = {STEPS}, batch {SHAPES[found['network']][3]}"
    )
    shown = Table("", "training ms", "by ReLU", "inference ms", "by ReLU", "peak MiB", title=title)
    for name, step in found["training"].items():
        forward, memory = found["inference"][name], found.get("peak_mib", {}).get(name)
        cells = [f"{step['ms']:.0f}", f"{step['ratio']:.2f}", f"{forward['ms']:.0f}", f"{forward['ratio']:.2f}"]
        shown.add_row(name, *cells, "" if memory is None else f"{memory:.0f}")
    return shown


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", choices=list(SHAPES), default="small")
    parser.add_argument("--rate", type=float, default=0.1, help="share of neurons that spike in a step")
    parser.add_argument("--threads", type=int, default=1, help="of every side")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--only", nargs="+", choices=list(NETWORKS), default=list(NETWORKS), help="sides; with ReLU")
    parser.add_argument("--memory", action="store_true", help="peak memory too")
    parser.add_argument("--json", type=Path, help="file to which the result is added, a line")
    parser.add_argument("--peak", choices=list(NETWORKS), help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.peak:
        print(_peak_here(options.peak, options.network, options.rate))
        return
    found = measured(
        options.network, options.rate, list(dict.fromkeys(["ReLU", *options.only])), options.repeats, options.memory
    )
    found |= {
        "threads": options.threads,
        "machine": platform.processor() or platform.machine(),
        "torch": torch.__version__,
    }
    console.print(table(found))
    if options.json:
        with options.json.open("a") as file:
            file.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
