"""The whole difference between two models, as a person would tell it: structure first, then every parameter."""

from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from itertools import combinations
from math import prod

import numpy as np

from deploy.checking.divergence.groups import FIELDS, differing_groups, same_value
from deploy.checking.divergence.orders import factor, order_in_words, permutation
from deploy.checking.divergence.patterns import describe, likeness, named
from deploy.errors import DeployError, shown
from deploy.network import Conv, Dense, Network, Neuron

BROKEN = (DeployError, ValueError, IndexError, KeyError, TypeError)
"""What a model that does not hold together may raise as it is looked at."""


@dataclass(frozen=True)
class _Same:
    """A change that is told as one, as what leaves the spikes as they were: its words, and the nodes it tells of."""

    words: str
    nodes: frozenset[str]


def difference(reference: Network, tested: Network) -> list[str]:
    """Lines about everything in which `tested` differs from `reference`; empty where nothing does."""
    renamed = _renamed(reference, tested)
    lines = []
    if renamed:
        listed = ", ".join(f"{a} is called {b}" for a, b in list(renamed.items())[:4])
        more = f" and {len(renamed) - 4} more" if len(renamed) > 4 else ""
        lines.append(f"nodes are renamed, and nothing else about them: {listed}{more}")
        tested = _with_names(tested, {b: a for a, b in renamed.items()})
    lines += _of_the_file(reference, tested)
    lines += _structure(reference, tested)
    same = [*_harmless(reference, tested), *_exchanged(reference, tested)]
    lines += [one.words for one in same]
    told = {node for one in same for node in one.nodes}
    for group in differing_groups(reference, tested):
        if group.kind in ("node", "wiring") or group.node in told:
            continue
        try:
            words, like = describe(group, reference, tested)[1], likeness(group, reference, tested)
        except BROKEN:
            words, like = f"its {group.kind} differs", ""
        lines.append(f"{group.node}: {words}" + (f" ({like})" if like else ""))
    return lines


def _of_the_file(one: Network, other: Network) -> Iterator[str]:
    for field in fields(Network):
        a, b = getattr(one, field.name), getattr(other, field.name)
        if field.name in ("nodes", "edges", "report", "scale_bits") or a == b:
            continue
        if is_dataclass(a) and type(a) is type(b):
            inner = [(inner.name, getattr(a, inner.name), getattr(b, inner.name)) for inner in fields(a)]
            apart = [
                f"{name} {shown(theirs)} instead of {shown(ours)}" for name, ours, theirs in inner if ours != theirs
            ]
            yield f"{field.name} has {', '.join(apart)}"
        else:
            yield f"{field.name} is {shown(b)} instead of {shown(a)}"
    if one.input_shape != other.input_shape:
        yield f"the input is of shape {other.input_shape} instead of {one.input_shape}"


def _structure(one: Network, other: Network) -> Iterator[str]:
    for name in dict.fromkeys((*one.nodes, *other.nodes)):
        a, b = one.nodes.get(name), other.nodes.get(name)
        if b is None:
            yield f"{name}, {named(a)}, is missing"
        elif a is None:
            yield f"{name}, {named(b)}, is there and should not be"
        elif type(a) is not type(b):
            yield f"{name} is {named(b)} instead of {named(a)}"
        elif isinstance(a, Neuron) and isinstance(b, Neuron) and a.shape != b.shape:
            yield f"{name} has neurons of shape {b.shape} instead of {a.shape}"
        elif type(a) not in FIELDS and not isinstance(a, Neuron):
            for field, value in vars(a).items():
                if not same_value(value, getattr(b, field)):
                    yield f"{name}, {named(a)}: {field} is {getattr(b, field)} instead of {value}"
    gone = {name for name in (*one.nodes, *other.nodes) if name not in one.nodes or name not in other.nodes}
    for first, second, word in ((one, other, "is missing"), (other, one, "is there and should not be")):
        for edge in sorted(set(first.edges) - set(second.edges)):
            if not gone & set(edge) or _recurrent(first, edge):
                back = "recurrent edge" if _recurrent(first, edge) else "edge"
                yield f"the {back} {edge[0]} -> {edge[1]} {word}"


def _recurrent(network: Network, edge: tuple[str, str]) -> bool:
    try:
        return edge in network.recurrent_edges
    except BROKEN:
        return False


def _renamed(one: Network, other: Network) -> dict[str, str]:
    """Names of the first by those of the second where one graph is the other under other names; empty else."""
    if set(one.nodes) == set(other.nodes) or len(one.nodes) != len(other.nodes):
        return {}
    try:
        pairs = dict(zip(one.order, other.order, strict=True))
    except BROKEN:
        return {}
    alike = all(type(one.nodes[a]) is type(other.nodes[b]) for a, b in pairs.items())
    if not alike or {(pairs[a], pairs[b]) for a, b in one.edges} != set(other.edges):
        return {}
    return {a: b for a, b in pairs.items() if a != b}


def _with_names(network: Network, names: dict[str, str]) -> Network:
    return network.replace(
        nodes={names.get(name, name): node for name, node in network.nodes.items()},
        edges=tuple((names.get(a, a), names.get(b, b)) for a, b in network.edges),
    )


