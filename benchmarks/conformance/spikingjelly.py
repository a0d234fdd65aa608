"""spikingjelly: `python -m benchmarks.conformance.spikingjelly FOLDER` is its column (`column`)."""

from pathlib import Path
from typing import Any

import torch

from benchmarks.conformance.column import Array, Case, Shape, Tool, main, outputs, package, step_by_step

DT = 1e-4
STARTS = "it begins with v = v_reset, and NIR has no place for where a neuron begins; the first steps differ"


def tool() -> Tool:
    layer = package("spikingjelly.activation_based.layer")
    neuron = package("spikingjelly.activation_based.neuron")
    from torch import nn

    def dense(make: Any, note: str = "") -> Case:
        return Case(make=lambda: nn.Sequential(layer.Linear(6, 8), make()), shape=(6,), note=note)

    images: dict[str, Any] = {"shape": (2, 6, 6)}
    return Tool(
        name="spikingjelly",
        packages=("spikingjelly", "nirtorch", "nir"),
        writes_for=DT,
        cases={
            "IFNode": dense(neuron.IFNode),
            "IFNode, soft reset": dense(lambda: neuron.IFNode(v_reset=None)),  # pyright: ignore
            "LIFNode": dense(lambda: neuron.LIFNode(tau=2.0, v_threshold=0.3)),
            "LIFNode, the whole input": dense(lambda: neuron.LIFNode(tau=4.0, decay_input=False)),
            "LIFNode, v_reset -0.2": dense(lambda: neuron.LIFNode(tau=4.0, decay_input=False, v_reset=-0.2), STARTS),
            "ParametricLIFNode": dense(lambda: neuron.ParametricLIFNode(init_tau=3.0, v_threshold=0.3)),
            "CUBALIFNode": dense(lambda: neuron.CUBALIFNode(c_decay=0.5, v_decay=0.75)),
            "Conv2d": Case(make=lambda: nn.Sequential(layer.Conv2d(2, 3, 3, padding=1), neuron.IFNode()), **images),
            "Conv2d, groups": Case(
                make=lambda: nn.Sequential(layer.Conv2d(2, 4, 3, groups=2), neuron.IFNode()), **images
            ),
            "AvgPool2d and Flatten": Case(
                make=lambda: nn.Sequential(layer.AvgPool2d(2), layer.Flatten(), layer.Linear(18, 8), neuron.IFNode()),
                **images,
            ),
        },
        write=_write,
        run=_run,
        read=_read,
        run_read=step_by_step,
        reading={"IF, reset to another value": STARTS},
    )


def _write(module: Any, shape: Shape, path: Path) -> None:
    export_to_nir = package("spikingjelly.activation_based.nir_exchange").export_to_nir

    export_to_nir(module, torch.rand(1, *shape), path, dt=DT)


def _run(module: Any, frames: Array) -> Array:
    functional = package("spikingjelly.activation_based.functional")

    functional.reset_net(module)
    return outputs(lambda x: module(x[None]), frames)


def _read(path: Path) -> Any:
    import_from_nir = package("spikingjelly.activation_based.nir_exchange").import_from_nir

    return import_from_nir(path, dt=DT)


if __name__ == "__main__":
    main(tool)
