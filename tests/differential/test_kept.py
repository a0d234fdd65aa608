"""What random graphs found, shrunk to the smallest graph that showed it."""

from pathlib import Path

import numpy as np
import pytest

from deploy.errors import UnsupportedError
from deploy.formats.files import load_network, save
from deploy.network import Dense, FloatNeuron, Network
from deploy.runners import floating, integer
from tests.builders import FRAMES, cells, small

ONE = np.ones((), np.float32)


def soft(amount: float) -> Network:
    """Three inputs, two neurons from which a spike takes `amount`."""
    lif = FloatNeuron(
        shape=(2,),
        keep=ONE / 2,
        gain=ONE,
        bias=ONE * 0,
        threshold=ONE,
        reset=np.asarray(amount, np.float32),
        reset_mechanism="subtract",
    )
    return small(fc=Dense(weight=np.ones((2, 3), np.float32)), lif=lif)


def test_a_soft_reset_by_one_amount_for_all_neurons_is_written(tmp_path: Path) -> None:
    """It ended in a TypeError of h5py, which compresses no array without axes."""
    network = soft(1.5)
    save(network, tmp_path / "soft.nir")
    read = load_network(tmp_path / "soft.nir").neurons["lif"]
    assert isinstance(read, FloatNeuron) and read.reset_mechanism == "subtract" and np.all(read.reset == 1.5)
    wanted, found = (floating.run(n, FRAMES, states=1) for n in (network, load_network(tmp_path / "soft.nir")))
    assert np.array_equal(found.layers["lif"]["v"], wanted.layers["lif"]["v"]) and wanted.layers["lif"].output.any()


def test_states_of_more_recordings_than_there_are_are_those_of_all() -> None:
    """The float runner raised an error about the shape of u."""
    frames = np.repeat(FRAMES, 3, axis=0)
    assert floating.run(soft(1), frames, states=64).layers["lif"]["u"].shape == (3, 2, 2)
    assert floating.run(soft(1), frames, states=64, batch=2).layers["lif"]["u"].shape == (3, 2, 2)


def test_a_refusal_is_one_line_however_many_neurons_it_concerns(tmp_path: Path) -> None:
    lif = cells(40, dv=0, du=np.arange(40))
    network = small(fc=Dense(weight=np.ones((40, 3), int)), lif=lif).replace(scale_bits={"lif": 6})
    with pytest.raises(UnsupportedError, match="lif: dv = 0 with a current that decays") as caught:
        save(network, tmp_path / "cuba.nir")
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 250


def test_neurons_on_the_grid_that_an_input_feeds_past_their_synapse_run_and_are_not_written(tmp_path: Path) -> None:
    """A file says a scale for each synapse, and that way has none."""
    network = small(fc=Dense(weight=np.full((3, 3), 2)), lif=cells(3)).replace(scale_bits={"lif": 6})
    joined = network.replace(edges=(*network.edges, ("input", "lif")))
    u, alone = (integer.run(n, FRAMES, states=1).layers["lif"]["u"] for n in (joined, network))
    # 3 inputs of 1 at weight 2, and one of 1 at weight 1; u is in units of 1 / 64.
    assert np.all(u[0, 0] == 7 * 64) and np.all(alone[0, 0] == 6 * 64)
    with pytest.raises(UnsupportedError, match=r"lif: fed by input \(Input\) without a synapse; add one of weight 1"):
        save(joined, tmp_path / "joined.nir")
    assert not (tmp_path / "joined.nir").exists()
