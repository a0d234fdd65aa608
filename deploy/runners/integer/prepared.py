"""Synapses and neurons of a network, laid out as the kernels read them: channels last, in blocks of lanes."""

from dataclasses import dataclass, replace

import numpy as np

from deploy import grid
from deploy.errors import GridError, UnsupportedError
from deploy.network import Array, Conv, Dense, Flatten, GridNeuron, Input, Network, Pair, Scale, Shape, SumPool
from deploy.passes.synapses import refuse_silent_sources
from deploy.runners.integer.bounds import gains
from deploy.runners.integer.kernels import TILE
from deploy.runners.integer.layer_data import Cells, Synapse
from deploy.runners.integer.products import NO_PRODUCT, can_multiply, product_of, read_through
from deploy.runners.integer.scattered import NO_SCATTER, can_scatter, reach, scatter_of
from deploy.runners.integer.vectors import LANES, WIDTHS

_INT16_MAX = (1 << 15) - 1
_NEVER = (1 << 31) - 1
"""A threshold that no potential passes."""

NO_CELLS = Cells(
    *np.empty((4, 1, 0), np.int32),
    immediate=False,
    per_place=False,
    within=False,
    hard_reset=True,
    soft_reset=False,
    late_reset=False,
)
"""For sums that no neuron takes in yet."""


@dataclass(frozen=True)
class PreparedSynapse:
    """A dense layer or convolution for the kernels.

    layout: for what it reads as it is, if such counts arrive.
    plain: for what arrives, its channels innermost; not scattered.
    counts: the largest inputs for which it can be scattered; 0 if it never can.
    before: the input or pooling that is read as it is and taken over, "" if there is none.
    """

    layout: Synapse
    plain: Synapse
    counts: int
    before: str


@dataclass(frozen=True)
class Prepared:
    """What of a network is the same for every recording.

    synapses: by name, every dense layer and convolution; None where a weight does not fit int16.
    gains: see `bounds.gains`.
    in_place: whether Flatten leaves the channels innermost, because the dense layers' weights are in that order.
    """

    synapses: dict[str, PreparedSynapse | None]
    gains: dict[str, int]
    in_place: bool

    @classmethod
    def of(cls, network: Network) -> "Prepared":
        """Raises GridError for weights that are no integers, UnsupportedError for nodes that the grid does not have."""
        refuse_silent_sources(network, "the grid")
        in_place = flattens_in_place(network)
        return cls(_synapses(network, in_place), gains(network), in_place)


def _synapses(network: Network, in_place: bool) -> dict[str, PreparedSynapse | None]:
    prepared: dict[str, PreparedSynapse | None] = {}
    for name, node in network.nodes.items():
        if isinstance(node, Scale):
            raise UnsupportedError(f"{name}: the grid has no Scale; fold it before quantizing")
        if isinstance(node, Dense | Conv):
            if not np.issubdtype(node.weight.dtype, np.integer):
                raise GridError(f"{name}: weights are {node.weight.dtype}, a network on the grid holds integers")
            prepared[name] = _synapse(name, network, _as_convolution(name, node, network, in_place))
    return prepared


def flattens_in_place(network: Network) -> bool:
    """Whether nothing but dense layers sees what a Flatten gives: their weights are put in order instead of it."""
    return all(
        isinstance(network.nodes[target], Dense) and network.sources(target) == [name]
        for name, node in network.nodes.items()
        if isinstance(node, Flatten)
        for target in network.targets(name)
    )


def in_order_of_places(name: str, node: Dense, network: Network) -> Array:
    """The weight of a dense layer whose inputs come with their channels innermost where a Flatten gives them."""
    source = network.sources(name)[0]
    if not isinstance(network.nodes[source], Flatten):
        return node.weight
    shape = three_axes(network.shapes[network.sources(source)[0]])
    return node.weight.reshape(-1, *shape).transpose(0, 2, 3, 1).reshape(len(node.weight), -1)


