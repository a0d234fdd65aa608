"""How the cost of the simulator and of training grows with steps, batch, width, activity, cores and processes.

    python -m benchmarks.scaling [--quick] [--repeats 5] [--json FILE] [--picture FILE]

A VGG w-AP-2w-AP-4w-AP at 34 x 34; of `START` one number is changed at a time. The activity is that of every layer
of the simulator, of training that of the frames. What is given is the cost of a step of a
recording, by that of the start in the same rounds (median). Times are processor time, of cores and processes wall time,
since that is what they save: there other work on the machine counts, and its load is said.
"""

import argparse
import json
import os
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib import pyplot as plt
from rich.console import Console
from rich.table import Table

from benchmarks.networks import at_activity, events, vgg
from benchmarks.turns import in_turns
from deploy.network import Array, Network
from deploy.runners import integer

matplotlib.use("Agg")


@dataclass(frozen=True)
class Point:
    steps: int = 20
    batch: int = 16
    width: int = 16
    activity: float = 0.05
    cores: int = 1
    processes: int = 1

    @property
    def widths(self) -> str:
        return "-AP-".join(str(self.width << n) for n in range(3)) + "-AP"


START = Point()
AXES: dict[str, tuple[float, ...]] = {
    "steps": (5, 10, 20, 40, 80),
    "batch": (4, 8, 16, 32, 64),
    "width": (8, 16, 32, 64),
    "activity": (0.01, 0.05, 0.1, 0.2, 0.4, 0.8),
    "cores": (1, 2),
    "processes": (1, 2),
}
QUICK: dict[str, tuple[float, ...]] = {
    "steps": (10, 20),
    "batch": (8, 16),
    "width": (8, 16),
    "activity": (0.05, 0.4),
    "cores": (1, 2),
    "processes": (1, 2),
}
SHARED = ("cores", "processes")
SHARED_START = replace(START, batch=128)
"""So much that handing it out is not what takes the time."""
Work = Callable[[], Any]


def simulation(point: Point) -> Work:
    network = at_activity(vgg(point.widths, 34, 0), point.activity)
    frames = events(network, point.batch, point.steps, point.activity)
    if point.processes == 1:
        return lambda: with_cores(point.cores, lambda: integer.run(network, frames))
    # Fresh ones: a forked process has none of numba's threads.
    pool = ProcessPoolExecutor(point.processes, mp_context=get_context("spawn"))
    parts = np.array_split(frames, point.processes)
    return lambda: list(pool.map(run_alone, [network] * len(parts), parts))


def run_alone(network: Network, frames: Array) -> int:
    """On one core; how many spikes there were, since a trace would take longer to send than to make."""
    trace = with_cores(1, lambda: integer.run(network, frames))
    return sum(int(layer.output.sum()) for layer in trace.spiking.values())


def with_cores(cores: int, work: Work) -> Any:
    import numba

    before = numba.get_num_threads()
    numba.set_num_threads(min(cores, numba.config.NUMBA_NUM_THREADS))  # pyright: ignore
    try:
        return work()
    finally:
        numba.set_num_threads(before)


def training(point: Point) -> Work:
    import torch

    from ckd.models.student import build_vgg

    torch.manual_seed(0)
    student = build_vgg(point.widths, input_shape=(2, 34, 34), classes=10, first_padding=0)
    frames = (torch.rand(point.steps, point.batch, 2, 34, 34) < point.activity).float()

    def step() -> None:
        torch.set_num_threads(point.cores)
        student(frames).logits.sum().backward()

    return lambda: with_cores(point.cores, step)


SIDES: dict[str, Callable[[Point], Work]] = {"simulator": simulation, "training": training}


def measured(side: str, axis: str, values: tuple[float, ...], repeats: int) -> list[dict[str, float]]:
    """By value: the cost of a step of a recording in ms, and by that of the start (median over the rounds)."""
    start = SHARED_START if axis in SHARED else START
    points = [replace(start, **{axis: type(getattr(start, axis))(value)}) for value in values]
    works, base = {point: SIDES[side](point) for point in points}, points.index(start)
    times = in_turns(works, repeats, clock=time.perf_counter if axis in SHARED else time.process_time)
    found = np.stack([np.array(times[point]) / (point.steps * point.batch) for point in points], axis=1)
    cost, ratio = np.median(found, axis=0) * 1e3, np.median(found / found[:, base, None], axis=0)
    return [dict(zip(("value", "ms", "ratio"), row, strict=True)) for row in zip(values, cost, ratio, strict=True)]


def draw(found: dict[str, dict[str, list[dict[str, float]]]], path: Path) -> None:
    figure, panels = plt.subplots(2, 3, figsize=(10, 5.5), sharey=True, layout="constrained")
    for axis, panel in zip(AXES, panels.flat, strict=True):
        for side, axes in found.items():
            if axis in axes:
                rows = axes[axis]
                panel.plot([row["value"] for row in rows], [row["ratio"] for row in rows], "o-", label=side)
        if axis in SHARED:
            ends = AXES[axis]
            panel.plot(ends, [1 / value for value in ends], ":", color="gray", label="shared out without loss")
        panel.set(xscale="log", yscale="log", xlabel=axis)
        panel.set_xticks(AXES[axis], [f"{value:g}" for value in AXES[axis]], minor=False)
        panel.set_yticks([0.25, 0.5, 1, 2, 4, 8], ["1/4", "1/2", "1", "2", "4", "8"])
        panel.minorticks_off()
        panel.grid(alpha=0.3)
    for panel in panels[:, 0]:
        panel.set_ylabel("cost of a step\nof a recording")
    panels[0, 0].legend()
    panels[1, 1].legend()
    figure.savefig(path, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few values, few rounds")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--picture", type=Path)
    options = parser.parse_args()
    repeats = 2 if options.quick else options.repeats
    table = Table("", "against", "values", "by the start", "ms a step of a recording", title=f"From {START.widths}")
    found: dict[str, dict[str, list[dict[str, float]]]] = {}
    for side in SIDES:
        for axis, values in (QUICK if options.quick else AXES).items():
            if side == "training" and axis == "processes":
                continue
            rows = found.setdefault(side, {})[axis] = measured(side, axis, values, repeats)
            shown = [", ".join(f"{row[key]:.3g}" for row in rows) for key in ("value", "ratio", "ms")]
            table.add_row(side, axis, *shown)
    Console().print(table)
    if options.json:
        machine = {"cpus": os.cpu_count(), "load": os.getloadavg()[0], "start": asdict(START)}
        options.json.write_text(json.dumps(machine | found, indent=1))
    if options.picture:
        draw(found, options.picture)


if __name__ == "__main__":
    main()
