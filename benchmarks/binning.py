"""Events to frames, on one core, beside tonic's ToFrame in the same run.

    python -m benchmarks.binning

A recording of ten million events (128 x 128 pixels, 300 steps of 1 ms) is binned by both in turn; the best of five
counts. The frames are compared first: they are equal.
"""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from ckd.events import EVENT_DTYPE, Binning, Events, to_frames

EVENTS, SIZE, STEPS = 10_000_000, 128, 300
BINNING = Binning(step_us=1000, steps=STEPS, height=SIZE, width=SIZE, max_count=255)


def recording(seed: int = 0) -> Events:
    rng = np.random.default_rng(seed)
    events = np.empty(EVENTS, EVENT_DTYPE)
    events["x"], events["y"] = rng.integers(0, SIZE, (2, EVENTS))
    events["t"], events["p"] = np.sort(rng.integers(0, STEPS * 1000, EVENTS)), rng.integers(0, 2, EVENTS)
    events["t"][0] = 0
    return events


def peers(events: Events) -> dict[str, Callable[[], Any]]:
    """What to time, by name; tonic only where it is installed."""
    found: dict[str, Callable[[], Any]] = {"ckd.events.to_frames": lambda: to_frames(events, BINNING)}
    try:
        from tonic.transforms import ToFrame
    except ImportError:
        Console().print("tonic is not installed, so nothing is beside us: pip install 'ckd-snn[events]'")
        return found
    transform = ToFrame(sensor_size=(SIZE, SIZE, 2), time_window=1000, include_incomplete=True)
    found["tonic ToFrame"] = lambda: transform(events)
    return found


def best_of(functions: dict[str, Callable[[], Any]], repeats: int = 5) -> dict[str, float]:
    """Processor seconds of the fastest of several runs; the functions take turns."""
    best = dict.fromkeys(functions, float("inf"))
    for _ in range(repeats):
        for name, function in functions.items():
            started = time.process_time()
            function()
            best[name] = min(best[name], time.process_time() - started)
    return best


def main() -> None:
    events = recording()
    functions = peers(events)
    frames = [np.asarray(function()) for function in functions.values()]
    assert frames[0].any() and all(np.array_equal(frames[0], other[:STEPS]) for other in frames)
    seconds = best_of(functions)
    ours = next(iter(seconds.values()))
    table = Table("", "million events a second", "ckd is faster by", title=f"{EVENTS:,} events, one core")
    for name, taken in seconds.items():
        table.add_row(name, f"{EVENTS / taken / 1e6:.0f}", f"{taken / ours:.1f}")
    Console().print(table)


if __name__ == "__main__":
    main()
