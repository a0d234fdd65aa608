"""netx files as lava-dl writes them, made of plain values, and where those of its own wheel are."""

import os
from pathlib import Path
from typing import Any

import h5py
import numpy as np

import deploy
from deploy.errors import DeployError
from deploy.runners.lava.environment import python_for
from deploy.runners.lava.netx import WORKER

GOLDEN = Path(os.environ.get("CKD_DATA", Path(__file__).parents[4] / "shared" / "data")) / "lava-dl" / "pilotnet_lif"

NEURON = {"type": b"CUBA", "iDecay": 4096, "vDecay": 400, "vThMant": 100, "refDelay": 1, "gradedSpike": False}

Layer = dict[str, Any]


def neuron(**changes: Any) -> dict[str, Any]:
    """A neuron group; `None` leaves an entry out."""
    return {f"neuron/{key}": value for key, value in (NEURON | changes).items()}


def layer(kind: str, shape: tuple[int, ...], **values: Any) -> Layer:
    """A layer; keys with two underscores lie in a group, "neuron__wgtExp"."""
    return {"type": kind, "shape": shape, **{key.replace("__", "/"): value for key, value in values.items()}}


def dense(weight: Any, outputs: int | None = None, **changes: Any) -> Layer:
    """A dense layer with neurons; `changes` sets entries of the layer or, with neuron__, of its neurons."""
    values = np.asarray(weight)
    return layer("dense", (outputs or len(values), 1, 1), weight=values, **{**neuron(), **changes})


def conv(weight: Any, shape: tuple[int, ...], **changes: Any) -> Layer:
    geometry = {"stride": (1, 1), "padding": (0, 0), "dilation": (1, 1), "groups": 1}
    return layer("conv", shape, weight=np.asarray(weight), **{**neuron(), **geometry, **changes})


def write_layers(path: Path, *layers: Layer) -> Path:
    """Write the file; a value of None is left out, numbers are floats as PyTorch's are."""
    with h5py.File(path, "w") as file:
        for i, values in enumerate(layers):
            group = file.create_group(f"layer/{i}")
            for key, value in values.items():
                if key == "type":
                    group.create_dataset(key, (1,), "S10", [value.encode()])
                elif isinstance(value, bytes):
                    group.create_dataset(key, data=np.bytes_(value))
                elif value is not None:
                    group.create_dataset(key, data=np.asarray(value, np.float32 if key == "weight" else None))
    return path


def lava_dl_files() -> Path:
    """The folder of netx tests in the wheel of lava-dl 0.6.0, which the environment of the worker has."""
    packages = Path(python_for(WORKER)).parents[1] / "lib" / "python3.10" / "site-packages"
    return packages / "tests" / "lava" / "lib" / "dl" / "netx"


def read_damaged(path: Path, seeds: range) -> dict[str, int]:
    """Read copies of a file with some bytes changed or its end cut off, and run what can be read; counts by outcome.

    Raises:
        whatever is no one-line DeployError.
    """
    good = np.frombuffer(path.read_bytes(), np.uint8)
    damaged, counts = path.with_name("damaged.net"), {"refused": 0, "read": 0}
    for seed in seeds:
        rng = np.random.default_rng(seed)
        data = good.copy()
        where = rng.integers(0, len(data), rng.integers(1, 30))
        data[where] = rng.integers(0, 256, len(where))
        damaged.write_bytes(data[: rng.integers(0, len(data)) if seed % 10 == 0 else None].tobytes())
        try:
            network = deploy.load(damaged)
            assert isinstance(network, deploy.Network)
            if np.prod(network.input_shape) < 1 << 20:
                deploy.run(network, np.ones((1, 2, *network.input_shape), np.uint8))
            counts["read"] += 1
        except DeployError as error:
            assert "\n" not in str(error) and len(str(error)) < 500, (seed, str(error))
            counts["refused"] += 1
    return counts
