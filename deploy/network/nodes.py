"""The nodes of a network: plain numpy arrays and what they mean. Each does one thing."""

from dataclasses import dataclass

from deploy.network.neurons import Neuron
from deploy.network.types import Array, Pair, Shape


@dataclass(frozen=True, kw_only=True)
class Input:
    """Where frames enter: one step of them has `shape`, usually (C, H, W)."""

    shape: Shape


@dataclass(frozen=True, kw_only=True)
class Output:
    """What the network gives: the output of the node that feeds it."""


@dataclass(frozen=True, kw_only=True)
class Dense:
    """y = weight @ x + bias over a flat input; weight (out, in), bias (out,) or None.

    On the grid the weighted sum is multiplied by 2^weight_exp (negative: arithmetic shift right), and `bias` is None:
    biases belong to the neuron.
    """

    weight: Array
    bias: Array | None = None
    weight_exp: int = 0


@dataclass(frozen=True, kw_only=True)
class Conv:
    """Two-dimensional cross-correlation, as in PyTorch; weight (out, in / groups, kernel_h, kernel_w), bias (out,).

    A one-dimensional convolution is one of height 1. On the grid `weight_exp` and `bias` are as for `Dense`.
    """

    weight: Array
    bias: Array | None = None
    stride: Pair = (1, 1)
    padding: Pair = (0, 0)
    dilation: Pair = (1, 1)
    groups: int = 1
    weight_exp: int = 0


@dataclass(frozen=True, kw_only=True)
class SumPool:
    """The sum over windows of (C, H, W); average pooling is this and a `Scale`."""

    kernel: Pair
    stride: Pair
    padding: Pair = (0, 0)


@dataclass(frozen=True, kw_only=True)
class Scale:
    """y = factor * x, elementwise; factor broadcasts against the input."""

    factor: Array


@dataclass(frozen=True, kw_only=True)
class Flatten:
    """(C, H, W) to (C * H * W,), channel first."""


@dataclass(frozen=True, kw_only=True)
class Delay:
    """The input of `steps` steps ago; zero before the first."""

    steps: int


Node = Input | Output | Dense | Conv | SumPool | Scale | Flatten | Delay | Neuron
