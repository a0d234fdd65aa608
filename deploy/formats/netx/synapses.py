"""The synapses of a netx layer on the grid: weights, exponents, pooling, delays."""

from math import prod

import numpy as np

from deploy import grid
from deploy.errors import GridError, ModelError, UnsupportedError
from deploy.formats.netx.layers import LARGEST, Layer
from deploy.network import Array, Conv, Dense, Node, Shape

WEIGHT_EXPONENTS = (-8, 7)
DELAY_MAX = 62
"""Larger ones netx shortens to this."""


def conv(layer: Layer) -> Conv:
    """A convolution; kernels are PyTorch's (out, in / groups, kernel_h, kernel_w), some with a last axis of 1."""
    weight = layer.numbers("weight")
    weight = weight.reshape(weight.shape[:4]) if weight.ndim == 5 and weight.shape[4] == 1 else weight
    if weight.ndim != 4 or not weight.size:
        raise ModelError(f"{layer.name}: a kernel of shape {weight.shape}; (out, in, kernel_h, kernel_w) is expected")
    if "delay" in layer and np.any(layer.numbers("delay")):
        raise UnsupportedError(f"{layer.name}: a convolution with delays, which netx does not read; train without them")
    groups = layer.number("groups", 1, len(weight))
    if len(weight) % groups:
        raise ModelError(f"{layer.name}: {len(weight)} outputs in {groups} groups; they have to share out evenly")
    held, exponent = _on_grid(layer, weight)
    return Conv(
        weight=held,
        weight_exp=exponent,
        stride=layer.pair("stride", 1),
        padding=layer.pair("padding", 0),
        dilation=layer.pair("dilation", 1),
        groups=groups,
    )


def pool(layer: Layer, before: Shape) -> Conv:
    """A pooling as lava-dl trains it, one kernel for every channel: netx has none.

    Raises:
        UnsupportedError: windows that overlap, leave a gap or stand over the border: lava-dl lays the rows of all
            channels end to end, so that these would mix channels.
    """
    weight = layer.numbers("weight")
    kernel = weight.shape[2:4]
    if weight.ndim not in (4, 5) or weight.shape[:2] != (1, 1) or weight.size != prod(kernel) or not weight.size:
        raise ModelError(f"{layer.name}: a pooling kernel of shape {weight.shape}; (1, 1, height, width) is expected")
    plain = layer.pair("stride", 1) == kernel and layer.pair("padding", 0) == (0, 0)
    if not plain or layer.pair("dilation", 1) != (1, 1) or len(before) != 3:
        raise UnsupportedError(
            f"{layer.name}: pooling whose windows are not side by side; use stride = kernel, no padding"
        )
    if before[1] % kernel[0] or before[2] % kernel[1]:
        raise UnsupportedError(f"{layer.name}: windows of {kernel} do not share out {before[1:]} evenly; pad before it")
    if "delay" in layer and np.any(layer.numbers("delay")):
        raise UnsupportedError(f"{layer.name}: a pooling with delays; train without them")
    held, exponent = _on_grid(layer, weight.reshape(1, 1, *kernel))
    return Conv(weight=np.repeat(held, before[0], axis=0), weight_exp=exponent, stride=kernel, groups=before[0])


def dense(layer: Layer, key: str = "weight") -> Dense:
    """A dense layer."""
    held, exponent = _on_grid(layer, stored(layer, key))
    return Dense(weight=held, weight_exp=exponent)


def stored(layer: Layer, key: str) -> Array:
    """The weights (out, in) of a dense layer as they stand in the file; those of one output may be a flat row."""
    weight, outputs = layer.numbers(key), prod(layer.shape())
    if weight.ndim == 1 and weight.size % outputs == 0:
        weight = weight.reshape(outputs, -1)
    if weight.ndim != 2 or len(weight) != outputs or not weight.size:
        raise ModelError(f"{layer.name}: {key} of shape {weight.shape} for {outputs} neurons; (out, in) is expected")
    return weight


def delayed(layer: Layer, synapse: Dense) -> dict[int, Dense]:
    """By their delay in steps, the parts of a dense layer, which add up to it.

    A delay a neuron is that of everything that reaches it; where there are as many inputs as neurons, too: netx reads
    it so.
    """
    if "delay" not in layer:
        return {0: synapse}
    if layer.kind == "dense_rec":
        raise UnsupportedError(
            f"{layer.name}: a recurrent layer with delays; netx drops its weight exponents. Use none"
        )
    delay, (outputs, inputs) = layer.numbers("delay"), synapse.weight.shape
    if np.any(delay < 0) or np.any(delay > DELAY_MAX):
        worst = int(delay.max() if np.any(delay > DELAY_MAX) else delay.min())
        raise UnsupportedError(
            f"{layer.name}: a delay of {worst} steps, which netx would change; it has 0 to {DELAY_MAX}"
        )
    if delay.size == 1:
        full = np.broadcast_to(delay.reshape(1, 1), (outputs, inputs))
    elif delay.ndim == 1 and delay.size in (outputs, inputs):
        full = np.broadcast_to(delay[:, None] if delay.size == outputs else delay, (outputs, inputs))
    elif delay.shape == (outputs, inputs):
        full = delay
    else:
        raise ModelError(f"{layer.name}: delays of shape {delay.shape} for weights of {synapse.weight.shape}")
    return {
        int(steps): Dense(weight=np.where(full == steps, synapse.weight, 0), weight_exp=synapse.weight_exp)
        for steps in np.unique(full)
    }


def sums(layer: Layer, inputs: int, groups: int) -> Dense:
    """Weights of 1 that add up equal groups of neighboring inputs.

    Raises:
        UnsupportedError: more of them than fit a memory.
    """
    if inputs * groups > LARGEST:
        raise UnsupportedError(f"{layer.name}: {groups} sums over {inputs} flat inputs are more weights than {LARGEST}")
    return Dense(weight=np.repeat(np.eye(groups, dtype=np.int32), inputs // groups, axis=1))


def passing(layer: Layer, shape: Shape) -> Node:
    """A synapse of weight 1 from every input to its own neuron."""
    if len(shape) == 1:
        return sums(layer, shape[0], shape[0])
    return Conv(weight=np.ones((shape[0], 1, 1, 1), np.int32), groups=shape[0])


def _on_grid(layer: Layer, weight: Array) -> tuple[Array, int]:
    """The weights as the synapse holds them, and their exponent: netx shifts them up as far as they fit.

    `wgtExp` multiplies what arrives by its power of two (slayerPytorch: u += w << (6 + wgtExp)).
    """
    exponent = layer.number("neuron/wgtExp", *WEIGHT_EXPONENTS, 0) if layer.neuron_type() is not None else 0
    if exponent < 0 and np.any(weight % (1 << -exponent)):
        raise UnsupportedError(
            f"{layer.name}: wgtExp {exponent} and weights that are no multiples of {1 << -exponent}: Lava would round "
            "their sum where the chip does not; divide thresholds and biases in its place"
        )
    for up in range(grid.WEIGHT_BITS):
        if grid.weights_on_grid(weight << up):
            return (weight << up).astype(np.int32), exponent - up
    raise GridError(
        f"{layer.name}: weights from {weight.min()} to {weight.max()} are not all on the grid: even ones from -256 to "
        "254 where signs mix, else -255 to 0 or 0 to 255"
    )
