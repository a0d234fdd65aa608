"""Lava against a plain layer-synchronous reference: the same spikes, u and v, after the shift of each layer."""

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np

from deploy.network import (
    Array,
    Conv,
    Delay,
    Dense,
    Flatten,
    FloatNeuron,
    GridNeuron,
    Input,
    Network,
    Node,
    Output,
    Scale,
)
from deploy.runners.lava import fixed as lava
from deploy.traces.trace import Trace
from tests.builders import cells, chain, even, events
from tests.deploy.marks import needs_lava
from tests.deploy.runners.plain import reference


def assert_same(network: Network, frames: Array, trace: Trace, *, spiking: float = 0.01) -> None:
    """Every spike, and u and v where kept, equal; every spiking layer spikes in more than `spiking` of its steps."""
    expected = reference(network, frames)
    assert trace.steps == frames.shape[1]
    for name, node in network.neurons.items():
        assert isinstance(node, GridNeuron)
        if node.vth is not None:
            spikes = trace.aligned("spikes", name)
            assert spiking < spikes.mean() < 0.9, f"{name}: {spikes.mean():.4f} of its steps spike; that proves little"
            np.testing.assert_array_equal(spikes, expected[name]["spikes"], err_msg=f"{name}: spikes")
        for kind in ("u", "v"):
            if kind in trace.layers[name]:
                states = trace.aligned(kind, name)
                assert states.dtype == np.int32
                np.testing.assert_array_equal(states, expected[name][kind][: len(states)], err_msg=f"{name}: {kind}")


def conv_conv_dense(rng: np.random.Generator) -> Network:
    """Biases everywhere, all of Conv's geometry, one layer without decay and one with a decaying current."""
    return chain(
        input=Input(shape=(2, 9, 11)),
        conv1=Conv(weight=even(rng, 4, 2, 3, 2), stride=(2, 1), padding=(1, 0)),
        lif1=cells(4, 5, 10, bias=rng.integers(-300, 900, (4, 1, 1)), dv=0),
        conv2=Conv(weight=even(rng, 6, 2, 2, 3), groups=2, dilation=(1, 2), padding=(0, 1)),
        lif2=cells(6, 4, 8, vth=180, du=2047, bias=rng.integers(-300, 500, (6, 4, 8))),
        flatten=Flatten(),
        fc=Dense(weight=even(rng, 5, 192, largest=40)),
        lif3=cells(5, vth=700, bias=rng.integers(-40, 60, 5) * 128),
        output=Output(),
    )


@needs_lava
def test_a_biased_network_of_convolutions_and_a_dense_layer_is_the_same_spike_by_spike() -> None:
    rng = np.random.default_rng(0)
    network = conv_conv_dense(rng)
    frames = events(rng, 3, 20, network.input_shape)
    trace = lava.run(network, frames, states=2)
    assert_same(network, frames, trace)
    counts = trace.aligned("spikes", "lif3").sum(axis=1)
    np.testing.assert_array_equal(trace.predictions, counts.argmax(axis=1))


def residual(rng: np.random.Generator) -> Network:
    """Two shorter branches meet the main one: a convolution that skips one layer, an identity that skips two."""
    nodes: dict[str, Node] = {
        "input": Input(shape=(2, 6, 7)),
        "conv1": Conv(weight=even(rng, 3, 2, 3, 3), padding=(1, 1)),
        "lif1": cells(3, 6, 7, bias=rng.integers(0, 500, (3, 1, 1))),
        "conv2": Conv(weight=even(rng, 3, 3, 3, 3), padding=(1, 1), weight_exp=1),
        "lif2": cells(3, 6, 7, vth=500, bias=rng.integers(0, 900, (3, 1, 1))),
        "conv3": Conv(weight=even(rng, 3, 3, 3, 3), padding=(1, 1)),
        "lif3": cells(3, 6, 7, vth=300, bias=rng.integers(0, 900, (3, 1, 1))),
        "skip": Conv(weight=even(rng, 3, 3, 1, 1)),
        "lif4": cells(3, 6, 7, vth=50, bias=rng.integers(0, 900, (3, 1, 1))),
        "flatten": Flatten(),
        "fc": Dense(weight=even(rng, 4, 126, largest=30)),
        "readout": cells(4, vth=None, dv=100),
        "output": Output(),
    }
    main = ["input", "conv1", "lif1", "conv2", "lif2", "conv3", "lif3", "skip", "lif4", "flatten", "fc", "readout"]
    edges = [*pairwise(main), ("readout", "output"), ("lif2", "skip"), ("lif1", "lif4")]
    return Network(nodes=nodes, edges=tuple(edges))


@needs_lava
def test_residual_branches_meet_in_step_and_counts_above_one_are_counted() -> None:
    rng = np.random.default_rng(1)
    network = residual(rng)
    frames = events(rng, 2, 15, network.input_shape) * rng.integers(1, 4, (2, 15, 2, 6, 7), dtype=np.uint8)
    assert frames.max() == 3
    trace = lava.run(network, frames, states=1)
    assert_same(network, frames, trace)
    assert "readout" not in trace.spiking
    potential = reference(network, frames)["readout"]["v"]
    np.testing.assert_array_equal(trace.aligned("v", "readout"), potential)
    np.testing.assert_array_equal(trace.predictions, potential[:, -1].argmax(axis=1))


