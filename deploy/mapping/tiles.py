"""Tiles: the piece of a layer that one core holds, and what of the layer before reaches it."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from math import prod

import numpy as np

from deploy.errors import UnsupportedError
from deploy.mapping.memory import index_bits, list_bits, weight_bits
from deploy.network import Array, Conv, Delay, Dense, Flatten, Input, Network, Shape
from deploy.passes.synapses import gives_sums

Range = tuple[int, int]
Taps = tuple[int, ...]


@dataclass(frozen=True)
class Tile:
    """Channels, rows and columns [from, to) of a layer; a flat layer has one row and one column."""

    channels: Range
    rows: Range
    columns: Range

    @property
    def neurons(self) -> int:
        return prod(stop - start for start, stop in (self.channels, self.rows, self.columns))

    @property
    def slices(self) -> tuple[slice, slice, slice]:
        return slice(*self.channels), slice(*self.rows), slice(*self.columns)


@dataclass(frozen=True)
class Link:
    """One synapse into a layer: its node, where its spikes come from, and the shapes (C, H, W) at both ends.

    delay_bits: those in which each weight holds its delay (nengo-loihi, `SynapseConfig.delay_bits`).
    """

    name: str
    node: Dense | Conv
    source: str
    before: Shape
    after: Shape
    delay_bits: int

    @cached_property
    def bits(self) -> int:
        """Of one weight with its delay."""
        return weight_bits(self.node.weight) + self.delay_bits


def links_into(network: Network, layer: str) -> list[Link]:
    """The synapses that feed `layer`. Raises UnsupportedError for anything else that does."""
    links: list[Link] = []
    for name in network.sources(layer):
        node = network.nodes[name]
        if not isinstance(node, Dense | Conv):
            way_out = "Quantize the network first, which folds pooling and factors"
            if gives_sums(network, name):
                way_out = "Put the Flatten behind the neurons"
            raise UnsupportedError(
                f"{layer}: is fed by {name}, a {type(node).__name__}; on a chip synapses feed neurons. {way_out}"
            )
        source = _origin(network, name)
        before, after = full_shape(network.shapes[network.sources(name)[0]]), full_shape(network.shapes[name])
        if isinstance(node, Dense):
            before = full_shape(network.shapes[source])
        found = Link(name, _plain(node), source, before, after, _delay_bits(network, name))
        same = next((i for i, link in enumerate(links) if _parts_of_one(link, found)), None)
        if same is None:
            links.append(found)
        else:
            links[same] = _joined(links[same], found)
    return links


def _delay_bits(network: Network, name: str) -> int:
    """The bits that the delay before a synapse takes."""
    steps = 0
    source = network.sources(name)[0]
    while isinstance(node := network.nodes[source], Flatten | Delay):
        steps += node.steps if isinstance(node, Delay) else 0
        source = network.sources(source)[0]
    return steps.bit_length()


def _plain(node: Dense | Conv) -> Dense | Conv:
    """A dense layer that connects each neuron with its own input alone is a convolution of one tap a channel."""
    if isinstance(node, Conv) or node.weight.shape[0] != node.weight.shape[1]:
        return node
    own = np.diagonal(node.weight)
    if np.count_nonzero(node.weight) != np.count_nonzero(own) or len(own) == 1:
        return node
    return Conv(weight=own.reshape(-1, 1, 1, 1), weight_exp=node.weight_exp, groups=len(own))


def _parts_of_one(one: Link, other: Link) -> bool:
    """Whether two dense layers are parts of one whose weights have delays of their own: none stands in both."""
    a, b = one.node, other.node
    if not (
        isinstance(a, Dense) and isinstance(b, Dense) and one.source == other.source and one.before == other.before
    ):
        return False
    alike = a.weight.shape == b.weight.shape and a.weight_exp == b.weight_exp
    return alike and not np.any((a.weight != 0) & (b.weight != 0))


def _joined(one: Link, other: Link) -> Link:
    node = replace(one.node, weight=one.node.weight + other.node.weight)
    return replace(one, node=node, delay_bits=max(one.delay_bits, other.delay_bits))


def full_shape(shape: Shape) -> Shape:
    """(C, H, W) of any layer."""
    return shape if len(shape) == 3 else (prod(shape), 1, 1)


@lru_cache(maxsize=1 << 16)  # a layer that fits no chip is cut in thousands of ways, of the same rows and columns
def taps(inputs: int, kernel: int, stride: int, padding: int, dilation: int, out: Range) -> tuple[Taps, ...]:
    """For every input row (or column), the taps of the kernel with which it reaches the outputs `out`."""
    reached = []
    for i in range(inputs):
        hits = [(i + padding - k * dilation, k) for k in range(kernel)]
        reached.append(tuple(k for at, k in hits if at % stride == 0 and out[0] <= at // stride < out[1]))
    return tuple(reached)


def both_taps(link: Link, tile: Tile) -> tuple[tuple[Taps, ...], tuple[Taps, ...]]:
    """`taps` of the rows and of the columns of a convolution."""
    node = link.node
    assert isinstance(node, Conv)
    options = zip(node.weight.shape[2:], node.stride, node.padding, node.dilation, strict=True)
    sides = zip(link.before[1:], options, (tile.rows, tile.columns), strict=True)
    rows, columns = (taps(size, *option, out) for size, option, out in sides)
    return rows, columns


def input_channels(link: Link, tile: Tile) -> Range:
    """The input channels that reach the tile's channels: all, or those of its groups."""
    node = link.node
    if isinstance(node, Dense):
        return 0, link.before[0]
    per_group, outputs = node.weight.shape[1], len(node.weight) // node.groups
    first, last = tile.channels[0] // outputs, (tile.channels[1] - 1) // outputs
    return first * per_group, (last + 1) * per_group


