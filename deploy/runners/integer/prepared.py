"""Synapses and neurons of a network, laid out as the kernels read them: channels last, in blocks of lanes."""

from dataclasses import dataclass

import numpy as np

from deploy import grid
from deploy.errors import GridError, UnsupportedError
from deploy.network import Array, Conv, Dense, Flatten, GridNeuron, Network, Pair, Scale, Shape
from deploy.runners.integer.bounds import gains
from deploy.runners.kernels import TILE
from deploy.runners.layer_data import Cells, Synapse
from deploy.runners.vectors import LANES

_INT16_MAX = (1 << 15) - 1
TABLE_BYTES = 1 << 17
"""A kernel that sees so few inputs that its table fits this gets one; adding up events beats one out of cache."""

_NEVER = (1 << 31) - 1
"""A threshold that no potential passes."""

NO_CELLS = Cells(*np.empty((4, 1, 0), np.int32), immediate=False, per_place=False, within=False)
"""For sums that no neuron takes in yet."""


@dataclass(frozen=True)
class Prepared:
    """What of a network is the same for every recording.

    synapses: by name, every dense layer and convolution for the kernels; None where a weight does not fit int16.
    gains: see `bounds.gains`.
    in_place: whether Flatten leaves the channels innermost, because the dense layers' weights are in that order.
    """

    synapses: dict[str, Synapse | None]
    gains: dict[str, int]
    in_place: bool

    @classmethod
    def of(cls, network: Network) -> "Prepared":
        """Raises GridError for weights that are no integers, UnsupportedError for nodes that the grid does not have."""
        in_place = flattens_in_place(network)
        return cls(_synapses(network, in_place), gains(network), in_place)


def _synapses(network: Network, in_place: bool) -> dict[str, Synapse | None]:
    prepared: dict[str, Synapse | None] = {}
    for name, node in network.nodes.items():
        if isinstance(node, Scale):
            raise UnsupportedError(f"{name}: the grid has no Scale; fold it before quantising")
        if isinstance(node, Dense | Conv):
            if not np.issubdtype(node.weight.dtype, np.integer):
                raise GridError(f"{name}: weights are {node.weight.dtype}, a network on the grid holds integers")
            prepared[name] = _synapse(name, node, network, in_place)
    return prepared


def flattens_in_place(network: Network) -> bool:
    """Whether nothing but dense layers sees what a Flatten gives: their weights are put in order instead of it."""
    return all(
        isinstance(network.nodes[target], Dense) and network.sources(target) == [name]
        for name, node in network.nodes.items()
        if isinstance(node, Flatten)
        for target in network.targets(name)
    )


