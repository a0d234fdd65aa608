"""Pooling behind a convolution, against PyTorch: one convolution with the same sums, before neurons and on the grid."""

from itertools import pairwise

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import deploy
from deploy.network import Conv, FloatNeuron, Input, Network, Node, Output, Scale, SumPool
from deploy.network.ops import apply
from deploy.passes.fold_linear import fold_linear
from deploy.passes.fold_pooling_behind import fold_pooling_behind

ONE, ZERO = np.ones((), np.float32), np.zeros((), np.float32)


def network(conv: Conv, pool: SumPool, shape: tuple[int, int, int], out: tuple[int, ...]) -> Network:
    neurons = FloatNeuron(shape=out, keep=np.array(0.5, np.float32), gain=ONE, bias=ZERO, threshold=ONE)
    nodes: dict[str, Node] = {
        "input": Input(shape=shape),
        "conv": conv,
        "pool": pool,
        "pool_mean": Scale(factor=np.array(1 / np.prod(pool.kernel), np.float32)),
        "lif": neurons,
        "output": Output(),
    }
    return Network(nodes=nodes, edges=tuple(pairwise(nodes)))


@pytest.mark.parametrize("kernel, stride", [((2, 2), (2, 2)), ((3, 2), (1, 2)), ((3, 3), (2, 2))])
@pytest.mark.parametrize("options", [{}, {"stride": (2, 1)}, {"padding": (1, 2)}, {"dilation": (2, 1)}, {"groups": 2}])
def test_the_sums_are_those_of_pytorch(options: dict, kernel: tuple[int, int], stride: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    weight = rng.normal(size=(6, 4 // options.get("groups", 1), 3, 3)).astype(np.float32)
    bias = rng.normal(size=6).astype(np.float32)
    x = rng.integers(0, 3, (5, 4, 15, 17)).astype(np.float32)
    expected = F.conv2d(torch.from_numpy(x), torch.from_numpy(weight), torch.from_numpy(bias), **options)
    expected = (F.avg_pool2d(expected, kernel, stride) * float(np.prod(kernel))).numpy()
    whole = network(
        Conv(weight=weight, bias=bias, **options),
        SumPool(kernel=kernel, stride=stride),
        (4, 15, 17),
        expected.shape[1:],
    )
    folded = fold_pooling_behind(whole)
    conv = folded.nodes["conv"]
    assert "pool" not in folded.nodes and isinstance(conv, Conv)
    # float32: weights are added before they meet the input, not after.
    assert np.abs(apply(conv, x) - expected).max() < 1e-5 * np.abs(expected).max()
    assert folded.shapes["conv"] == expected.shape[1:]


def test_the_grid_takes_it() -> None:
    rng = np.random.default_rng(0)
    conv = Conv(weight=rng.normal(0, 0.5, (6, 2, 5, 5)).astype(np.float32), bias=np.full(6, 0.1, np.float32))
    whole = network(conv, SumPool(kernel=(2, 2), stride=(2, 2)), (2, 14, 14), (6, 5, 5))
    frames = (rng.random((4, 8, 2, 14, 14)) < 0.4).astype(np.uint8)
    on_grid = deploy.quantize(whole, frames)
    expected, found = (
        deploy.run(n, frames, on=on).layers["lif"].output for n, on in ((whole, "float"), (on_grid, "integer"))
    )
    assert expected.any() and np.mean(expected != found) < 0.02


def test_pooling_that_pads_or_that_others_meet_stays() -> None:
    conv = Conv(weight=np.ones((3, 2, 3, 3), np.float32), bias=np.ones(3, np.float32))
    padded = network(conv, SumPool(kernel=(2, 2), stride=(2, 2), padding=(1, 1)), (2, 8, 8), (3, 4, 4))
    assert "pool" in fold_pooling_behind(padded).nodes
    shared = network(conv, SumPool(kernel=(2, 2), stride=(2, 2)), (2, 8, 8), (3, 3, 3))
    other = FloatNeuron(shape=(3, 6, 6), keep=ONE, gain=ONE, bias=ZERO, threshold=ONE)
    nodes = {**shared.nodes, "other": other}
    shared = Network(nodes=nodes, edges=(*shared.edges, ("conv", "other")))
    assert "pool" in fold_pooling_behind(shared).nodes


def test_what_is_folded_spikes_as_before() -> None:
    rng = np.random.default_rng(1)
    conv = Conv(weight=rng.normal(0, 0.5, (6, 2, 5, 5)).astype(np.float32), padding=(2, 2))
    whole = network(conv, SumPool(kernel=(2, 2), stride=(2, 2)), (2, 12, 12), (6, 6, 6))
    frames = (rng.random((4, 10, 2, 12, 12)) < 0.4).astype(np.uint8)
    runs = [deploy.run(n, frames, on="float").layers["lif"].output for n in (whole, fold_linear(whole))]
    assert runs[0].sum() > 50 and np.array_equal(runs[0], runs[1])
