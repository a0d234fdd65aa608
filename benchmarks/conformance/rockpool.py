"""rockpool: `python -m benchmarks.conformance.rockpool FOLDER` is its column (`column`)."""

from pathlib import Path
from typing import Any

import nir
import numpy as np
import torch

from benchmarks.conformance.column import Array, Case, Shape, Tool, main, package

DT = 1e-3
CUBA_ROWS = ("CubaLIF, behind a dense layer", "CubaLIF, recurrent", "CubaLIF, constants a neuron")
DEDUCED = "its reader takes tau / (1 + r) for the step and leaves w_in out; the layer is the one that it writes"
EXPONENTIAL = "as the layer with one spike a step, and it takes off as many thresholds as it sends spikes"


def tool() -> Tool:
    Sequential = package("rockpool.nn.combinators").Sequential
    ExpSynTorch = package("rockpool.nn.modules").ExpSynTorch
    LIFNeuronTorch = package("rockpool.nn.modules").LIFNeuronTorch
    LIFTorch = package("rockpool.nn.modules").LIFTorch
    LinearTorch = package("rockpool.nn.modules").LinearTorch

    def dense(make: Any, note: str = EXPONENTIAL) -> Case:
        return Case(make=lambda: Sequential(LinearTorch((6, 8)), make()), shape=(6,), note=note)

    return Tool(
        name="rockpool",
        packages=("rockpool", "nirtorch", "nir"),
        writes_for=DT,
        cases={
            "LIFNeuronTorch": dense(lambda: LIFNeuronTorch((8,), dt=DT)),
            "LIFTorch": dense(lambda: LIFTorch((8,), dt=DT)),
            "LIFTorch, recurrent": dense(lambda: LIFTorch((8,), dt=DT, has_rec=True)),
            "LIFTorch, biased": dense(lambda: LIFTorch((8,), dt=DT, bias=torch.full((8,), 0.1))),
            "LIFTorch, one spike a step": dense(lambda: LIFTorch((8,), dt=DT, max_spikes_per_dt=1)),
            "ExpSynTorch": dense(lambda: ExpSynTorch((8,), dt=DT)),
        },
        write=_write,
        run=_run,
        read=_read,
        run_read=_run_read,
        reading=dict.fromkeys(CUBA_ROWS, DEDUCED),
    )


def _write(module: Any, shape: Shape, path: Path) -> None:
    to_nir = package("rockpool.nn.modules.torch.nir").to_nir

    nir.write(path, to_nir(module, torch.rand(1, 10, *shape)))


def _run(module: Any, frames: Array) -> Array:
    with torch.no_grad():
        return np.asarray(module(torch.from_numpy(frames).float()[None])[0])[0]


def _read(path: Path) -> Any:
    from_nir = package("rockpool.nn.modules.torch.nir").from_nir

    return from_nir(path)


def _run_read(module: Any, frames: Array) -> Array:
    with torch.no_grad():
        given = module(torch.from_numpy(frames).float()[None])[0]
        return np.asarray(given[0] if isinstance(given, tuple) else given)[0]


if __name__ == "__main__":
    main(tool)
