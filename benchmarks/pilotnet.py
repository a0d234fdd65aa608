"""lava-dl's golden PilotNet: every spike, current and potential that Intel recorded against the integer simulator.

    python -m benchmarks.pilotnet FOLDER            FOLDER: tests/lava/lib/dl/netx/gts/pilotnet_lif of lava-dl 0.6.0
    python -m benchmarks.pilotnet FOLDER --netx     and how much faster it is than Lava's netx on the same file

The arrays are (x, y, channel, step) and hold one run of 24 steps on a pipeline: the layer of depth k works at step k on
what its input does at step 0, and every 17 steps all states are zeroed, a layer's at k, k + 17, ... So a layer's steps
from k on are those of one recording of 17 steps, and what follows is the beginning of the same again. Where a neuron
spikes its recorded v is 128, which is the chip's probe; after the reset it is 0. The last layer, fc-3, comes from
another run of 25 steps: states zeroed every 16, and one step earlier in every layer, so that the first recording begins
before the picture does, with a step that is dark. Its windows follow from that.
"""

import argparse
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

import deploy
from deploy.network import Array, Network
from deploy.traces.trace import Trace

LAYERS = ("input", *(f"conv-{i}" for i in range(5)), *(f"fc-{i}" for i in range(3)))
LAST = "fc-3"
INTERVAL, LAST_INTERVAL = 17, 16
SUFFIXES = {"spikes": "", "u": "-u", "v": "-v"}
PROBE = 128


@dataclass(frozen=True, kw_only=True)
class Compared:
    """One array of a layer: how many values, how many the simulator gives otherwise, and how many are not 0."""

    layer: str
    kind: str
    values: int
    differing: int
    active: int


def picture(folder: Path) -> Array:
    """The bias mantissas of the input layer, (C, H, W)."""
    return _turned(np.load(folder / "image.npy")).astype(np.uint8)


def compare_golden(folder: Path) -> list[Compared]:
    """Every golden array that is there against the integer simulator."""
    network = deploy.load(folder / "network.net")
    assert isinstance(network, Network)
    frames = np.repeat(picture(folder)[None, None], INTERVAL, axis=1)
    trace = deploy.run(network, frames, on="integer", states=1)
    found = []
    for depth, (golden, layer) in enumerate(zip(LAYERS, trace.layers, strict=False)):
        for kind, suffix in SUFFIXES.items():
            path = folder / f"{golden}{suffix}.npy"
            if path.is_file():
                recorded = _turned(np.load(path))[depth:]
                found.append(_compared(golden, kind, recorded, _again(trace, layer, kind, len(recorded)), trace, layer))
    frames = frames[:, :LAST_INTERVAL].copy()
    frames[:, 0] = 0
    trace = deploy.run(network, frames, on="integer", states=1)
    for kind in ("u", "v"):
        recorded = np.load(folder / f"{LAST}-{kind}.npy").T[len(LAYERS) - 1 :][:LAST_INTERVAL]
        values = trace.layers[list(trace.layers)[-1]][kind][0]
        found.append(_count(LAST, kind, recorded, values))
    return found


def _compared(golden: str, kind: str, recorded: Array, values: Array, trace: Trace, layer: str) -> Compared:
    if kind == "v":
        spiked = _again(trace, layer, "spikes", len(recorded))
        recorded = np.where(spiked & (recorded == PROBE), 0, recorded)
    return _count(golden, kind, recorded, values)


def _count(golden: str, kind: str, recorded: Array, values: Array) -> Compared:
    assert recorded.shape == values.shape, (golden, recorded.shape, values.shape)
    differing, active = int((recorded != values).sum()), int(np.count_nonzero(recorded))
    return Compared(layer=golden, kind=kind, values=recorded.size, differing=differing, active=active)


def _again(trace: Trace, layer: str, kind: str, steps: int) -> Array:
    """The first `steps` steps of a recording that is shown again and again."""
    return np.concatenate([trace.layers[layer][kind][0]] * 2)[:steps]


def _turned(array: Array) -> Array:
    """(x, y, channel, step) to (step, channel, y, x); fewer axes likewise."""
    return array.transpose(tuple(range(array.ndim))[::-1])


def speeds(folder: Path, recordings: int = 20) -> dict[str, float]:
    """Steps a second of netx in Lava and of the integer simulator on the same file and frames, in turns.

    From the difference between a run of many recordings and one of a single one, each the faster of two: starting,
    which takes Lava longer than the steps, does not count. `*_whole` is the long run with all of that.
    """
    network = deploy.load(folder / "network.net")
    frames = np.repeat(picture(folder)[None, None].repeat(recordings, axis=0), INTERVAL, axis=1)
    best: dict[tuple[str, int], float] = {}
    for _ in range(2):
        for count in (1, recordings):
            traces = {}
            for on in ("netx", "integer"):
                started = time.perf_counter()
                traces[on] = deploy.run(network, frames[:count], on=on)
                best[on, count] = min(best.get((on, count), np.inf), time.perf_counter() - started)
            assert deploy.compare(traces["integer"], traces["netx"]), "they differ"
    steps = (recordings - 1) * INTERVAL
    speed = {on: steps / (best[on, recordings] - best[on, 1]) for on in ("netx", "integer")}
    whole = {f"{on}_whole": recordings * INTERVAL / best[on, recordings] for on in ("netx", "integer")}
    ratios = {"ratio": speed["integer"] / speed["netx"], "ratio_whole": whole["integer_whole"] / whole["netx_whole"]}
    return {**speed, **whole, **ratios}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--netx", action="store_true", help="also Lava's netx, in a Python 3.10 of its own")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found = compare_golden(options.folder)
    result: dict[str, Any] = {"golden": [vars(row) for row in found]}
    if options.netx:
        result["steps_per_second"] = speeds(options.folder)
    if options.json:
        print(json.dumps(result))
    else:
        _show(found, result.get("steps_per_second"))
    return int(any(row.differing for row in found))


def _show(found: list[Compared], speed: dict[str, float] | None) -> None:
    console = Console()
    table = Table("layer", "what", "values", "not 0", "differing", title="lava-dl's golden PilotNet, integer simulator")
    for row in found:
        table.add_row(row.layer, row.kind, f"{row.values:,}", f"{row.active:,}", f"{row.differing:,}")
    table.add_row("all", "", *(f"{sum(getattr(r, k) for r in found):,}" for k in ("values", "active", "differing")))
    console.print(table)
    if speed is not None:
        for name, ending in (("steps alone", ""), ("with starting", "_whole")):
            theirs, ours, ratio = (speed[f"{key}{ending}"] for key in ("netx", "integer", "ratio"))
            console.print(f"{name}: netx {theirs:.1f} steps/s, integer {ours:.1f} steps/s, {ratio:.1f} times")


if __name__ == "__main__":
    raise SystemExit(main())