def without_inputs(out_channels: int) -> Synapse:
    """A synapse that brings nothing, for neurons whose sums come from elsewhere."""
    lanes = _lanes(out_channels, LANES[-1])
    weight = np.empty((-(-out_channels // lanes), 0, lanes), np.int16)
    return silenced(_arranged(weight, 1, (0, 0, 1), (1, 1, out_channels), (1, 1), Conv(weight=weight)))


def silenced(synapse: Synapse) -> Synapse:
    """The same, but it brings nothing."""
    return synapse._replace(kernel_h=0, scatter=NO_SCATTER, product=NO_PRODUCT, in_height=0, in_width=0)


def _as_convolution(name: str, node: Dense | Conv, network: Network, in_place: bool) -> Conv:
    """A dense layer is a convolution of an image of one place; powers of two go from the weights to the exponent."""
    if isinstance(node, Dense):
        weight = in_order_of_places(name, node, network) if in_place else node.weight
        node = Conv(weight=weight[:, :, None, None], weight_exp=node.weight_exp)
    weight = node.weight.astype(np.int64)
    common = int(np.bitwise_or.reduce(weight, axis=None))
    # The lowest bit that any of them has.
    twos = (common & -common).bit_length() - 1 if common else 0
    return replace(node, weight=weight >> twos, weight_exp=node.weight_exp + twos)


def _synapse(name: str, network: Network, node: Conv) -> PreparedSynapse | None:
    source = network.sources(name)[0]
    inputs, outputs = _places(network.shapes[source]), _places(network.shapes[name])
    largest = int(np.abs(node.weight).max(initial=0))
    if largest > _INT16_MAX:
        return None
    largest_sum = int(np.abs(node.weight).reshape(len(node.weight), -1).sum(axis=1).max(initial=0))
    counts = _INT16_MAX // max(largest_sum, 1) if can_scatter(node) else 0
    weight = _blocks(node, WIDTHS[-1] // reach(node) if counts else LANES[-1])
    # At least one row fits a sum, as every weight does.
    plain = _arranged(weight, _INT16_MAX // max(largest, 1), inputs, outputs, node.weight.shape[2:], node)
    if can_multiply(node):
        product = product_of(weight, node, (inputs[0], inputs[1]), (outputs[0], outputs[1]))
        plain = plain._replace(product=product)
    if not counts:
        return PreparedSynapse(plain, plain, 0, "")
    before, read = network.nodes[source], inputs
    if isinstance(before, SumPool) and before.kernel == before.stride and before.padding == (0, 0):
        read = _places(network.shapes[network.sources(source)[0]])
    elif not isinstance(before, Input):
        source = ""
    scatter = scatter_of(weight, node, (read[0], read[1]), (outputs[0], outputs[1]), network.nodes.get(source))
    layout = plain._replace(scatter=scatter, product=read_through(plain.product, network.nodes.get(source), read[1]))
    return PreparedSynapse(layout, plain, counts, source)


def _arranged(weight: Array, limit: int, inputs: Shape, outputs: Shape, kernel: Pair, node: Conv) -> Synapse:
    one_run = node.dilation[1] == 1
    return Synapse(
        weight=weight,
        scatter=NO_SCATTER,
        product=NO_PRODUCT,
        limit=limit,
        # A sum has 32 bits. Larger shifts are those of weights that are all zero, or leave nothing but the sign.
        exponent=max(-31, min(node.weight_exp, 30)),
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


def _blocks(node: Conv, most: int) -> Array:
    """Weight (out, in / groups, kh, kw) to (groups * blocks, kh * kw * in / groups, lanes) int16, padded with zeros."""
    outputs, per_group, kh, kw = node.weight.shape
    rows, columns = kh * kw * per_group, outputs // node.groups
    lanes = _lanes(columns, most)
    padded = np.zeros((node.groups, -(-columns // lanes) * lanes, rows), np.int16)
    padded[:, :columns] = node.weight.transpose(0, 2, 3, 1).reshape(node.groups, columns, rows)
    return np.ascontiguousarray(padded.reshape(-1, lanes, rows).transpose(0, 2, 1))


def _lanes(channels: int, most: int) -> int:
    """The width, of those up to `most`, that pads the channels least; of equals, the widest."""
    return min((lanes for lanes in LANES if lanes <= most), key=lambda lanes: (-(-channels // lanes) * lanes, -lanes))


def _places(shape: Shape) -> Shape:
    """(height, width, channels) of (C, H, W), or of (n,): one place of n channels."""
    channels, height, width = three_axes(shape)
    return height, width, channels


def three_axes(shape: Shape) -> Shape:
    """(C, H, W) of a layer of fewer axes, ones behind those that it has."""
    return (*shape, *(1,) * (3 - len(shape)))


@dataclass(frozen=True)
class Layer:
    """The neurons of one node, with their state for R recordings.

    fused: the synapse that the kernel runs along with them, "" if no synapse qualifies.
    silent: a layout like that one's which brings nothing.
    """

    fused: str
    silent: Synapse
    cells: Cells
    u: Array
    v: Array
    overflow: Array

    @classmethod
    def of(cls, name: str, network: Network, prepared: Prepared, recordings: int) -> "Layer":
        node = network.nodes[name]
        assert isinstance(node, GridNeuron)
        height, width, channels = _places(node.shape)
        fused = next((source for source in network.sources(name) if prepared.synapses.get(source)), "")
        found = prepared.synapses.get(fused)
        synapse = without_inputs(channels) if found is None else found.layout
        u, v = np.zeros((2, recordings, len(synapse.weight), height * width * synapse.weight.shape[2]), np.int32)
        return cls(fused, silenced(synapse), _cells(node, synapse), u, v, np.zeros((recordings, 2), np.int64))

    def keep(self, rows: Array) -> "Layer":
        """The same with the state of these recordings alone; what the others overflowed is added to the first."""
        left = self.overflow[rows]
        left[0] += self.overflow.sum(axis=0) - left.sum(axis=0)
        return replace(self, u=self.u[rows], v=self.v[rows], overflow=left)

    def reset(self) -> None:
        """As before the first step: no state, and nothing counted."""
        self.u[:] = 0
        self.v[:] = 0
        self.overflow[:] = 0


def _cells(node: GridNeuron, synapse: Synapse) -> Cells:
    lanes, groups = synapse.weight.shape[2], synapse.groups
    shape = three_axes(node.shape)

    def places_last(value: Array) -> Array:
        """(C, places)"""
        return np.broadcast_to(value, node.shape).reshape(shape[0], -1)

    values = {
        "keep_u": grid.DU_IMMEDIATE - node.du,
        "keep_v": grid.DECAY_ONE - node.dv,
        "threshold": np.array(_NEVER) if node.is_readout else node.firing_potential,
        "bias": node.bias,
    }
    full = {name: places_last(np.asarray(value)) for name, value in values.items()}
    per_place = any((value != value[:, :1]).any() for value in full.values())
    tiled = {
        name: _in_blocks(value if per_place else np.repeat(value[:, :1], TILE // lanes, axis=1), groups, lanes)
        for name, value in full.items()
    }
    # With nothing kept of it, the current is what arrives. Only the real channels count: padding holds zeros.
    return Cells(
        **tiled,
        immediate=bool((full["keep_u"] == 0).all()),
        per_place=per_place,
        within=False,
        hard_reset=node.resets_at_once,
        soft_reset=node.reset_mechanism == "subtract",
        late_reset=node.reset_delay and node.reset_mechanism != "none",
    )


def _in_blocks(value: Array, groups: int, lanes: int) -> Array:
    """(C, places) to (groups * blocks, places * lanes) int32, padded with zeros."""
    channels, places = value.shape
    columns = channels // groups
    padded = np.zeros((groups, -(-columns // lanes) * lanes, places), np.int32)
    padded[:, :columns] = value.reshape(groups, columns, places)
    return np.ascontiguousarray(padded.reshape(-1, lanes, places).transpose(0, 2, 1)).reshape(-1, places * lanes)
