"""A stream of a million frames: does memory stay flat, and are the spikes those of a batch run?

    python -m benchmarks.soak student.nir                 a million frames, in about ten minutes on one core
    python -m benchmarks.soak student.nir --frames 20000  a short one

The frames are those of the trace beside the model, its recordings one after the other in an order drawn anew for every
window of 2,000 frames. They are streamed as a camera gives them, in blocks of 1 to 16 frames drawn by chance, through
one `Simulator` that keeps its state from the first frame to the last. Held against that:

- the batch run: the same stream, a window a call, by another `Simulator`; every spike of every layer and every
  potential of the readout enters a SHA-256 a window, and each of them must be the same;
- `integer.run`, which allocates a whole recording at once, over the first windows, array by array;
- memory: the resident set after 10 %, 50 % and 100 % of the stream.
"""

import argparse
import hashlib
import json
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from deploy.formats.files import load_network
from deploy.network import Array, Network
from deploy.runners import integer
from deploy.traces.trace import load_trace

WINDOW = 2000
"""Frames of the stream that are drawn at once."""
LARGEST_BLOCK = 16
WHOLE_WINDOWS = 5
"""So many of the first windows are also held against `integer.run`."""
MEASURED = (10, 50, 100)
"""At these per cents of the stream memory is measured."""
GROWTH = 1.02
"""Memory is flat where it has not grown by more than this since the first measurement; an allocator is not exact."""

Given = dict[str, dict[str, Array]]
"""What `Simulator.advance` gives."""


@dataclass(kw_only=True)
class Streamed:
    """What one pass over the stream gave."""

    digests: list[str] = field(default_factory=list)
    """A SHA-256 a window."""
    spikes: dict[str, int] = field(default_factory=dict)
    megabytes: dict[int, float] = field(default_factory=dict)
    """By the per cent of the stream, the resident set."""
    overflows: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0


def window(recorded: Array, index: int) -> Array:
    """Frames (1, WINDOW, *input_shape) of a stream: recordings (R, T, ...) in an order of this window's own."""
    rng = np.random.default_rng(index)
    chosen = rng.integers(0, len(recorded), -(-WINDOW // recorded.shape[1]))
    return recorded[chosen].reshape(1, -1, *recorded.shape[2:])[:, :WINDOW]


def blocks(index: int) -> Iterator[slice]:
    """The blocks in which a window is streamed."""
    rng = np.random.default_rng([index, 1])
    start = 0
    while start < WINDOW:
        stop = start + int(rng.integers(1, LARGEST_BLOCK + 1))
        yield slice(start, min(stop, WINDOW))
        start = stop


def stream(network: Network, recorded: Array, windows: int, *, whole: bool) -> Streamed:
    """Take the stream through one simulator, in blocks or (`whole`) a window a call."""
    simulator, result = integer.Simulator(network, 1), Streamed()
    at = {-(-windows * percent // 100): percent for percent in MEASURED}
    started = time.perf_counter()
    for index in range(windows):
        frames, digest = window(recorded, index), hashlib.sha256()
        for part in [slice(0, WINDOW)] if whole else blocks(index):
            given = simulator.advance(frames[:, part])
            for step in range(part.stop - part.start):
                _enter(digest, given, step)
            for name, spikes in given["spikes"].items():
                result.spikes[name] = result.spikes.get(name, 0) + int(np.count_nonzero(spikes))
        result.digests.append(digest.hexdigest())
        if index + 1 in at:
            result.megabytes[at[index + 1]] = resident_megabytes()
    result.seconds, result.overflows = time.perf_counter() - started, simulator.overflows
    return result


def _enter(digest: Any, given: Given, step: int) -> None:
    """Add one step to a digest: the spikes of all layers, and the potential of the readout."""
    for name in sorted(given["spikes"]):
        digest.update(np.packbits(given["spikes"][name][0, step]).tobytes())
    for name in sorted(given["v"]):
        digest.update(np.ascontiguousarray(given["v"][name][0, step]).tobytes())


def differs_from_run(network: Network, recorded: Array, windows: int) -> list[str]:
    """The layers in which blocks give other spikes, or potentials of a readout, than `integer.run`, over windows."""
    frames = np.concatenate([window(recorded, index) for index in range(windows)], axis=1)
    trace, simulator, found = integer.run(network, frames), integer.Simulator(network, 1), set()
    for index in range(windows):
        for part in blocks(index):
            span = slice(index * WINDOW + part.start, index * WINDOW + part.stop)
            given = simulator.advance(frames[:, span])
            for name, layer in trace.layers.items():
                if not np.array_equal(given[layer.gives][name], layer.output[:, span]):
                    found.add(name)
    return sorted(found)


def resident_megabytes() -> float:
    """What this process holds in memory now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return round(pages * os.sysconf("SC_PAGE_SIZE") / 1e6, 1)


def soak(model: Path, windows: int) -> dict[str, Any]:
    """The three comparisons, as plain values; `sound` says whether all of them hold."""
    network, recorded = load_network(model), load_trace(model.with_suffix(".trace")).frames
    assert recorded is not None, f"{model}: its trace holds no frames"
    # First: what is compiled and allocated once is there before memory is measured.
    differing = differs_from_run(network, recorded, min(WHOLE_WINDOWS, windows))
    streamed = stream(network, recorded, windows, whole=False)
    batch = stream(network, recorded, windows, whole=True)
    unequal = [i for i, pair in enumerate(zip(streamed.digests, batch.digests, strict=True)) if len(set(pair)) > 1]
    first, *later = streamed.megabytes.values()
    flat = all(value <= GROWTH * first for value in later)
    spiking = all(streamed.spikes.values())
    return {
        "frames": windows * WINDOW,
        "megabytes": streamed.megabytes,
        "flat": flat,
        "windows_that_differ": unequal,
        "layers_that_differ_from_run": differing,
        "spikes": streamed.spikes,
        "overflows_equal": streamed.overflows == batch.overflows,
        "seconds_streamed": round(streamed.seconds, 1),
        "seconds_in_windows": round(batch.seconds, 1),
        "sound": flat and spiking and not unequal and not differing and streamed.overflows == batch.overflows,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="a model on the grid, its trace with frames beside it")
    parser.add_argument("--frames", type=int, default=1_000_000)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    result = soak(asked.model, max(1, asked.frames // WINDOW))
    print(json.dumps(result) if asked.json else "\n".join(f"{name:28} {value}" for name, value in result.items()))
    return 0 if result["sound"] else 1


if __name__ == "__main__":
    sys.exit(main())
