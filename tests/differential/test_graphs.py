"""The random graphs themselves: the shapes that they were drawn with are those that their nodes give."""

from collections.abc import Callable

import pytest

from deploy.network import Network
from tests.graphs.choices import Choices, Seeded
from tests.graphs.floats import FloatGraph
from tests.graphs.grid import ChipGraph, GridGraph
from tests.graphs.networks import NetworkGraph


@pytest.mark.parametrize("drawn", [GridGraph, ChipGraph, FloatGraph])
def test_every_node_gets_the_shape_that_it_was_drawn_for(drawn: Callable[[Choices], NetworkGraph]) -> None:
    pooled = joined = 0
    for seed in range(120):
        graph = drawn(Seeded(seed))
        if graph.refused:
            continue
        assert Network(nodes=graph.nodes, edges=tuple(graph.edges)).shapes == graph.shapes, f"seed {seed}: {graph}"
        pooled += any(name.startswith("pool") for name in graph.nodes)
        joined += any(name.startswith(("shortcut", "back")) for name in graph.nodes)
    assert pooled > 5 and joined > 5
