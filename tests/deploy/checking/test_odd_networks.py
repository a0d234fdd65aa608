"""Networks of unusual shapes are explained like others: a delay behind the input or a flattening, very many inputs."""

from dataclasses import replace
from itertools import pairwise
from math import prod

import numpy as np
import pytest

from deploy.checking.divergence.explain import explain
from deploy.network import Conv, Delay, Dense, Flatten, Input, Network, Node, Output
from deploy.runners.integer.simulator import run
from tests.builders import cells, even, events


def odd(kind: str, rng: np.random.Generator) -> Network:
    nodes: dict[str, dict[str, Node]] = {
        "input behind a delay": {
            "input": Input(shape=(6,)),
            "wait": Delay(steps=2),
            "fc": Dense(weight=even(rng, 5, 6)),
        },
        "flattening behind a delay": {
            "input": Input(shape=(2, 3, 3)),
            "conv": Conv(weight=even(rng, 2, 2, 1, 1)),
            "lif0": cells(2, 3, 3, vth=40),
            "flatten": Flatten(),
            "wait": Delay(steps=1),
            "fc": Dense(weight=even(rng, 5, 18)),
        },
        "many inputs": {"input": Input(shape=(1600,)), "fc": Dense(weight=even(rng, 5, 1600))},
    }
    whole = {**nodes[kind], "lif": cells(5, vth=40, dv=300), "output": Output()}
    return Network(nodes=whole, edges=tuple(pairwise(whole)))


@pytest.mark.parametrize("kind", ["input behind a delay", "flattening behind a delay", "many inputs"])
def test_other_weights_are_placed(kind: str) -> None:
    rng = np.random.default_rng(0)
    network = odd(kind, rng)
    frames = events(rng, 3, 8, network.input_shape, rate=min(0.3, 4 / prod(network.input_shape)))
    weight = rng.permuted(network.nodes["fc"].weight, axis=1)  # pyright: ignore[reportAttributeAccessIssue]
    other = network.replace(nodes={**network.nodes, "fc": Dense(weight=weight)})
    expected, found = (replace(run(each, frames), frames=frames) for each in (network, other))
    explained = explain(expected, found, reference=network)
    assert expected.output("lif").any() and (expected.output("lif") != found.output("lif")).any()
    assert explained.unexplained == ("lif",) or explained.proof is not None
