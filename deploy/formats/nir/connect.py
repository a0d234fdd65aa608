"""How the nodes of a graph hang together: unconnected nodes, empty cycles, shapes, and the readout."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from math import prod

import nir
import numpy as np

from deploy.errors import ModelError, UnsupportedError
from deploy.formats.nir.neurons import NirNeuron
from deploy.formats.nir.nodes import lifted
from deploy.network import Edge, FloatNeuron, Input, Network, Neuron, Scale, Shape
from deploy.network.idioms import add_readout
from deploy.network.shapes import output_shape

MOST_AXES, FOREIGN_AXES = 3, 2
"""Of one step: (C, H, W); and those that tools put before them: batch and time."""


def check_connections(nodes: Mapping[str, nir.NIRNode], edges: Iterable[Edge]) -> None:
    """Refuse nodes that nothing feeds or that feed nothing, and cycles in which nothing takes time."""
    edges = list(edges)
    fed, feeding = {target for _, target in edges}, {source for source, _ in edges}
    for name, node in nodes.items():
        kind = type(node).__name__
        if isinstance(node, nir.Input) == (name in fed):
            raise ModelError(
                f"{name} ({kind}): "
                + ("is the input, yet something feeds it" if name in fed else "nothing feeds it")
                + "; connect it or remove it"
            )
        if isinstance(node, nir.Output) == (name in feeding):
            raise ModelError(
                f"{name} ({kind}): "
                + ("is the output, yet it feeds something" if name in feeding else "feeds nothing")
                + "; connect it or remove it"
            )
    stuck = {name for name, node in nodes.items() if not _takes_time(node)}
    while True:
        free = stuck - {target for source, target in edges if source in stuck}
        if not free:
            break
        stuck -= free
    if stuck:
        raise UnsupportedError(
            f"nodes {sorted(stuck)} lie on or behind a cycle without any neuron or delay, which would have to feed "
            "itself within one step; put a Delay into the cycle"
        )


def _takes_time(node: nir.NIRNode) -> bool:
    return isinstance(node, NirNeuron | nir.Delay) and not (isinstance(node, nir.Delay) and not np.any(node.delay))


def fit_shapes(network: Network, output: Shape | None, lift: bool) -> Network:
    """Give neurons whose parameters are one number the shape of their input, and check that everything fits.

    NIR's types have no batch and no time, but some tools write them: axes before those that nodes take are left out.

    Raises:
        ModelError: two nodes do not fit, or the output is not of the shape that the file says.
    """
    shape, first = network.input_shape, None
    for left_out in range(max(0, len(shape) - MOST_AXES), min(FOREIGN_AXES, len(shape) - 1) + 1):
        entering = lifted(shape[left_out:], lift)
        try:
            fitted = _fitted(network.replace(nodes={**network.nodes, network.input: Input(shape=entering)}))
            break
        except ModelError as error:
            first = first or error
    else:
        raise first or ModelError(f"{network.input}: {shape} has more axes than (batch, time, C, H, W)")
    given = fitted.shapes[network.output]
    if output is not None and not any(_ends_in(output, form) for form in (given, _squeezed(given))):
        raise ModelError(f"{network.output}: the file says {output}, the graph gives {given}; correct the file")
    return fitted


def _fitted(network: Network) -> Network:
    """With neurons of the shape of their input."""
    nodes = dict(network.nodes)
    shapes: dict[str, Shape] = {}
    for name in network.connected:
        node = nodes[name]
        if isinstance(node, Input):
            shapes[name] = node.shape
            continue
        shape = next(shapes[source] for source in network.sources(name) if source in shapes)
        if isinstance(node, FloatNeuron) and node.shape != shape and _spreads(node.shape, shape):
            node = nodes[name] = replace(node, shape=shape)
        if isinstance(node, Scale) and not _spreads(node.factor.shape, shape):
            raise ModelError(f"{name}: scales {node.factor.shape}, its input is {shape}")
        shapes[name] = output_shape(name, node, shape)
    network = network.replace(nodes=nodes)
    _ = network.shapes  # checks the rest
    return network


def _ends_in(said: Shape, form: Shape) -> bool:
    """Whether a type says this shape, with or without a batch and a time before it."""
    return said == form or (0 < len(form) < len(said) <= len(form) + FOREIGN_AXES and said[-len(form) :] == form)


def _squeezed(shape: Shape) -> Shape:
    """Without axes of one place, as (C, 1, L) is (C, L) in the file."""
    return tuple(n for n in shape if n != 1)


def _spreads(shape: Shape, target: Shape) -> bool:
    """One value for all, or the same rank with ones in it."""
    if prod(shape) == 1:
        return True
    return len(shape) == len(target) and all(n in (1, m) for n, m in zip(shape, target, strict=True))


def ensure_readout(network: Network) -> Network:
    """Put an integrator without leak before an output that no single neuron feeds, so that predictions exist."""
    sources = network.sources(network.output)
    fed_by_neurons = len(sources) == 1 and isinstance(network.nodes[sources[0]], Neuron)
    return network if fed_by_neurons else add_readout(network)