def axons_in(link: Link, tile: Tile) -> int:
    """Axons of the core that holds `tile`: one per input neuron; of a convolution one per input pixel.

    A convolution's spike carries its channel with it (a population axon of nengo-loihi), so all channels of a pixel
    share one axon.
    """
    if isinstance(link.node, Dense):
        return prod(link.before)
    rows, columns = both_taps(link, tile)
    return sum(map(bool, rows)) * sum(map(bool, columns))


def memory_bits(link: Link, tile: Tile, *, shared: bool = True) -> int:
    """Synaptic memory of `tile` for this synapse.

    Dense: one list of weights per input. Convolution: inputs that use the same taps of the kernel share one list, which
    holds all input channels (weight sharing, nengo-loihi's population axons); with `shared` False every input neuron
    has a list of its own.
    """
    if isinstance(link.node, Dense):
        return prod(link.before) * list_bits(tile.neurons, link.bits)
    rows, columns = (Counter(filter(None, side)) for side in both_taps(link, tile))
    first, last = input_channels(link, tile)
    channels, outputs = last - first, tile.channels[1] - tile.channels[0]
    outputs //= max(1, channels // link.node.weight.shape[1])
    width = link.bits + index_bits(tile.neurons)
    total = 0
    for row, row_count in rows.items():
        for column, column_count in columns.items():
            reached = len(row) * len(column) * outputs
            if shared:
                total += list_bits(channels * reached, width)
            else:
                total += channels * row_count * column_count * list_bits(reached, width)
    return total


def axons_out(link: Link, tile: Tile, targets: Sequence[Tile]) -> int:
    """Axons from the neurons of `tile`, a piece of the layer before: one to every core that a neuron reaches.

    The cores `targets` are all combinations of some rows, columns and channels (`partition.cuts`), and what reaches a
    convolution's tile is, too; so the sum over all cores is a product of three sums.
    """
    if isinstance(link.node, Dense):
        return tile.neurons * len(targets)
    rows = sum(sum(map(bool, both_taps(link, one)[0][slice(*tile.rows)])) for one in _unlike(targets, "rows"))
    columns = sum(sum(map(bool, both_taps(link, one)[1][slice(*tile.columns)])) for one in _unlike(targets, "columns"))
    channels = (input_channels(link, one) for one in _unlike(targets, "channels"))
    return rows * columns * sum(_overlap(tile.channels, reached) for reached in channels)


def _unlike(tiles: Sequence[Tile], side: str) -> list[Tile]:
    """One tile for each of the ranges that the tiles have on a side."""
    return list({getattr(tile, side): tile for tile in tiles}.values())


def _overlap(one: Range, other: Range) -> int:
    return max(0, min(one[1], other[1]) - max(one[0], other[0]))


def reach(link: Link, tile: Tile) -> Array:
    """(C, H, W) bool over the layer before: which of its neurons reach the tile."""
    mask = np.zeros(link.before, bool)
    if isinstance(link.node, Dense):
        mask[:] = True
        return mask
    rows, columns = both_taps(link, tile)
    across = np.outer([bool(taps) for taps in rows], [bool(taps) for taps in columns])
    mask[slice(*input_channels(link, tile))] = across
    return mask


def fan_out(link: Link) -> Array:
    """(C, H, W) over the layer before: how many synapses one spike of each neuron operates."""
    if isinstance(link.node, Dense):
        return np.full(link.before, len(link.node.weight))
    whole = Tile((0, link.after[0]), (0, link.after[1]), (0, link.after[2]))
    rows, columns = both_taps(link, whole)
    per_pixel = np.outer([len(taps) for taps in rows], [len(taps) for taps in columns])
    return np.broadcast_to(per_pixel * (len(link.node.weight) // link.node.groups), link.before)


def _origin(network: Network, name: str) -> str:
    """The neurons or input whose spikes reach node `name`."""
    sources = network.sources(name)
    while isinstance(network.nodes[sources[0]], Flatten | Delay) and len(sources) == 1:
        sources = network.sources(sources[0])
    if len(sources) != 1 or not (sources[0] in network.neurons or isinstance(network.nodes[sources[0]], Input)):
        raise UnsupportedError(f"{name}: is fed by {sources}; a mapping needs one layer of neurons before each synapse")
    return sources[0]
