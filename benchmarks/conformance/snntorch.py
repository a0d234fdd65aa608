"""snnTorch: `python -m benchmarks.conformance.snntorch FOLDER` is its column (`column`)."""

from pathlib import Path
from typing import Any

import nir
import torch

from benchmarks.conformance.column import Array, Case, Shape, Tool, main, outputs, package, step_by_step

N, MAP = 8, (3, 6, 6)


def tool() -> Tool:
    snn = package("snntorch")
    from torch import nn

    def layer(cls: Any, *shape: int, reset: str = "zero", late: bool = False, **more: Any) -> Any:
        size = shape or (N,)
        options: dict[str, Any] = {"beta": torch.full(size, 0.9), "threshold": torch.ones(size), **more}
        return cls(reset_mechanism=reset, reset_delay=late, init_hidden=True, output=True, **options)

    def dense(make: Any) -> Case:
        return Case(make=lambda: nn.Sequential(nn.Linear(6, N), make()), shape=(6,))

    alpha: dict[str, Any] = {"alpha": torch.full((N,), 0.6)}
    scalars: dict[str, Any] = {"beta": 0.9, "threshold": 1.0, "linear_features": N}
    images: dict[str, Any] = {"shape": (2, 6, 6)}
    return Tool(
        name="snnTorch",
        packages=("snntorch", "nirtorch", "nir"),
        writes_for=1e-4,
        cases={
            "Leaky, reset to zero at once": dense(lambda: layer(snn.Leaky)),
            "Leaky, its defaults": dense(lambda: layer(snn.Leaky, reset="subtract", late=True)),
            "Leaky, reset to zero late": dense(lambda: layer(snn.Leaky, late=True)),
            "Leaky, no reset": dense(lambda: layer(snn.Leaky, reset="none")),
            "Leaky, one beta for all": dense(lambda: layer(snn.Leaky, beta=0.9, threshold=1.0)),
            "Leaky, beta 1": dense(lambda: layer(snn.Leaky, beta=torch.ones(N))),
            "Synaptic, reset to zero at once": dense(lambda: layer(snn.Synaptic, **alpha)),
            "Synaptic, its defaults": dense(lambda: layer(snn.Synaptic, reset="subtract", late=True, **alpha)),
            "RLeaky, reset to zero at once": dense(lambda: layer(snn.RLeaky, **scalars)),
            "RSynaptic, reset to zero at once": dense(lambda: layer(snn.RSynaptic, **{**scalars, "alpha": 0.6})),
            "Conv2d": Case(make=lambda: nn.Sequential(nn.Conv2d(2, 3, 3, padding=1), layer(snn.Leaky, *MAP)), **images),
            "AvgPool2d and Flatten": Case(
                make=lambda: nn.Sequential(nn.AvgPool2d(2), nn.Flatten(), nn.Linear(18, N), layer(snn.Leaky)), **images
            ),
        },
        write=_write,
        run=_run,
        read=_read,
        run_read=step_by_step,
    )


def _write(module: Any, shape: Shape, path: Path) -> None:
    export_to_nir = package("snntorch.export_nir").export_to_nir

    nir.write(path, export_to_nir(module, torch.rand(1, *shape), ignore_dims=[0]))


def _run(module: Any, frames: Array) -> Array:
    utils = package("snntorch.utils")

    utils.reset(module)
    return outputs(lambda x: module(x[None])[0], frames)


def _read(path: Path) -> Any:
    import_from_nir = package("snntorch.import_nir").import_from_nir

    return import_from_nir(nir.read(path))


if __name__ == "__main__":
    main(tool)
