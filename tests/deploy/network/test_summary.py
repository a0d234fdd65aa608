"""What a person sees of a network, a trace and a verdict in a notebook: short, and true."""

import numpy as np

import deploy
from tests import builders


def test_a_summary_has_a_line_a_node_with_shapes_parameters_and_sources() -> None:
    network = builders.small_network()
    header, *lines = network.summary().splitlines()
    assert header.split() == ["node", "kind", "output", "parameters", "from"]
    assert [line.split()[0] for line in lines] == list(network.order)
    for name, line in zip(network.order, lines, strict=True):
        assert type(network.nodes[name]).__name__ in line and " x ".join(map(str, network.shapes[name])) in line
        assert all(source in line for source in network.sources(name))
    held = sum(array.size for array in vars(network.nodes["conv2"]).values() if isinstance(array, np.ndarray))
    assert held > 20 and f" {held:,} " in lines[network.order.index("conv2")]


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