def _harmless(one: Network, other: Network) -> list[_Same]:
    """Layers renumbered or scaled as a whole, and weights that another exponent makes up for."""
    found = []
    for name, cell in one.nodes.items():
        if isinstance(cell, Neuron):
            for look in (_renumbered, _scaled):
                try:
                    same = look(one, other, name)
                except BROKEN:
                    continue
                found += [same] if same else []
        elif isinstance(cell, Dense | Conv) and isinstance(again := other.nodes.get(name), Dense | Conv):
            one_sum, other_sum = (np.asarray(node.weight) * 2.0**node.weight_exp for node in (cell, again))
            if cell.weight_exp != again.weight_exp and np.array_equal(one_sum, other_sum):
                by = again.weight_exp - cell.weight_exp
                words = (
                    f"{name}: weight_exp is {by:+d} and the weights make up for it (times {2.0**-by:g}): the same sums"
                )
                found.append(_Same(words, frozenset([name])))
    return found


def _exchanged(one: Network, other: Network) -> Iterator[_Same]:
    """Synapses that hold each other's weights."""
    shared = [
        name
        for name, node in one.nodes.items()
        if isinstance(node, Dense | Conv) and type(other.nodes.get(name)) is type(node)
    ]
    for a, b in combinations(shared, 2):
        here, there = (_weight(one, a), _weight(one, b)), (_weight(other, a), _weight(other, b))
        if np.array_equal(here[0], here[1]) or not np.array_equal(here[0], there[1]):
            continue
        if np.array_equal(here[1], there[0]):
            more = [
                f"; {name}: {field} is {getattr(other.nodes[name], field)} instead of {getattr(one.nodes[name], field)}"
                for name in (a, b)
                for field in vars(one.nodes[name])
                if field != "weight"
                and not same_value(getattr(one.nodes[name], field), getattr(other.nodes[name], field))
            ]
            yield _Same(
                f"{a} and {b}: the weights are exchanged, each holds those of the other{''.join(more)}",
                frozenset((a, b)),
            )


def _renumbered(one: Network, other: Network, layer: str) -> _Same | None:
    """A layer whose outputs stand in another order, with its constants and with whatever reads it."""
    sources = [name for name in one.sources(layer) if isinstance(one.nodes[name], Dense | Conv)]
    orders = [permutation(_weight(one, name), _weight(other, name), 0) for name in sources]
    order = next((order for order in orders if order is not None), None)
    if order is None or any(o is None or not np.array_equal(o, order) for o in orders):
        return None
    cell, again = one.nodes[layer], other.nodes[layer]
    if not (isinstance(cell, Neuron) and isinstance(again, Neuron)):
        return None
    for names in cell.groups.values():
        for field in names:
            a, b = getattr(cell, field), getattr(again, field)
            if isinstance(a, np.ndarray) and a.ndim:
                a = np.broadcast_to(a, cell.shape)[order]
                b = np.broadcast_to(b, cell.shape)
            if not same_value(a, b):
                return None
    readers = _readers(one, layer)
    size = prod(cell.shape[1:])
    for name in readers:
        a, b = _weight(one, name), _weight(other, name)
        flat = a.ndim == 2 and size > 1
        read = np.concatenate([np.arange(size) + size * c for c in order]) if flat else order
        if not np.array_equal(a[:, read], b):
            return None
    if not readers:
        return None
    what = "channel" if len(cell.shape) == 3 else "neuron"
    places = ", ".join((*sources, layer, *readers))
    words = f"{layer}: {order_in_words(what, order)}, renumbered throughout ({places}): the same network"
    return _Same(words, frozenset((*sources, layer, *readers)))


def _readers(network: Network, layer: str) -> list[str]:
    """The synapses that read a layer, through nodes that only pass on."""
    found, passed, waiting = list[str](), set[str](), list(network.targets(layer))
    while waiting:
        name = waiting.pop()
        node = network.nodes[name]
        if name in passed:
            continue
        passed.add(name)
        if isinstance(node, Dense | Conv):
            found.append(name)
        elif not isinstance(node, Neuron):
            waiting += network.targets(name)
    return sorted(found)


def _scaled(one: Network, other: Network, layer: str) -> _Same | None:
    """A layer whose weights, bias and threshold have one factor: the same spikes."""
    sources = [name for name in one.sources(layer) if isinstance(one.nodes[name], Dense | Conv)]
    factors = {factor(_weight(one, name), _weight(other, name)) for name in sources}
    cell, again = one.nodes[layer], other.nodes[layer]
    if not (isinstance(cell, Neuron) and isinstance(again, Neuron)):
        return None
    by = next(iter(factors), None)
    if len(factors) != 1 or by is None or cell.firing_potential is None or again.firing_potential is None:
        return None
    for a, b in ((cell.firing_potential, again.firing_potential), (cell.bias, again.bias)):
        if not same_value(np.asarray(a, np.float64) * by, np.asarray(b, np.float64)):
            return None
    all_of_it = f"the weights of {', '.join(sources)}, bias and threshold"
    words = f"{layer}: {all_of_it} are {by:g} times what they were: the same spikes"
    return _Same(words, frozenset((*sources, layer)))


def _weight(network: Network, name: str) -> np.ndarray:
    node = network.nodes[name]
    if not isinstance(node, Dense | Conv):
        raise KeyError(name)
    return np.asarray(node.weight)
