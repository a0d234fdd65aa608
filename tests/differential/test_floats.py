"""Random NIR graphs: equal to their own equations on every runner and through every file, or refused."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings

from deploy.network import Array
from tests.differential import float_routes
from tests.differential.tally import SLOW, Tally
from tests.graphs.nodes import NirGraph, nir_cases

LEAST = {"float: float": 1.0, "float: onnx": 0.9, "float: .nir": 0.9, "float: .onnx": 0.9, "float: torch": 0.9}
LEAST |= {"read": 0.7, "quantize": 0.5, "integer": 1.0}
"""Of the graphs that are to be claimed, what a route has to claim at least."""


def property_test(examples: int) -> Callable[[], None]:
    def test() -> None:
        tally, spiking = Tally(), list[bool]()

        @settings(max_examples=examples, deadline=None, derandomize=True, suppress_health_check=SLOW)
        @given(nir_cases())
        def equal(case: tuple[NirGraph, Array]) -> None:
            graph, frames = case
            spiking.append(float_routes.follow(graph, frames, tally) > 0)

        equal()
        print(f"{len(spiking)} NIR graphs\n{tally}")
        assert np.mean(spiking) > 0.4
        for route, share in LEAST.items():
            assert tally.share(route) >= share, f"{route} claims too little:\n{tally}"

    return test


test_random_graphs_are_equal_on_every_route_or_refused = property_test(20)
test_many_random_graphs_are_equal_on_every_route_or_refused = pytest.mark.long(property_test(2500))
