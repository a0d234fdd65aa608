"""norse: `python -m benchmarks.conformance.norse FOLDER` is its column (`column`)."""

from pathlib import Path
from typing import Any

import nir
import torch

from benchmarks.conformance.column import Case, Shape, Tool, main, package, step_by_step

LATE = "LIFCell's potential takes the current of the step before, and the gain of that current is not written"


def tool() -> Tool:
    nt = package("norse.torch")
    from torch import nn

    def dense(make: Any, note: str = "", gain: float = 10.0) -> Case:
        def module() -> Any:
            linear = nn.Linear(6, 8)
            linear.weight.data *= gain  # a tenth of the input arrives in a step
            return nt.SequentialState(linear, make())

        return Case(make=module, shape=(6,), note=note)

    def images() -> Any:
        conv = nn.Conv2d(2, 3, 3, padding=1)
        conv.weight.data *= 10
        return nt.SequentialState(conv, nt.LIFBoxCell())

    return Tool(
        name="norse",
        packages=("norse", "nirtorch", "nir"),
        writes_for=1e-6,
        cases={
            "LIFBoxCell": dense(nt.LIFBoxCell),
            "LIFCell": dense(nt.LIFCell, LATE),
            "IAFCell": dense(nt.IAFCell, "its r = 1 is for a step of 1: --dt 1", gain=1),
            "LIBoxCell": dense(nt.LIBoxCell),
            "Conv2d": Case(make=images, shape=(2, 6, 6)),
        },
        write=_write,
        run=step_by_step,
        read=_read,
        run_read=step_by_step,
    )


def _write(module: Any, shape: Shape, path: Path) -> None:
    nt = package("norse.torch")

    nir.write(path, nt.to_nir(module, torch.rand(1, *shape)))


def _read(path: Path) -> Any:
    nt = package("norse.torch")

    return nt.from_nir(nir.read(path), dt=1e-3, ignore_warnings=True)


if __name__ == "__main__":
    main(tool)
