"""Networks, frames and files that several test files build."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from ckd.events import EVENT_DTYPE, Binning, write_recording
from deploy import grid
from deploy.formats.nir import write_nir
from deploy.network import Array, Conv, Dense, Flatten, GridNeuron, Input, Network, Node, Output
from deploy.runners import integer


def even(rng: np.random.Generator, *shape: int, largest: int = 120) -> Array:
    """Weights of mixed sign on the grid, a little more excitation than inhibition."""
    return rng.integers(-largest // 3, largest // 2, shape) * 2


def cells(
    *shape: int, vth: Array | int | None = 100, du: Array | int = 4095, dv: Array | int = 400, bias: Array | int = 0
) -> GridNeuron:
    """Neurons on the grid whose current is immediate, if nothing else is said."""
    values = {"du": du, "dv": dv, "bias": bias, "vth": vth}
    arrays = {name: None if value is None else np.asarray(value) for name, value in values.items()}
    return GridNeuron(shape=shape, **arrays)  # pyright: ignore


def chain(**nodes: Node) -> Network:
    """Nodes one after the other; `in_` is called input."""
    names = [name.replace("in_", "input") for name in nodes]
    return Network(nodes=dict(zip(names, nodes.values(), strict=True)), edges=tuple(pairwise(names)))


def events(rng: np.random.Generator, recordings: int, steps: int, shape: tuple[int, ...], rate: float = 0.15) -> Array:
    """Frames (R, T, *shape) of 0 and 1."""
    return (rng.random((recordings, steps, *shape)) < rate).astype(np.uint8)


def small(**changes: Node) -> Network:
    """Three inputs, two neurons; `changes` replaces nodes by name."""
    nodes: dict[str, Node] = {
        "input": Input(shape=(3,)),
        "fc": Dense(weight=np.full((2, 3), 2)),
        "lif": cells(2),
        "output": Output(),
    }
    return chain(**(nodes | changes))


FRAMES = np.ones((1, 2, 3), np.uint8)
"""For `small`."""

BINNING = Binning(step_us=1000, steps=7, height=10, width=10)
"""Of the small network."""


def small_network() -> Network:
    """Convolution with biases, convolution with stride, dense readout; all layers spike."""
    rng = np.random.default_rng(3)

    def weight(*shape: int) -> Array:
        return (rng.integers(-50, 70, shape) * 2).astype(np.int32)

    def lif(shape: tuple[int, ...], dv: int, vth: int, bias: Array) -> GridNeuron:
        du = np.array(grid.DU_IMMEDIATE, np.int32)
        return GridNeuron(shape=shape, du=du, dv=np.array(dv, np.int32), vth=np.array(vth, np.int32), bias=bias)

    readout = replace(lif((3,), 0, 0, np.array([5, -5, 40], np.int32)), vth=None)
    nodes = {
        "input": Input(shape=(2, 10, 10)),
        "conv1": Conv(weight=weight(4, 2, 3, 3), padding=(1, 1)),
        "lif1": lif((4, 10, 10), 2048, 110, rng.integers(-900, 900, (4, 1, 1)).astype(np.int32)),
        "conv2": Conv(weight=weight(6, 4, 4, 4), stride=(2, 2), padding=(1, 1)),
        "lif2": lif((6, 5, 5), 512, 700, np.zeros((6, 1, 1), np.int32)),
        "flatten": Flatten(),
        "classifier": Dense(weight=weight(3, 150)),
        "readout": readout,
        "output": Output(),
    }
    return Network(
        nodes=nodes,
        edges=tuple(pairwise(nodes)),
        binning=BINNING,
        classes=("circle", "square", "star"),
        chip="loihi2",
        scale_bits={"lif1": 7, "lif2": 8, "readout": 9},
    )


def small_frames() -> Array:
    """Nine recordings for the small network."""
    return (np.random.default_rng(4).random((9, BINNING.steps, *BINNING.frame_shape)) < 0.15).astype(np.uint8)


def write_model(folder: Path) -> Path:
    """The small network as student.nir, and student.trace beside it: its nine recordings, three of each class."""
    path = folder / "student.nir"
    network = small_network()
    write_nir(network, path)
    trace = integer.run(network, small_frames(), states=2, digests=True)
    trace.labeled(np.arange(9) % 3, tuple(map(str, range(9)))).save(path.with_suffix(".trace"))
    return path


SENSOR = (60, 80)
"""Of the camera in `write_own_data`."""


def write_own_data(folder: Path) -> Path:
    """Recordings and stills of a bar that stands (class `high`) or lies (class `wide`)."""
    from PIL import Image

    rng = np.random.default_rng(0)
    for label, box in (("high", (36, 10, 44, 50)), ("wide", (10, 26, 70, 34))):
        (folder / "images" / label).mkdir(parents=True)
        for i in range(12):
            recording = np.zeros(4000, EVENT_DTYPE)
            recording["x"], recording["y"] = rng.integers(box[0], box[2], 4000), rng.integers(box[1], box[3], 4000)
            recording["t"], recording["p"] = np.sort(rng.integers(0, 320_000, 4000)), rng.integers(0, 2, 4000)
            write_recording(folder / "recordings" / label / f"{i}.bin", recording)
            pixels = np.zeros(SENSOR, np.uint8)
            pixels[box[1] : box[3], box[0] : box[2]] = 255
            Image.fromarray(pixels).convert("RGB").save(folder / "images" / label / f"{i}.png")
    return folder
