"""Sums and states at the end of their range in Lava: counted as the integer simulator does, held down, or refused."""

import numpy as np

from deploy.network import Dense, Input, Network, Output
from deploy.runners import integer
from deploy.runners.lava import fixed as lava
from tests.builders import cells, chain, even, events
from tests.deploy.marks import needs_lava


def beyond(rng: np.random.Generator) -> Network:
    """Weights so large that u of the first layer wraps at times, and biases so large that v of the second saturates."""
    return chain(
        input=Input(shape=(600,)),
        fc1=Dense(weight=even(rng, 12, 600, largest=254), weight_exp=2),
        lif1=cells(12, vth=5000, du=900),
        fc2=Dense(weight=even(rng, 8, 12)),
        lif2=cells(8, vth=131071, dv=10, bias=3000 << 7),
        output=Output(),
    )


@needs_lava
def test_lava_counts_the_overflows_that_the_integer_simulator_counts() -> None:
    rng = np.random.default_rng(0)
    network, frames = beyond(rng), events(rng, 3, 30, (600,), rate=0.5)
    wanted = integer.run(network, frames, schedule="pipelined")
    assert min(wanted.overflows.values()) > 0
    assert all(layer.output.any() for layer in wanted.spiking.values())
    found = lava.run(network, frames)
    assert found.overflows == wanted.overflows
    for name in wanted.spiking:
        assert np.array_equal(found.aligned("spikes", name), wanted.aligned("spikes", name))


@needs_lava
def test_no_overflow_is_counted_where_there_is_none() -> None:
    rng = np.random.default_rng(1)
    network = chain(input=Input(shape=(9,)), fc=Dense(weight=even(rng, 5, 9)), lif=cells(5), output=Output())
    assert lava.run(network, events(rng, 2, 10, (9,), rate=0.5)).overflows == {"lif": 0}


@needs_lava
def test_a_recurrent_layer_is_held_down_whatever_reaches_it() -> None:
    """Its current, almost 2^23 and almost without decay, outweighs what is sent against it between recordings."""
    rng = np.random.default_rng(2)
    weight = even(rng, 6, 400, largest=254)
    network = chain(
        input=Input(shape=(400,)), fc=Dense(weight=np.abs(weight)), lif=cells(6, vth=9000, du=1), output=Output()
    )
    nodes = {**network.nodes, "back": Dense(weight=even(rng, 6, 6))}
    network = network.replace(nodes=nodes, edges=(*network.edges, ("lif", "back"), ("back", "lif")))
    frames = np.zeros((3, 10, 400), np.uint8)
    frames[:, 8:] = 1
    wanted = integer.run(network, frames, states=3)
    assert wanted.overflows == {"lif": 0} and wanted.layers["lif"].output.mean() > 0.05
    assert int(wanted.layers["lif"]["u"].max()) > 1 << 22
    found = lava.run(network, frames, states=3)
    assert np.array_equal(found.aligned("spikes", "lif"), wanted.layers["lif"].output)
    assert np.array_equal(found.aligned("u", "lif"), wanted.layers["lif"]["u"])
