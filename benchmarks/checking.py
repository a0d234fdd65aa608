"""What a check costs beside the simulation it checks: 1,000 recordings of N-MNIST's size, in one run.

    python -m benchmarks.checking                  asked: check at most 2 times the simulation

The simulation is the integer runner alone, no states kept. The check is `deploy.checking.check` from files: reading the
trace, running the model with the states that the trace holds, comparing everything. Frames are random, with as many
events a recording as N-MNIST has (4,100); the reference is the integer runner's own trace, with u and v of 8 recordings
and checksums of all, as ckd-export writes it.
"""

import argparse
import itertools
import json
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ckd.events import Binning
from deploy.checking.check import check
from deploy.formats.nir import write_nir
from deploy.network import Conv, Dense, Flatten, GridNeuron, Input, Network, Node, Output
from deploy.runners.table import run

EVENTS = 4100


def build(rng: np.random.Generator, steps: int) -> Network:
    """34 x 34 x 2 -> conv 8 (5 x 5, stride 2) -> conv 16 (3 x 3, stride 2) -> 10, as in the issue on simulators."""

    def even(*shape: int) -> NDArray[Any]:
        return rng.integers(-50, 60, shape) * 2

    def cells(*shape: int, vth: int | None, dv: int = 1024) -> GridNeuron:
        threshold = None if vth is None else np.array(vth)
        return GridNeuron(shape=shape, du=np.array(4095), dv=np.array(dv), vth=threshold, bias=np.array(0))

    nodes: dict[str, Node] = {
        "input": Input(shape=(2, 34, 34)),
        "conv1": Conv(weight=even(8, 2, 5, 5), stride=(2, 2)),
        "lif1": cells(8, 15, 15, vth=300),
        "conv2": Conv(weight=even(16, 8, 3, 3), stride=(2, 2)),
        "lif2": cells(16, 7, 7, vth=300),
        "flatten": Flatten(),
        "fc": Dense(weight=even(10, 784)),
        "readout": cells(10, vth=None, dv=0),
        "output": Output(),
    }
    bits = {name: 7 for name, node in nodes.items() if isinstance(node, GridNeuron)}
    binning = Binning(step_us=300_000 // steps, steps=steps, height=34, width=34)
    return Network(nodes=nodes, edges=tuple(itertools.pairwise(nodes)), binning=binning, chip="loihi2", scale_bits=bits)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recordings", type=int, default=1000)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    rng = np.random.default_rng(0)
    network = build(rng, asked.steps)
    density = EVENTS / (asked.steps * 2 * 34 * 34)
    frames = (rng.random((asked.recordings, asked.steps, 2, 34, 34)) < density).astype(np.uint8)
    run(network, frames[:2], states=1, digests=True)  # compiles
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "student.nir"
        write_nir(network, model)
        trace = run(network, frames, states=8, digests=True)
        replace(trace, labels=trace.predictions).save(model.with_suffix(".trace"))
        simulating, checking = [], []
        checked = check(model)
        for _ in range(9):
            started = time.perf_counter()
            run(network, frames)
            simulating.append(time.perf_counter() - started)
            started = time.perf_counter()
            checked = check(model)
            checking.append(time.perf_counter() - started)
            assert checked.equal and checked.verdict.recordings == asked.recordings
    result = {
        "recordings": asked.recordings,
        "steps": asked.steps,
        "rates": {layer.layer: round(layer.rate, 4) for layer in checked.verdict.layers if layer.spiking},
        "simulation_s": round(min(simulating), 3),
        "check_s": round(min(checking), 3),
        "ratio": round(min(checking) / min(simulating), 2),
    }
    print(json.dumps(result) if asked.json else "\n".join(f"{name:14} {value}" for name, value in result.items()))


if __name__ == "__main__":
    main()
