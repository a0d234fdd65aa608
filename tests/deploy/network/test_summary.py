"""What a person sees of a network, a trace and a verdict in a notebook: short, and true."""

from dataclasses import replace
from math import prod

import numpy as np

import deploy
from deploy.network import FloatNeuron
from deploy.network.ops import apply
from tests import builders


def test_a_summary_has_a_line_a_node_with_shapes_parameters_and_sources() -> None:
    network = builders.small_network()
    header, *lines = network.summary().splitlines()
    assert header.split() == [
        *("node", "kind", "output", "neurons", "synapses", "parameters", "decays", "threshold", "from")
    ]
    assert [line.split()[0] for line in lines] == list(network.order)
    for name, line in zip(network.order, lines, strict=True):
        assert type(network.nodes[name]).__name__ in line and " x ".join(map(str, network.shapes[name])) in line
        assert all(source in line for source in network.sources(name))
    held = sum(array.size for array in vars(network.nodes["conv2"]).values() if isinstance(array, np.ndarray))
    assert held > 20 and f" {held:,} " in lines[network.order.index("conv2")]


def test_synapses_are_the_pairs_that_a_weight_connects() -> None:
    """Counted one by one: an input moves an output where all weights are 1."""
    network = builders.small_network()
    lines = dict(zip(network.order, network.summary().splitlines()[1:], strict=True))
    for name in ("conv1", "conv2", "classifier"):
        node = network.nodes[name]
        ones = replace(node, weight=np.ones_like(node.weight))  # pyright: ignore
        shape = network.shapes[network.sources(name)[0]]
        each = np.eye(prod(shape), dtype=np.int64).reshape(-1, *shape)
        assert f" {int(apply(ones, each).sum()):,} " in lines[name]  # pyright: ignore
    assert " dv 2048 " in lines["lif1"] and " 110 " in lines["lif1"] and " none " in lines["readout"]


def test_a_summary_of_floats_says_what_a_step_keeps() -> None:
    keep = np.array([0.5, 0.75], np.float32)
    neuron = FloatNeuron(shape=(2,), bias=np.zeros(()), keep=keep, gain=np.ones(()), threshold=np.array(1.5))
    line = builders.small(lif=neuron).summary().splitlines()[3]
    assert " keep 0.5 to 0.75 " in line and " 1.5 " in line


def test_what_is_shown_of_each_fits_a_line() -> None:
    network, frames = builders.small(), np.ones((2, 4, 3), np.uint8)
    trace = deploy.run(network, frames, on="integer")
    verdict = deploy.compare(trace, trace)
    for shown, parts in (
        (network, ("Network", f"{len(network.nodes)} nodes")),
        (trace, ("2 recordings", "4 steps", "integer")),
        (verdict, ("Verdict", verdict.word)),
    ):
        assert len(repr(shown)) < 300 and "\n" not in repr(shown) and "array(" not in repr(shown)
        assert all(part in repr(shown) for part in parts), repr(shown)


def test_a_verdict_shows_the_first_difference() -> None:
    network, frames = builders.small(), np.ones((2, 4, 3), np.uint8)
    trace = deploy.run(network, frames, on="integer")
    other = deploy.run(builders.small(lif=builders.cells(2, vth=3)), frames, on="integer")
    verdict = deploy.compare(trace, other)
    assert verdict.first and f"first: {verdict.first}" in repr(verdict) and len(repr(verdict).splitlines()) == 2
