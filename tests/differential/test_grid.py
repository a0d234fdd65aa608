"""Random networks on the grid: integers equal to the reference on every runner and through every file, or refused."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings

from deploy.network import Array
from deploy.runners.integer.prepared import Prepared
from deploy.runners.integer.products import NO_PRODUCT
from deploy.runners.integer.scattered import NO_SCATTER
from tests.differential import grid_routes
from tests.differential.tally import SLOW, Tally
from tests.graphs.grid import GridGraph, cases

LEAST = {"integer": 1.0, "streamed": 1.0, "compare": 1.0, "torch": 0.8, "onnx": 0.5}
LEAST |= {"pipelined": 0.5, "torch, pipelined": 0.5, ".nir": 0.5, ".onnx": 0.4, ".net": 0.05}
"""Of all graphs, what a route has to claim at least."""
LAYOUTS = {"wide", "gathered", "scattered", "multiplied", "reads Input", "reads SumPool", "flattened in place"}


def layouts(graph: GridGraph) -> set[str]:
    """Which of the simulator's ways to add up events a network takes."""
    found: set[str] = set()
    prepared = Prepared.of(graph.network)
    for synapse in prepared.synapses.values():
        if synapse is None:
            found.add("wide")
        else:
            found.add("gathered" if synapse.layout.scatter is NO_SCATTER else "scattered")
            found |= {"multiplied"} if synapse.plain.product is not NO_PRODUCT else set()
            found |= {f"reads {type(graph.nodes[synapse.before]).__name__}"} if synapse.before else set()
    return found | ({"flattened in place"} if prepared.in_place else set())


def property_test(examples: int) -> Callable[[], None]:
    def test() -> None:
        tally, spiking, overflowing, kinds = Tally(), list[bool](), list[bool](), set[str]()

        @settings(max_examples=examples, deadline=None, derandomize=True, suppress_health_check=SLOW)
        @given(cases())
        def equal(case: tuple[GridGraph, Array]) -> None:
            graph, frames = case
            wanted = grid_routes.follow(graph.network, frames, graph.late, tally, refused=graph.refused)
            if wanted is not None:
                spiking.append(any(np.any(steps) for steps in wanted.spikes.values()))
                overflowing.append(any(wanted.overflows.values()))
                kinds.update(layouts(graph))

        equal()
        print(f"{len(spiking)} networks on the grid\n{tally}")
        assert np.mean(spiking) > 0.4 and np.mean(overflowing) > 0
        assert kinds >= (LAYOUTS if examples > 1000 else LAYOUTS - {"wide", "reads SumPool"}), kinds
        for route, share in LEAST.items():
            assert tally.share(route) >= share, f"{route} claims too little:\n{tally}"

    return test


test_random_networks_are_equal_on_every_route_or_refused = property_test(40)
test_many_random_networks_are_equal_on_every_route_or_refused = pytest.mark.long(property_test(3000))
