"""sinabs: `python -m benchmarks.conformance.sinabs FOLDER` is its column (`column`)."""

from pathlib import Path
from typing import Any

import nir
import numpy as np
import torch

from benchmarks.conformance.column import STEPS, Array, Case, Shape, Tool, main, package

FLOOR = "it takes off thresholds, several a step, and its reader keeps potentials above -v_threshold"
IF_ROWS = ("IF, behind a dense layer", "IF, constants a neuron", "IF, reset to another value")
LIF_ROWS = (
    *("LIF, behind a dense layer", "LIF, constants a neuron", "LIF, reset to another value"),
    *("Affine, before neurons", "Linear, before neurons", "Threshold, behind a dense layer"),
)
LEAK = (
    "its reader makes a layer that keeps exp(-1 / tau), adds the whole input and takes off thresholds, several a step"
)
WHOLE = "r = 1 is written although the layer adds the whole input"


def tool() -> Tool:
    sa = package("sinabs.activation")
    sl = package("sinabs.layers")
    from torch import nn

    single = {"spike_fn": sa.SingleSpike}
    hard = {**single, "reset_fn": sa.MembraneReset()}

    def dense(make: Any, note: str = "") -> Case:
        return Case(make=lambda: nn.Sequential(nn.Linear(6, 8), make()), shape=(6,), note=note)

    def iaf(**options: Any) -> Any:
        return sl.IAFSqueeze(batch_size=1, **options)

    def lif(**options: Any) -> Any:
        return sl.LIFSqueeze(tau_mem=torch.full((8,), 10.0), batch_size=1, norm_input=False, **options)

    images: dict[str, Any] = {"shape": (2, 6, 6)}
    conv: dict[str, Any] = {"make": lambda: nn.Sequential(nn.Conv2d(2, 3, 3, padding=1), iaf(**hard))}
    return Tool(
        name="sinabs",
        packages=("sinabs", "nirtorch", "nir"),
        writes_for=1.0,
        cases={
            "IAFSqueeze, its defaults": dense(iaf),
            "IAFSqueeze, one spike a step": dense(lambda: iaf(**single)),
            "IAFSqueeze, one spike, to zero": dense(lambda: iaf(**hard)),
            "IAFSqueeze, min_v_mem": dense(
                lambda: iaf(min_v_mem=-0.2, **hard), "a lowest potential, which NIR has not, is not written"
            ),
            "LIFSqueeze, one spike, to zero": dense(lambda: lif(**hard), WHOLE),
            "ExpLeakSqueeze": dense(
                lambda: sl.ExpLeakSqueeze(tau_mem=torch.full((8,), 10.0), batch_size=1, norm_input=False), WHOLE
            ),
            "Conv2d": Case(**conv, **images),
            "SumPool2d": Case(make=lambda: nn.Sequential(sl.SumPool2d(2), nn.Conv2d(2, 3, 2), iaf(**hard)), **images),
            "Flatten": Case(make=lambda: nn.Sequential(nn.Flatten(), nn.Linear(72, 8), iaf(**hard)), **images),
        },
        write=_write,
        run=_run,
        read=_read,
        run_read=_run_read,
        reading=dict.fromkeys(IF_ROWS, FLOOR) | dict.fromkeys(LIF_ROWS, LEAK),
    )


def _write(module: Any, shape: Shape, path: Path) -> None:
    to_nir = package("sinabs.nir").to_nir

    nir.write(path, to_nir(module, torch.rand(4, *shape)))


def _run(module: Any, frames: Array) -> Array:
    sinabs = package("sinabs")

    sinabs.reset_states(module)
    with torch.no_grad():
        return np.asarray(module(torch.from_numpy(frames).float()))


def _read(path: Path) -> Any:
    from_nir = package("sinabs.nir").from_nir

    return from_nir(nir.read(path), batch_size=1, num_timesteps=STEPS)


def _run_read(module: Any, frames: Array) -> Array:
    with torch.no_grad():
        return np.asarray(module(torch.from_numpy(frames).float())[0])


if __name__ == "__main__":
    main(tool)
