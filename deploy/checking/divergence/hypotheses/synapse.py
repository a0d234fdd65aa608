"""Mistakes in a synapse: its axes, its order, its numbers."""

from collections.abc import Iterator
from itertools import permutations

import numpy as np

from deploy.checking.divergence.hypotheses.packed import packed_variants, stored_variants
from deploy.checking.divergence.hypotheses.registry import Candidate, hypothesis
from deploy.checking.divergence.orders import turned
from deploy.checking.divergence.setup import Setup
from deploy.errors import DeployError
from deploy.network import Array, Conv, Dense, Flatten, Network, Shape
from deploy.traces.trace import Trace


def synapses(setup: Setup, layer: str) -> list[tuple[str, Dense | Conv]]:
    """The synapses that feed `layer` directly."""
    network = setup.network
    return [(s, node) for s in network.sources(layer) if isinstance(node := network.nodes[s], Dense | Conv)]


def flat_shape(network: Network, synapse: str) -> Shape | None:
    """The shape (C, H, W) of what a Flatten before the synapse makes flat; None without one."""
    source = next(iter(network.sources(synapse)), None)
    if source is None or not isinstance(network.nodes[source], Flatten):
        return None
    try:
        shape = network.shapes[network.sources(source)[0]]
    except (DeployError, IndexError):
        return None  # a network that does not hold together
    return shape if len(shape) == 3 else None


def kernel_variants(weight: Array) -> Iterator[tuple[str, str, Array]]:
    """Kind, description and weights of every way to confuse a kernel's axes; of the same shape."""
    yield "kernel-flipped", "the kernel is flipped in both axes (convolution for correlation)", weight[..., ::-1, ::-1]
    yield "kernel-flipped", "the kernel is flipped from top to bottom", weight[..., ::-1, :]
    yield "kernel-flipped", "the kernel is flipped from left to right", weight[..., ::-1]
    if weight.shape[-1] == weight.shape[-2]:
        yield "kernel-axes", "the kernel's axes are swapped", weight.swapaxes(-1, -2)


def channel_variants(weight: Array) -> Iterator[tuple[str, str, Array]]:
    """The same for input and output channels."""
    if weight.shape[1] > 1:
        yield "input-channels", "the input channels stand in reverse order (polarity swapped)", weight[:, ::-1]
    if weight.shape[0] == weight.shape[1] > 1:
        yield "weight-transposed", "the matrix is transposed: inputs and outputs are swapped", weight.swapaxes(0, 1)
    yield "weight-sign", "the weights have the opposite sign", -weight


def flatten_variants(weight: Array, shape: Shape) -> Iterator[tuple[str, str, Array]]:
    """The same for a dense layer that reads a flattened (C, H, W)."""
    split = weight.reshape(-1, *shape)
    names = "CHW"
    for order in permutations(range(3)):
        if order != (0, 1, 2):
            taken = split.transpose(0, *(axis + 1 for axis in order)).reshape(weight.shape)
            how = ", ".join(names[axis] for axis in order)
            yield "flatten-order", f"the weights lie in the order ({how}) instead of (C, H, W)", taken
            back = np.empty_like(weight)
            index = np.arange(weight.shape[1]).reshape(shape).transpose(order).ravel()
            back[:, index] = weight
            yield "flatten-order", f"the input is flattened in the order ({how}) instead of (C, H, W)", back


def number_variants(weight: Array) -> Iterator[tuple[str, str, Array]]:
    """The same for the numbers."""
    yield "weight-clipped", "the weights are clipped to 8 bits, -128 to 127", weight.clip(-128, 127)
    yield "weight-clipped", "the weights are clipped to -127 to 127", weight.clip(-127, 127)
    yield "weight-wrapped", "the weights wrap at 8 bits", weight.astype(np.int8).astype(weight.dtype)
    for bits in (1, 2, 3, 4):
        yield "weight-bits", f"the {bits} lowest bits of the weights are dropped", weight >> bits << bits
    yield "weight-unsigned", "the weights lost their sign", abs(weight)
    yield "weight-scale", "the weights are doubled", weight * 2
    yield "weight-scale", "the weights are halved", weight // 2