def without_inputs(out_channels: int) -> Synapse:
    """A synapse that brings nothing, for neurons whose sums come from elsewhere."""
    lanes = _lanes(out_channels)
    weight = np.empty((-(-out_channels // lanes), 0, lanes), np.int16)
    return hollow(_arranged(weight, 1, 0, (0, 0, 1), (1, 1, out_channels), (1, 1), Conv(weight=weight)))


def hollow(synapse: Synapse) -> Synapse:
    """The same, but it brings nothing."""
    return synapse._replace(kernel_h=0, words=0, in_height=0, in_width=0)


def _synapse(name: str, node: Dense | Conv, network: Network, in_place: bool) -> Synapse | None:
    source = network.sources(name)[0]
    inputs, outputs = network.shapes[source], network.shapes[name]
    largest = int(np.abs(node.weight.astype(np.int64)).max(initial=0))
    if largest > _INT16_MAX:
        return None
    if isinstance(node, Dense):
        weight = node.weight
        if in_place and isinstance(network.nodes[source], Flatten):
            channels, height, width = _three(network.shapes[network.sources(source)[0]])
            weight = weight.reshape(-1, channels, height, width).transpose(0, 2, 3, 1).reshape(len(weight), -1)
        conv, exponent = Conv(weight=weight[:, :, None, None]), node.weight_exp
    else:
        conv, exponent = node, node.weight_exp
    kernel: Pair = conv.weight.shape[2:]
    # At least one row fits a sum, as every weight does.
    limit = _INT16_MAX // max(largest, 1)
    return _arranged(_blocks(conv), limit, exponent, _places(inputs), _places(outputs), kernel, conv)


def _arranged(
    weight: Array, limit: int, exponent: int, inputs: Shape, outputs: Shape, kernel: Pair, node: Conv
) -> Synapse:
    one_run = node.dilation[1] == 1
    words = -(-kernel[1] * inputs[2] // 8)
    table_bytes = len(weight) * kernel[0] * words * 256 * weight.shape[2] * 2
    few = node.groups == 1 and one_run and limit >= weight.shape[1] > 0 and table_bytes <= TABLE_BYTES
    return Synapse(
        weight=weight,
        table=_table(weight, kernel[0], words) if few else np.empty((0, 0, weight.shape[2]), np.int16),
        words=words if few else 0,
        limit=limit,
        exponent=exponent,
        groups=node.groups,
        in_height=inputs[0],
        in_width=inputs[1],
        in_channels=inputs[2],
        out_width=outputs[1],
        out_channels=outputs[2],
        kernel_h=kernel[0],
        pieces=1 if one_run else kernel[1],
        span=kernel[1] if one_run else 1,
        stride_h=node.stride[0],
        stride_w=node.stride[1],
        padding_h=node.padding[0],
        padding_w=node.padding[1],
        dilation_h=node.dilation[0],
        dilation_w=node.dilation[1],
    )


def _blocks(node: Conv) -> Array:
    """Weight (out, in / groups, kh, kw) to (groups * blocks, kh * kw * in / groups, lanes) int16, padded with zeros."""
    outputs, per_group, kh, kw = node.weight.shape
    rows, columns = kh * kw * per_group, outputs // node.groups
    lanes = _lanes(columns)
    padded = np.zeros((node.groups, -(-columns // lanes) * lanes, rows), np.int16)
    padded[:, :columns] = node.weight.transpose(0, 2, 3, 1).reshape(node.groups, columns, rows)
    return np.ascontiguousarray(padded.reshape(-1, lanes, rows).transpose(0, 2, 1))


def _table(weight: Array, kernel_h: int, words: int) -> Array:
    """The sums of each eight neighbouring rows of a kernel's row, for the 256 ways in which they can be chosen."""
    blocks, rows, lanes = weight.shape
    padded = np.zeros((blocks, kernel_h, words * 8, lanes), np.int16)
    padded[:, :, : rows // kernel_h] = weight.reshape(blocks, kernel_h, -1, lanes)
    chosen = (np.arange(256)[:, None] >> np.arange(8) & 1).astype(np.int16)
    return np.ascontiguousarray(chosen @ padded.reshape(-1, 8, lanes)).reshape(blocks, -1, lanes)


def _lanes(channels: int) -> int:
    """The width that pads the channels least; of equals, the widest."""
    return min(LANES, key=lambda lanes: (-(-channels // lanes) * lanes, -lanes))


def _places(shape: Shape) -> Shape:
    """(height, width, channels) of (C, H, W), or of (n,): one place of n channels."""
    channels, height, width = _three(shape)
    return height, width, channels


def _three(shape: Shape) -> Shape:
    return (*shape, *(1,) * (3 - len(shape)))


@dataclass(frozen=True)
class Layer:
    """The neurons of one node, with their state for R recordings.

    fused: the synapse that the kernel runs along with them, None if no synapse qualifies.
    synapse: its layout, or one without inputs.
    """

    fused: str | None
    synapse: Synapse
    cells: Cells
    u: Array
    v: Array
    overflow: Array

    @classmethod
    def of(cls, name: str, network: Network, prepared: dict[str, Synapse | None], recordings: int) -> "Layer":
        node = network.nodes[name]
        assert isinstance(node, GridNeuron)
        height, width, channels = _places(node.shape)
        fused = next((source for source in network.sources(name) if prepared.get(source) is not None), None)
        synapse = prepared.get(fused or "") or without_inputs(channels)
        u, v = np.zeros((2, recordings, len(synapse.weight), height * width * synapse.weight.shape[2]), np.int32)
        return cls(fused, synapse, _cells(node, synapse), u, v, np.zeros((recordings, 2), np.int64))

    def reset(self) -> None:
        self.u[:] = 0
        self.v[:] = 0


def _cells(node: GridNeuron, synapse: Synapse) -> Cells:
    lanes, groups = synapse.weight.shape[2], synapse.groups
    shape = _three(node.shape)

    def places_last(value: Array) -> Array:
        """(C, places)"""
        return np.broadcast_to(value, node.shape).reshape(shape[0], -1)

    values = {
        "keep_u": grid.DU_IMMEDIATE - node.du,
        "keep_v": grid.DECAY_ONE - node.dv,
        "threshold": np.array(_NEVER) if node.vth is None else np.asarray(node.vth, np.int64) << grid.STATE_BITS,
        "bias": node.bias,
    }
    full = {name: places_last(np.asarray(value)) for name, value in values.items()}
    per_place = any((value != value[:, :1]).any() for value in full.values())
    tiled = {
        name: _in_blocks(value if per_place else np.repeat(value[:, :1], TILE // lanes, axis=1), groups, lanes)
        for name, value in full.items()
    }
    # With nothing kept of it, the current is what arrives. Only the real channels count: padding holds zeros.
    return Cells(**tiled, immediate=bool((full["keep_u"] == 0).all()), per_place=per_place, within=False)


def _in_blocks(value: Array, groups: int, lanes: int) -> Array:
    """(C, places) to (groups * blocks, places * lanes) int32, padded with zeros."""
    channels, places = value.shape
    columns = channels // groups
    padded = np.zeros((groups, -(-columns // lanes) * lanes, places), np.int32)
    padded[:, :columns] = value.reshape(groups, columns, places)
    return np.ascontiguousarray(padded.reshape(-1, lanes, places).transpose(0, 2, 1)).reshape(-1, places * lanes)
