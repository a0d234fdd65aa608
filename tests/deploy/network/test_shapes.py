"""Shapes inferred by our own rules, against PyTorch, and where nir's are wrong."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import nir
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from deploy.errors import ModelError
from deploy.network import Conv, Delay, Dense, Flatten, Input, Network, Node, Output, Scale, SumPool
from tests.deploy.formats.nir_graphs import chain, conv2d, full, lif, reread

pair = st.tuples(st.integers(1, 4), st.integers(1, 4))


def line(shape: tuple[int, ...], *nodes: Node) -> Network:
    named: dict[str, Node] = {"input": Input(shape=shape)}
    named |= {f"n{i}": node for i, node in enumerate(nodes)}
    named["output"] = Output()
    return Network(nodes=named, edges=tuple(pairwise(named)))


@settings(max_examples=300, deadline=None)
@given(pair, pair, st.tuples(st.integers(0, 3), st.integers(0, 3)), pair, st.tuples(*[st.integers(1, 15)] * 2))
def test_a_convolution_has_the_shape_that_pytorch_gives_it(
    kernel: Any, stride: Any, padding: Any, dilation: Any, size: Any
) -> None:
    conv = Conv(
        weight=np.zeros((6, 2, *kernel), np.float32), stride=stride, padding=padding, dilation=dilation, groups=2
    )
    network = line((4, *size), conv)
    x, weight = torch.zeros(1, 4, *size), torch.zeros(6, 2, *kernel)
    try:
        expected = torch.nn.functional.conv2d(x, weight, None, stride, padding, dilation, 2).shape[1:]
    except RuntimeError:
        with pytest.raises(ModelError, match="n0: a window of"):
            _ = network.shapes
        return
    assert network.shapes["n0"] == tuple(expected)


@settings(max_examples=100, deadline=None)
@given(pair, pair, st.tuples(*[st.integers(4, 15)] * 2))
def test_pooling_has_the_shape_that_pytorch_gives_it(kernel: Any, stride: Any, size: Any) -> None:
    padding = (kernel[0] // 2, kernel[1] // 2)
    expected = torch.nn.functional.avg_pool2d(torch.zeros(1, 3, *size), kernel, stride, padding).shape[1:]
    assert line((3, *size), SumPool(kernel=kernel, stride=stride, padding=padding)).shapes["n0"] == tuple(expected)


@pytest.mark.parametrize(
    ("weight", "options", "expected"),
    [((3, 2, 3, 5), {}, (3, 8, 6)), ((4, 1, 3, 3), {"groups": 2}, (4, 8, 8))],
)
def test_where_nir_infers_a_wrong_shape_ours_is_right(
    tmp_path: Path, weight: tuple[int, ...], options: dict[str, int], expected: tuple[int, ...]
) -> None:
    """nir 1.0.8 gives 8 x 8 for a 3 x 5 kernel on 10 x 10, and an input of 1 channel for 2 groups."""
    nodes = {"conv": conv2d(full(weight, 0.1), (10, 10), **options), "lif": lif(expected)}
    written = chain((2, 10, 10), nodes, expected)
    with pytest.raises((ValueError, AssertionError)):
        nir.NIRGraph(nodes=written.nodes, edges=written.edges)
    assert reread(written, tmp_path).shapes["conv"] == expected


def test_the_other_nodes() -> None:
    network = line(
        (2, 3, 4),
        Scale(factor=np.ones((), np.float32)),
        Delay(steps=2),
        Flatten(),
        Dense(weight=np.zeros((7, 24), np.float32)),
    )
    assert [network.shapes[name] for name in network.order] == [(2, 3, 4)] * 3 + [(24,), (7,), (7,)]
