"""The groups of parameters in which two networks differ, and how to take a group from one into the other."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import combinations
from math import comb

import numpy as np

from deploy.errors import ModelError
from deploy.network import Array, Conv, Delay, Dense, Network, Neuron, Node

FIELDS: dict[type, dict[str, tuple[str, ...]]] = {
    Dense: {"weight": ("weight", "bias"), "weight-exponent": ("weight_exp",)},
    Conv: {
        "weight": ("weight", "bias"),
        "weight-exponent": ("weight_exp",),
        "geometry": ("stride", "padding", "dilation", "groups"),
    },
    Delay: {"delay": ("steps",)},
}
"""Of nodes without a state; a neuron names its own (`Neuron.groups`)."""


@dataclass(frozen=True)
class Group:
    """Parameters of one node that change together; `kind` "node" is the node as a whole, "wiring" the edges."""

    node: str
    kind: str


def differing_groups(a: Network, b: Network) -> list[Group]:
    """The groups in which the two networks differ, in order of execution."""
    found: list[Group] = []
    order = [*_order(a), *(name for name in _order(b) if name not in a.nodes)]
    for name in order:
        one, other = a.nodes.get(name), b.nodes.get(name)
        if one is None or other is None or type(one) is not type(other) or _resized(one, other):
            found.append(Group(name, "node"))
            continue
        for kind, fields in _fields(one).items():
            if not all(same_value(getattr(one, field), getattr(other, field)) for field in fields):
                found.append(Group(name, kind))
    if set(a.edges) != set(b.edges):
        found.append(Group("", "wiring"))
    return found


def _order(network: Network) -> tuple[str, ...]:
    """The nodes in order of execution, or as they stand where the network has none."""
    try:
        return network.order
    except ModelError:
        return tuple(network.nodes)


def take(groups: Iterable[Group], source: Network, into: Network) -> Network:
    """`into` with these groups as in `source`."""
    nodes: dict[str, Node] = dict(into.nodes)
    edges = into.edges
    for group in groups:
        if group.kind == "wiring":
            edges = source.edges
        elif group.kind == "node":
            if group.node in source.nodes:
                nodes[group.node] = source.nodes[group.node]
            else:
                del nodes[group.node]
        else:
            fields = _fields(nodes[group.node])[group.kind]
            values = {field: getattr(source.nodes[group.node], field) for field in fields}
            nodes[group.node] = replace(nodes[group.node], **values)  # pyright: ignore[reportArgumentType]
    return into.replace(nodes=nodes, edges=edges)


MOST_RUNS = 100
"""Each subset that is tried is a run of the network."""


def subsets(groups: list[Group], largest: int = 3) -> Iterator[tuple[Group, ...]]:
    """Every one, then every two, ..., as far as `MOST_RUNS` goes, and at last all of them."""
    while largest > 1 and sum(comb(len(groups), size) for size in range(1, largest + 1)) > MOST_RUNS:
        largest -= 1
    for size in range(1, min(largest, len(groups)) + 1):
        yield from combinations(groups, size)
    if len(groups) > largest:
        yield tuple(groups)


def _fields(node: Node) -> Mapping[str, tuple[str, ...]]:
    return node.groups if isinstance(node, Neuron) else FIELDS.get(type(node), {"node": tuple(vars(node))})


def _resized(one: Node, other: Node) -> bool:
    """Neurons of another shape, which no group of parameters can take over."""
    return isinstance(one, Neuron) and one.shape != other.shape  # pyright: ignore


def same_value(one: object, other: object) -> bool:
    if one is None or other is None:
        return one is other
    if isinstance(one, np.ndarray) or isinstance(other, np.ndarray):
        return _equal_broadcast(np.asarray(one), np.asarray(other))
    return one == other


def _equal_broadcast(one: Array, other: Array) -> bool:
    try:
        return bool(np.all(one == other))
    except ValueError:
        return False
