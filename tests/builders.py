"""Networks, frames and files that several test files build."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from ckd.events import Binning
from deploy import grid
from deploy.formats.nir import write_nir
from deploy.network import Array, Conv, Dense, Flatten, GridNeuron, Input, Network, Output
from deploy.runners import integer

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
        grid="loihi2",
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
    trace = integer.run(network, small_frames(), keep_states=2)
    replace(trace, labels=np.arange(9) % 3, names=tuple(map(str, range(9)))).save(path.with_suffix(".trace"))
    return path
