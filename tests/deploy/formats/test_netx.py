"""netx files: what they hold, what is refused by name, and that Lava runs them as the plain reference does."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import deploy
from ckd.events import Binning
from deploy.errors import DeployError, GridError, ModelError, RunnerError, UnsupportedError
from deploy.formats.files import load
from deploy.formats.netx import fit_to_netx, write_netx
from deploy.network import Conv, Delay, Dense, Flatten, GridNeuron, Input, Network, Output, SumPool
from deploy.passes.fold_pooling import fold_pooling
from deploy.runners import integer
from tests.builders import FRAMES, cells, chain, even, events, small
from tests.deploy.marks import needs_lava
from tests.deploy.runners.plain import reference


def convolutional(rng: np.random.Generator) -> Network:
    """Everything that netx can say: pooling to fold, strides, groups, biases, currents, layers of one sign."""
    return chain(
        input=Input(shape=(2, 14, 18)),
        pool=SumPool(kernel=(2, 2), stride=(2, 2)),
        conv1=Conv(weight=even(rng, 4, 2, 3, 2), stride=(2, 1), padding=(1, 0)),
        lif1=cells(4, 4, 8, vth=120, bias=rng.integers(0, 15, (4, 1, 1)) * 64),
        conv2=Conv(weight=even(rng, 4, 2, 2, 2), groups=2),
        lif2=cells(4, 3, 7, vth=150, du=2000, bias=rng.integers(0, 9, (4, 3, 7)) * 64),
        flatten=Flatten(),
        fc=Dense(weight=even(rng, 8, 84, largest=60), weight_exp=1),
        lif3=cells(8, vth=250, bias=rng.integers(0, 9, 8) * 64),
        fc2=Dense(weight=rng.integers(0, 256, (8, 8))),
        lif4=cells(8, vth=500, dv=1000),
        fc3=Dense(weight=-rng.integers(0, 256, (8, 8))),
        lif5=cells(8, vth=50, dv=1000, bias=700 * 64),
        fc4=Dense(weight=even(rng, 4, 8, largest=4)),
        readout=cells(4, vth=None, dv=100),
        output=Output(),
    ).replace(binning=Binning(step_us=1000, steps=15, height=14, width=18), classes=tuple("abcd"), chip="loihi2")


@needs_lava
def test_a_netx_file_gives_the_same_spikes_in_lava(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    network = convolutional(rng)
    path = tmp_path / "student.net"
    write_netx(network, path)
    frames = events(rng, 3, 15, network.input_shape)
    trace = deploy.run(load(path), frames, on="netx")
    simulated = integer.run(network, frames)
    for name in ("lif1", "lif2", "lif3", "lif4", "lif5"):
        assert 0.01 < trace.aligned("spikes", name).mean() < 0.95, name
        np.testing.assert_array_equal(trace.aligned("spikes", name), simulated.layers[name].output, err_msg=name)
    np.testing.assert_array_equal(trace.aligned("v", "readout"), simulated.layers["readout"]["v"])
    assert deploy.compare(simulated, trace)
    folded = fold_pooling(network)  # the reference knows no pooling
    expected = reference(folded, frames)
    np.testing.assert_array_equal(trace.aligned("v", "readout"), expected["readout"]["v"])
    np.testing.assert_array_equal(trace.predictions, expected["readout"]["v"][:, -1].argmax(axis=1))


@needs_lava
def test_counts_reach_netx_whole() -> None:
    rng = np.random.default_rng(6)
    network = chain(
        input=Input(shape=(5,)), fc=Dense(weight=even(rng, 6, 5)), lif=cells(6, vth=700, dv=500), output=Output()
    )
    frames = rng.integers(0, 6, (2, 20, 5)).astype(np.uint8)
    simulated, trace = integer.run(network, frames), deploy.run(network, frames, on="netx")
    assert 0.02 < simulated.layers["lif"].output.mean() < 0.9
    np.testing.assert_array_equal(trace.aligned("spikes", "lif"), simulated.layers["lif"].output)


def test_a_file_holds_layers_in_the_order_and_layout_of_pytorch(tmp_path: Path) -> None:
    network = convolutional(np.random.default_rng(5))
    write_netx(network, tmp_path / "student.net")
    with h5py.File(tmp_path / "student.net") as file:

        def values(key: str) -> Any:
            dataset = file[f"layer/{key}"]
            assert isinstance(dataset, h5py.Dataset)
            return dataset[()]

        kinds = [values(f"{i}/type") for i in range(8)]
        assert kinds == [b"input", b"conv", b"conv", b"flatten", b"dense", b"dense", b"dense", b"dense"]
        conv1 = network.nodes["conv1"]
        assert isinstance(conv1, Conv)
        folded = conv1.weight.repeat(2, axis=2).repeat(2, axis=3)
        np.testing.assert_array_equal(values("1/weight"), folded)
        assert values("1/stride").tolist() == [4, 2] and values("1/padding").tolist() == [2, 0]
        assert values("2/groups") == 2 and values("2/neuron/iDecay") == 2001
        assert values("2/bias").shape == (7, 3, 4)
        assert all(f"layer/{i}/neuron/iDecay" in file for i in (1, 2, 4, 5, 6, 7))


def test_a_file_says_how_recordings_become_frames(tmp_path: Path) -> None:
    network = convolutional(np.random.default_rng(5))
    write_netx(network, tmp_path / "student.net")
    model = load(tmp_path / "student.net")
    assert isinstance(model, Network)
    assert (model.input_shape, model.binning, model.classes) == ((2, 14, 18), network.binning, network.classes)
    assert list(model.nodes) == list(fold_pooling(network).order) and model.chip == "loihi2"


def test_what_is_written_is_read_back_to_the_bit(tmp_path: Path) -> None:
    written = fold_pooling(convolutional(np.random.default_rng(5))).replace(
        scale_bits={"lif1": 3, "readout": 9}, dt=0.01
    )
    write_netx(written, tmp_path / "student.net")
    read = load(tmp_path / "student.net")
    assert isinstance(read, Network) and read.edges == written.edges and read.dt == 0.01
    assert read.scale_bits == {**dict.fromkeys(written.neurons, 6), "lif1": 3, "readout": 9}
    for name, node in written.nodes.items():
        found = read.nodes[name]
        assert type(found) is type(node), name
        if isinstance(node, Dense | Conv) and isinstance(found, Dense | Conv):
            np.testing.assert_array_equal(
                found.weight << found.weight_exp, node.weight << node.weight_exp, err_msg=name
            )
        if isinstance(node, Conv) and isinstance(found, Conv):
            for field in ("stride", "padding", "dilation", "groups"):
                assert getattr(found, field) == getattr(node, field), (name, field)
        if isinstance(node, GridNeuron) and isinstance(found, GridNeuron):
            assert (found.vth is None) == (node.vth is None), name
            for field in ("du", "dv", "bias", *([] if node.vth is None else ["vth"])):
                full = [np.broadcast_to(getattr(each, field), node.shape) for each in (found, node)]
                np.testing.assert_array_equal(*full, err_msg=f"{name}: {field}")
    write_netx(read, tmp_path / "again.net")
    with h5py.File(tmp_path / "student.net") as one, h5py.File(tmp_path / "again.net") as other:

        def same(key: str, item: Any) -> None:
            if isinstance(item, h5py.Dataset):
                again = other[key]
                assert isinstance(again, h5py.Dataset) and again.dtype == item.dtype, key
                np.testing.assert_array_equal(again[()], item[()], err_msg=key)

        one.visititems(same)
        assert set(one.attrs) == set(other.attrs)
    frames = events(np.random.default_rng(6), 2, 15, read.input_shape)
    assert deploy.compare(integer.run(written, frames), integer.run(read, frames))


def test_rounding_for_netx_is_reported_and_leaves_what_fits(tmp_path: Path) -> None:
    rng = np.random.default_rng(7)
    network = convolutional(rng)
    assert fit_to_netx(network) is network
    lif1, fc = network.nodes["lif1"], network.nodes["fc"]
    assert isinstance(lif1, GridNeuron) and isinstance(fc, Dense)
    bias = np.array([31, 33, -95, 10**6], np.int32).reshape(4, 1, 1)
    changed = {"lif1": replace(lif1, bias=bias), "fc": replace(fc, weight_exp=-2)}
    fitted = fit_to_netx(network.replace(nodes={**network.nodes, **changed}, scale_bits={"lif1": 3}))
    lif1, rounded = fitted.nodes["lif1"], fitted.nodes["fc"]
    assert isinstance(lif1, GridNeuron) and isinstance(rounded, Dense)
    assert lif1.bias.ravel().tolist() == [0, 64, -64, 4095 * 64]
    assert rounded.weight_exp == 0 and np.abs(rounded.weight - fc.weight / 4).max() <= 1
    assert {(c.node, c.parameter, c.saturated) for c in fitted.report} == {("lif1", "bias", 1), ("fc", "weight", 0)}
    write_netx(fitted, tmp_path / "student.net")


def _branching() -> Network:
    network = small()
    return network.replace(nodes={**network.nodes, "fc2": Dense(weight=np.full((2, 3), 2))}).replace(
        edges=(*network.edges, ("input", "fc2"), ("fc2", "lif"))
    )


@pytest.mark.parametrize(
    ("make", "error", "said"),
    [
        (_branching, UnsupportedError, r"input: feeds \['fc', 'fc2'\], and netx has chains alone"),
        (lambda: small(lif=cells(2, bias=65)), UnsupportedError, "lif: a bias of 65 is no multiple of 64.*fit_to_netx"),
        (lambda: small(lif=cells(2, bias=2**19)), UnsupportedError, "lif: a bias of 524288 is beyond what netx holds"),
        (lambda: small(lif=cells(2, vth=np.array([3, 4]))), UnsupportedError, "lif: vth differs between neurons"),
        (lambda: small(lif=cells(2, dv=np.array([3, 4]))), UnsupportedError, "lif: dv differs between neurons"),
        (lambda: small(fc=Dense(weight=np.full((2, 3), 2), weight_exp=-1)), UnsupportedError, "fc: netx has no weight"),
        (lambda: small(fc=Dense(weight=np.full((2, 3), 300))), GridError, "fc: weights from 300 to 300 are not on"),
        (lambda: small(fc=Dense(weight=np.zeros((2, 3), int))), GridError, "fc: all weights are 0"),
        (
            lambda: chain(input=Input(shape=(3,)), wait=Delay(steps=2), fc=Dense(weight=np.full((2, 3), 2)),
                          lif=cells(2), output=Output()),
            UnsupportedError, "wait: netx has no Delay; run it with --on lava",
        ),
        (lambda: small(lif=cells(2, vth=131071)), UnsupportedError, "lif: a threshold of 131071 is a readout's"),
        (
            lambda: chain(input=Input(shape=(2,)), lif=cells(2), output=Output()),
            UnsupportedError, "lif: netx has no neurons without a synapse",
        ),
        (
            lambda: chain(input=Input(shape=(1, 4, 4)), pool=SumPool(kernel=(3, 3), stride=(1, 1), padding=(1, 1)),
                          conv=Conv(weight=np.full((1, 1, 3, 3), 2), padding=(1, 1)), lif=cells(1, 4, 4),
                          output=Output()),
            UnsupportedError, "pool: netx has no SumPool; and this one does not fold",
        ),
    ],
)  # fmt: skip
def test_what_netx_cannot_say_is_refused_by_name_and_leaves_no_file(
    make: Callable[[], Network], error: type[DeployError], said: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=said):
        write_netx(make(), tmp_path / "student.net")
    assert not list(tmp_path.iterdir())


def test_floats_are_refused(tmp_path: Path) -> None:
    from tests.deploy.runners.test_lava import floats

    with pytest.raises(UnsupportedError, match="netx holds integers and this network floats"):
        write_netx(floats(np.random.default_rng(0)), tmp_path / "student.net")


def test_a_missing_or_foreign_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"nowhere\.net: no such model file; ckd-export --to netx"):
        load(Path("nowhere.net"))
    path = tmp_path / "other.net"
    path.write_bytes(b"nothing")
    with pytest.raises(ModelError, match=r"other\.net: not an HDF5 file"):
        load(path)
    with h5py.File(path, "w") as file:
        file["x"] = 1
    with pytest.raises(ModelError, match=r"other\.net: not a netx file"):
        load(path)
    with h5py.File(path, "w") as file:
        file["layer/0/type"] = np.bytes_("conv")
    with pytest.raises(ModelError, match="layer0: is of type 'conv'; a file begins with an input layer that says"):
        load(path)


def test_a_file_that_is_gone_is_named_before_lava_starts(tmp_path: Path) -> None:
    write_netx(small(), tmp_path / "gone.net")
    network = load(tmp_path / "gone.net")
    (tmp_path / "gone.net").unlink()
    with pytest.raises(RunnerError, match=r"gone\.net: is there no more, and netx runs the file itself"):
        deploy.run(network, FRAMES, on="netx")


def test_without_our_metadata_layers_are_called_by_their_place_in_the_file(tmp_path: Path) -> None:
    write_netx(convolutional(np.random.default_rng(5)), tmp_path / "student.net")
    with h5py.File(tmp_path / "student.net", "a") as file:
        file.attrs.clear()
    network = load(tmp_path / "student.net", step_us=500, steps=9)
    assert isinstance(network, Network)
    assert list(network.neurons) == [f"layer{i}" for i in (1, 2, 4, 5, 6, 7)]
    assert network.binning == Binning(step_us=500, steps=9, height=14, width=18)