def weight_variants(network: Network, name: str, weight: Array) -> Iterator[tuple[str, str, Array]]:
    """Every way above to get the weights of synapse `name` wrong, those left out that change nothing."""
    families = [channel_variants(weight)]
    if weight.ndim == 4:
        families.insert(0, kernel_variants(weight))
        families.append(turned(weight))
    shape = flat_shape(network, name)
    if shape is not None:
        families.insert(0, flatten_variants(weight, shape))
    if np.issubdtype(weight.dtype, np.integer):
        families += [number_variants(weight), stored_variants(weight), packed_variants(weight)]
    for family in families:
        for kind, text, variant in family:
            if not np.array_equal(variant, weight):
                yield kind, text, variant


@hypothesis("weights", "synapse")
def other_weights(setup: Setup, layer: str, trace: Trace) -> Iterator[Candidate]:
    """The runner reads a synapse's weights wrongly; the kind is that of the variant, before the bar."""
    for name, node in synapses(setup, layer):
        for kind, text, weight in weight_variants(setup.network, name, node.weight):
            yield Candidate(f"{kind}|{name}: {text}", setup.with_node(name, weight=weight))


@hypothesis("weight-exponent", "synapse")
def other_exponent(setup: Setup, layer: str, trace: Trace) -> Iterator[Candidate]:
    """The exponent is left out or off by one."""
    for name, node in synapses(setup, layer):
        for exponent in {0, node.weight_exp - 1, node.weight_exp + 1} - {node.weight_exp}:
            text = f"{name}: the weights are shifted by {exponent} instead of weight_exp = {node.weight_exp}"
            yield Candidate(text, setup.with_node(name, weight_exp=exponent))


@hypothesis("missing-branch", "synapse")
def missing_branch(setup: Setup, layer: str, trace: Trace) -> Iterator[Candidate]:
    """A synapse brings nothing."""
    for name, node in synapses(setup, layer):
        yield Candidate(f"{name}: brings nothing", setup.with_node(name, weight=np.zeros_like(node.weight)))


@hypothesis("geometry", "synapse")
def other_geometry(setup: Setup, layer: str, trace: Trace) -> Iterator[Candidate]:
    """Strides, paddings and dilations that are swapped, left out, or others whose result is of the same size."""
    for name, node in synapses(setup, layer):
        if not isinstance(node, Conv):
            continue
        for fields in _geometries(node):
            changed = setup.with_node(name, **fields)
            try:
                fits = changed.network.shapes[name] == setup.network.shapes[name]
            except DeployError:
                fits = False
            if fits:
                told = ", ".join(
                    f"{what} is {value} instead of {getattr(node, what)}" for what, value in fields.items()
                )
                yield Candidate(f"{name}: {told}", changed)


def _geometries(node: Conv) -> Iterator[dict[str, tuple[int, int]]]:
    here = {"stride": node.stride, "padding": node.padding, "dilation": node.dilation}
    for what, value in here.items():
        for other in sorted({value[::-1], (1, 1) if what != "padding" else (0, 0)} - {value}):
            yield {what: other}
    # Another dilation of the same size has the padding that goes with it.
    kernel = node.weight.shape[2:]
    for other in {(a, b) for a in (1, 2, 3) for b in (1, 2, 3)} - {node.dilation}:
        wider = [(o - d) * (k - 1) for o, d, k in zip(other, node.dilation, kernel, strict=True)]
        padding = tuple(p + w // 2 for p, w in zip(node.padding, wider, strict=True))
        if min(padding) >= 0 and not any(w % 2 for w in wider) and padding != node.padding:
            yield {"dilation": other, "padding": (padding[0], padding[1])}
