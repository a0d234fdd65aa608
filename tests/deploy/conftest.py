"""A small network on the grid whose layers all spike, its file and its trace."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from ckd.events import Binning
from deploy import grid
from deploy.formats.nir import write_nir
from deploy.network import Array, Conv, Dense, Flatten, GridNeuron, Input, Network, Output
from deploy.runners import integer

BINNING = Binning(step_us=1000, steps=7, height=10, width=10)


@pytest.fixture(scope="session")
def small_network() -> Network:
    """Convolution with biases, convolution with stride, dense readout."""
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
    names = list(nodes)
    return Network(
        nodes=nodes,
        edges=tuple(pairwise(names)),
        binning=BINNING,
        classes=("circle", "square", "star"),
        chip="loihi2",
        scale_bits={"lif1": 7, "lif2": 8, "readout": 9},
    )


@pytest.fixture(scope="session")
def small_frames() -> Array:
    rng = np.random.default_rng(4)
    return (rng.random((9, BINNING.steps, *BINNING.frame_shape)) < 0.15).astype(np.uint8)


@pytest.fixture
def model(small_network: Network, small_frames: Array, tmp_path: Path) -> Path:
    """student.nir with its student.trace beside it."""
    path = tmp_path / "student.nir"
    write_nir(small_network, path)
    labels = np.arange(9) % 3
    trace = integer.run(small_network, small_frames, states=2, digests=True)
    replace(trace, labels=labels, names=tuple(str(i) for i in range(9))).save(path.with_suffix(".trace"))
    return path
