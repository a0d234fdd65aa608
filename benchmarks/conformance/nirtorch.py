"""nirtorch without state: `python -m benchmarks.conformance.nirtorch FOLDER` is its column (`column`)."""

from pathlib import Path
from typing import Any

import nir
import numpy as np

from benchmarks.conformance.column import Case, Shape, Tool, main, outputs, package


def tool() -> Tool:
    from torch import nn

    return Tool(
        name="nirtorch",
        packages=("nirtorch", "nir"),
        writes_for=1.0,
        cases={
            "Linear with a bias": Case(make=lambda: nn.Sequential(nn.Linear(6, 8)), shape=(6,)),
            "Linear without": Case(make=lambda: nn.Sequential(nn.Linear(6, 8, bias=False)), shape=(6,)),
            "two in a row": Case(make=lambda: nn.Sequential(nn.Linear(6, 8), nn.Linear(8, 5)), shape=(6,)),
            "Conv2d": Case(make=lambda: nn.Sequential(nn.Conv2d(2, 3, 3)), shape=(2, 6, 6)),
        },
        write=_write,
        run=lambda module, frames: np.cumsum(outputs(lambda x: module(x[None]), frames), axis=0),
        read=_read,
        run_read=lambda module, frames: np.cumsum(outputs(lambda x: module(x[None])[0], frames), axis=0),
        reading={
            "Affine": "its map for Affine sets `weight.bias`, and the layer keeps the random bias it was made with"
        },
    )


def _write(module: Any, shape: Shape, path: Path) -> None:
    nirtorch = package("nirtorch")

    del shape
    nir.write(path, nirtorch.torch_to_nir(module, {}))


def _read(path: Path) -> Any:
    nirtorch = package("nirtorch")

    return nirtorch.nir_to_torch(nir.read(path), {})


if __name__ == "__main__":
    main(tool)
