"""Every NIR node without a state as nodes of `deploy.network`. What cannot be said is refused by name."""

import nir
import numpy as np

from deploy.errors import ModelError, UnsupportedError
from deploy.network import Array, Conv, Delay, Dense, Flatten, Input, Node, Output, Pair, Scale, SumPool
from deploy.network.idioms import mean_factor

MAX_DELAY = 1 << 16
"""Steps; every one of them holds a frame in memory."""


def convert(name: str, node: nir.NIRNode, dt: float, *, lift: bool) -> list[Node]:
    """The nodes that do what one NIR node does, each feeding the next. `lift`: shapes (C, L) become (C, 1, L)."""
    match node:
        case nir.Input():
            return [Input(shape=lifted(type_shape(node.input_type["input"]), lift))]
        case nir.Output():
            return [Output()]
        case nir.Affine() | nir.Linear():
            bias = node.bias if isinstance(node, nir.Affine) else None
            _expect(name, "weight", node.weight, 2)
            return [Dense(weight=_float(node.weight), bias=_bias(name, bias, node.weight.shape[0]))]
        case nir.Conv1d():
            _expect(name, "weight", node.weight, 3)
            return [_conv1d(name, node)]
        case nir.Conv2d():
            _expect(name, "weight", node.weight, 4)
            return [_conv2d(name, node)]
        case nir.SumPool2d() | nir.AvgPool2d():
            return _pool(name, node)
        case nir.Scale():
            factor = _float(node.scale)
            return [Scale(factor=factor.reshape(lifted(factor.shape, lift)))]
        case nir.Flatten():
            return [_flatten(name, node)]
        case nir.Delay():
            return [Delay(steps=_delay_steps(name, node.delay, dt))]
        case _:
            raise UnsupportedError(f"{name}: NIR node {type(node).__name__} cannot be read here")


def lifted(shape: tuple[int, ...], lift: bool) -> tuple[int, ...]:
    """(C, L) as (C, 1, L) in a graph with one-dimensional convolutions."""
    return (shape[0], 1, shape[1]) if lift and len(shape) == 2 else shape


def type_shape(value: Array) -> tuple[int, ...]:
    """A NIR type as a tuple."""
    return tuple(int(n) for n in value)


def _float(values: Array) -> Array:
    return np.asarray(values, np.float32)


def _bias(name: str, bias: Array | None, outputs: int) -> Array | None:
    if bias is None or not np.any(bias):
        return None
    if bias.size == 1:
        return np.full(outputs, bias.ravel()[0], np.float32)
    if bias.shape != (outputs,):
        raise ModelError(f"{name}: bias {bias.shape} where ({outputs},) is expected")
    return _float(bias)


def _expect(name: str, what: str, values: Array, rank: int) -> None:
    if values.ndim != rank:
        raise ModelError(f"{name}: {what} of shape {values.shape} where {rank} dimensions are expected")


def _conv2d(name: str, node: nir.Conv2d) -> Conv:
    stride, dilation = node.stride, node.dilation
    return _conv(name, node.weight, node.bias, stride, dilation, node.padding, node.groups)  # pyright: ignore


def _conv1d(name: str, node: nir.Conv1d) -> Conv:
    """A convolution of height 1."""
    stride, dilation = (1, node.stride[0]), (1, node.dilation[0])  # pyright: ignore
    padding = node.padding if isinstance(node.padding, str) else (0, node.padding[0])  # pyright: ignore
    return _conv(name, node.weight[:, :, None, :], node.bias, stride, dilation, padding, node.groups)


def _conv(
    name: str, weight: Array, bias: Array, stride: Pair, dilation: Pair, padding: Pair | str, groups: int
) -> Conv:
    weight = _float(weight)
    if weight.shape[0] % groups:
        raise ModelError(f"{name}: groups (={groups}) must divide the {weight.shape[0]} output channels")
    if isinstance(padding, str) and padding == "same":
        if stride != (1, 1):
            raise UnsupportedError(f"{name}: padding 'same' needs stride 1, this one has {stride}; give numbers")
        weight, dilation, padding = _same(weight, dilation)
    elif isinstance(padding, str):
        padding = (0, 0)
    return Conv(
        weight=weight,
        bias=_bias(name, bias, weight.shape[0]),
        stride=stride,
        padding=padding,
        dilation=dilation,
        groups=groups,
    )


def _same(weight: Array, dilation: Pair) -> tuple[Array, Pair, Pair]:
    """A kernel and symmetric padding that keep the size.

    PyTorch pads an even span by one more at the end than at the beginning; a row of zeros before the kernel makes
    that symmetric, after the holes of a dilated kernel are filled in.
    """
    padding = [0, 0]
    new_dilation = list(dilation)
    for axis in (0, 1):
        taps = weight.shape[2 + axis]
        total = dilation[axis] * (taps - 1)
        if total % 2:
            dense_shape = list(weight.shape)
            dense_shape[2 + axis] = total + 2
            dense = np.zeros(dense_shape, weight.dtype)
            where = [slice(None)] * 4
            where[2 + axis] = slice(1, None, dilation[axis])
            dense[tuple(where)] = weight
            weight, new_dilation[axis] = dense, 1
        padding[axis] = (total + 1) // 2
    return weight, (new_dilation[0], new_dilation[1]), (padding[0], padding[1])


def _pool(name: str, node: nir.SumPool2d | nir.AvgPool2d) -> list[Node]:
    """Average pooling counts the padding, as PyTorch does: it is the sum divided by the size of the window."""
    kernel: Pair = node.kernel_size  # pyright: ignore
    stride: Pair = node.stride  # pyright: ignore
    if isinstance(node.padding, str):
        raise ModelError(f"{name}: padding {node.padding!r} of a pooling node; give numbers")
    padding: Pair = node.padding  # pyright: ignore
    pool = SumPool(kernel=kernel, stride=stride, padding=padding)
    if isinstance(node, nir.SumPool2d):
        return [pool]
    return [pool, Scale(factor=np.asarray(mean_factor(pool)))]


def _flatten(name: str, node: nir.Flatten) -> Flatten:
    """NIR has no batch axis, but exporters write PyTorch's start_dim = 1; both flatten everything here."""
    start, end = node.start_dim, node.end_dim
    shape = node.input_type["input"]
    last = None if shape is None else len(shape) - 1
    if start not in (0, 1) or end not in (-1, last, None if last is None else last + 1):
        raise UnsupportedError(
            f"{name}: Flatten from dimension {start} to {end} of {shape}; only all dimensions at once can be"
        )
    return Flatten()


def _delay_steps(name: str, delay: Array, dt: float) -> int:
    seconds = np.atleast_1d(delay).astype(np.float64)
    steps = np.rint(seconds / dt)
    if (steps < 0).any() or (steps > MAX_DELAY).any() or np.any(np.abs(seconds / dt - steps) > 1e-3):
        raise UnsupportedError(
            f"{name}: a delay of {seconds.max():g} s is no whole number of at most {MAX_DELAY} steps of {dt:g} s; read "
            "the file with a dt that divides it"
        )
    if np.any(steps != steps.flat[0]):
        raise UnsupportedError(
            f"{name}: delays between {int(steps.min())} and {int(steps.max())} steps in one node; use one Delay each"
        )
    return int(steps.flat[0])
