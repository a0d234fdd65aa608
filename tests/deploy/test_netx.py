"""A netx file in Lava, as lava-dl loads it, against the plain reference."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from deploy.errors import RunnerError
from deploy.network import Conv, Dense, Flatten, GridNeuron, Input, Network, Output
from deploy.runners.netx import run_netx
from tests.deploy.plain import cells, chain, even, events, needs_lava, reference


def write_netx(path: Path, network: Network) -> None:
    """The layout that `lava.lib.dl.netx.hdf5.Network` reads, for a plain chain."""
    names = list(network.nodes)
    with h5py.File(path, "w") as file:
        index = 0

        def layer(kind: str, **values: Any) -> h5py.Group:
            nonlocal index
            group = file.create_group(f"layer/{index}")
            index += 1
            for key, value in {"type": np.bytes_(kind), **values}.items():
                group.create_dataset(key, data=value)
            return group

        for name, after in zip(names, [*names[1:], ""], strict=True):
            node, cell = network.nodes[name], network.nodes.get(after)
            if isinstance(node, Input):
                layer("input", shape=node.shape)
            elif isinstance(node, Flatten):
                layer("flatten")
            elif isinstance(node, Dense | Conv):
                assert isinstance(cell, GridNeuron)
                geometry = {}
                if isinstance(node, Conv):
                    geometry = {key: getattr(node, key) for key in ("stride", "padding", "dilation", "groups")}
                kind = "conv" if isinstance(node, Conv) else "dense"
                bias = np.broadcast_to(cell.bias, cell.shape).reshape(cell.shape[0], -1)[:, 0] >> 6
                group = layer(kind, shape=cell.shape, weight=node.weight, bias=bias, **geometry)
                neuron = {
                    "iDecay": cell.du + 1,
                    "vDecay": cell.dv,
                    "vThMant": 1 << 17 if cell.vth is None else cell.vth,
                }
                for key, value in {"type": np.bytes_("CUBA"), **neuron}.items():
                    group.create_dataset(f"neuron/{key}", data=value)


@needs_lava
def test_a_netx_file_gives_the_same_spikes_in_lava(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    network = chain(
        input=Input(shape=(2, 7, 9)),
        conv1=Conv(weight=even(rng, 4, 2, 3, 2), stride=(2, 1), padding=(1, 0)),
        lif1=cells(4, 4, 8, vth=120, bias=rng.integers(0, 15, (4, 1, 1)) * 64),
        conv2=Conv(weight=even(rng, 3, 4, 2, 2)),
        lif2=cells(3, 3, 7, vth=150, du=2000, bias=rng.integers(0, 9, (3, 1, 1)) * 64),
        flatten=Flatten(),
        fc=Dense(weight=even(rng, 8, 63, largest=60)),
        lif3=cells(8, vth=250, bias=rng.integers(0, 9, 8) * 64),
        fc2=Dense(weight=even(rng, 4, 8, largest=40)),
        readout=cells(4, vth=None, dv=100),
        output=Output(),
    )
    path = tmp_path / "student.net"
    write_netx(path, network)
    frames = events(rng, 3, 15, network.input_shape)
    trace = run_netx(path, frames, names=list(network.neurons))
    expected = reference(network, frames)
    for name in ("lif1", "lif2", "lif3"):
        assert 0.01 < trace.aligned("spikes", name).mean() < 0.9
        np.testing.assert_array_equal(trace.aligned("spikes", name), expected[name]["spikes"], err_msg=name)
    np.testing.assert_array_equal(trace.aligned("v", "readout"), expected["readout"]["v"])
    np.testing.assert_array_equal(trace.predictions, expected["readout"]["v"][:, -1].argmax(axis=1))


def test_a_missing_netx_file_is_named() -> None:
    with pytest.raises(RunnerError, match=r"nowhere\.net: no such netx file"):
        run_netx(Path("nowhere.net"), np.ones((1, 2, 3), np.uint8))