def recurrent(rng: np.random.Generator) -> Network:
    """A layer that feeds itself, feedback from the layer after it, delays; biases that spike without any input."""
    nodes: dict[str, Node] = {
        "input": Input(shape=(30,)),
        "late_input": Delay(steps=2),
        "fc1": Dense(weight=even(rng, 12, 30)),
        "lif1": cells(12, vth=200, du=1200, bias=rng.integers(1000, 3000, 12)),
        "self": Dense(weight=even(rng, 12, 12, largest=60)),
        "late": Delay(steps=3),
        "fc2": Dense(weight=even(rng, 8, 12)),
        "lif2": cells(8, vth=150, bias=rng.integers(1000, 3000, 8)),
        "back": Dense(weight=even(rng, 12, 8)),
        "later": Delay(steps=1),
        "output": Output(),
    }
    edges = [("input", "late_input"), ("late_input", "fc1"), ("fc1", "lif1"), ("lif1", "self"), ("self", "lif1")]
    edges += [("lif1", "late"), ("late", "fc2"), ("lif1", "fc2"), ("fc2", "lif2"), ("lif2", "back")]
    edges += [("back", "later"), ("later", "lif1"), ("lif2", "output")]
    return Network(nodes=nodes, edges=tuple(edges))


@needs_lava
def test_recurrent_edges_and_delays_carry_nothing_from_one_recording_into_the_next() -> None:
    rng = np.random.default_rng(2)
    network = recurrent(rng)
    frames = events(rng, 3, 25, network.input_shape) * rng.integers(1, 4, (3, 25, 30), dtype=np.uint8)
    frames[1] = 0  # Biases alone: what the first recording left behind would show.
    assert_same(network, frames, lava.run(network, frames, states=3))


def per_neuron(rng: np.random.Generator) -> Network:
    """Every parameter its own for each neuron; what Lava's Conv cannot do; weights of one sign."""
    return chain(
        input=Input(shape=(2, 6, 6)),
        conv1=Conv(weight=even(rng, 4, 2, 3, 3), weight_exp=-2),
        lif1=cells(
            4, 4, 4, vth=rng.integers(10, 60, (4, 4, 4)), du=4095, dv=rng.integers(0, 4096, (4, 1, 1)), bias=640
        ),
        conv2=Conv(weight=rng.integers(-255, 256, (5, 4, 2, 2)) // 2 * 2),
        flatten=Flatten(),
        lif2=cells(45, vth=200, dv=rng.integers(0, 2000, 45), bias=rng.integers(0, 2000, 45)),
        fc1=Dense(weight=rng.integers(0, 40, (9, 45)), weight_exp=-1),
        lif3=cells(9, vth=500, du=rng.integers(2000, 4096, 9)),
        fc2=Dense(weight=rng.integers(-255, 1, (4, 9)), weight_exp=1),
        lif4=cells(4, vth=rng.integers(100, 300, 4), bias=rng.integers(60, 90, 4) << 7),
        output=Output(),
    )


@needs_lava
def test_each_neuron_may_have_its_own_threshold_decays_and_bias() -> None:
    rng = np.random.default_rng(3)
    network = per_neuron(rng)
    frames = events(rng, 2, 20, network.input_shape, rate=0.3)
    assert_same(network, frames, lava.run(network, frames, states=2))


def floats(rng: np.random.Generator) -> Network:
    def weight(*shape: int) -> Array:
        return rng.normal(0.2, 0.7, shape).astype(np.float32)

    def neuron(*shape: int, **changes: Any) -> FloatNeuron:
        values = {"keep": 0.9, "gain": 1.0, "bias": 0.0, "threshold": 1.0} | changes
        arrays = {name: None if value is None else np.asarray(value, np.float32) for name, value in values.items()}
        return FloatNeuron(shape=shape, **arrays)  # pyright: ignore

    network = chain(
        input=Input(shape=(2, 6, 6)),
        conv1=Conv(weight=weight(3, 2, 3, 3), bias=weight(3), stride=(2, 1)),
        lif1=neuron(3, 2, 4, gain=rng.uniform(0.5, 1, (3, 1, 1)), bias=rng.uniform(0, 0.2, (3, 2, 4))),
        scale=Scale(factor=np.asarray(0.5)),
        flatten=Flatten(),
        fc1=Dense(weight=weight(8, 24), bias=weight(8) / 4),
        lif2=neuron(8, keep=rng.uniform(0.3, 1, 8), current_keep=0.6, current_gain=0.4, threshold=rng.uniform(1, 2, 8)),
        fc2=Dense(weight=weight(4, 8)),
        readout=neuron(4, threshold=None),
        output=Output(),
    )
    return network.replace(edges=(*network.edges, ("lif1", "flatten")))  # Two branches, one biased synapse.


@needs_lava
def test_the_float_models_follow_the_float_network() -> None:
    rng = np.random.default_rng(4)
    network = floats(rng)
    frames = events(rng, 2, 20, network.input_shape)
    trace = lava.run_floating(network, frames, states=2)
    expected = reference(network, frames, np.float64)
    for name in ("lif1", "lif2"):
        assert 0.02 < trace.layers[name].output.mean() < 0.9
        np.testing.assert_array_equal(trace.aligned("spikes", name), expected[name]["spikes"], err_msg=name)
    for name in network.neurons:
        # Both compute in float64 from float32 parameters, in different orders.
        np.testing.assert_allclose(trace.aligned("v", name), expected[name]["v"], rtol=1e-9, atol=1e-9, err_msg=name)
    np.testing.assert_array_equal(trace.predictions, expected["readout"]["v"][:, -1].argmax(axis=1))


@needs_lava
def test_a_recurrent_soft_reset_carries_nothing_into_the_next_recording() -> None:
    rng = np.random.default_rng(2)
    network = recurrent(rng)
    soft = {name: replace(node, reset_mechanism="subtract") for name, node in network.neurons.items()}
    network = network.replace(nodes={**network.nodes, **soft})
    frames = events(rng, 4, 15, network.input_shape, rate=0.4)
    assert_same(network, frames, lava.run(network, frames, states=4))
