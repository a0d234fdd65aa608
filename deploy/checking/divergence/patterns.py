"""In which way a group of parameters differs between two networks: the words for a cause."""

import numpy as np

from deploy.checking.divergence.groups import Group, same_value
from deploy.checking.divergence.hypotheses.synapse import flat_shape, weight_variants
from deploy.checking.divergence.orders import blocks, factor, order_in_words, permutation
from deploy.checking.divergence.places import neurons_in_words
from deploy.checking.divergence.stored import rule_in_words
from deploy.network import Array, Conv, Delay, Dense, Network, Neuron, reset_in_words

FEW = 3


def likeness(group: Group, expected: Network, found: Network) -> str:
    """What the difference looks like, up to rounding; "" where it looks like nothing."""
    one, other = expected.nodes.get(group.node), found.nodes.get(group.node)
    if group.kind != "weight" or not isinstance(one, Dense | Conv) or not isinstance(other, Dense | Conv):
        return ""
    if one.weight.shape != other.weight.shape or describe(group, expected, found)[0] != "channel-gain":
        return ""
    return "within 1 % each output channel has a factor of its own, as without its batch norm: a likeness, no proof"


def describe(group: Group, expected: Network, found: Network) -> tuple[str, str]:
    """(kind, text): how `found` differs from `expected` in this group."""
    if group.kind == "wiring":
        missing, extra = set(expected.edges) - set(found.edges), set(found.edges) - set(expected.edges)
        return "wiring", f"edges missing: {_edges(missing)}; edges too many: {_edges(extra)}"
    if group.kind == "node":
        one, other = expected.nodes.get(group.node), found.nodes.get(group.node)
        if isinstance(one, Delay) or isinstance(other, Delay):
            return "delay", f"{named(other)} instead of {named(one)}"
        return "node", f"{named(other)} instead of {named(one)}"
    one, other = expected.nodes[group.node], found.nodes[group.node]
    match one, other:
        case (Dense() | Conv(), Dense() | Conv()) if group.kind == "weight":
            return _weights(expected, group.node, one.weight, other.weight)
        case (Neuron(), Neuron()):
            return _constants(group.kind, one, other)
        case Delay(), Delay():
            return "delay", f"delays by {other.steps} instead of {one.steps} steps"
    changes = [
        f"{field} {getattr(other, field)} instead of {value}"
        for field, value in vars(one).items()
        if field not in ("weight", "bias") and value != getattr(other, field)
    ]
    return group.kind, ", ".join(changes)


def _weights(network: Network, name: str, expected: Array, found: Array) -> tuple[str, str]:
    if expected.shape != found.shape:
        return "weight", f"weights of shape {found.shape} instead of {expected.shape}"
    for kind, text, variant in weight_variants(network, name, expected):
        if np.array_equal(variant, found):
            return kind, text
    ordered = _ordered(network, name, expected, found)
    if ordered is not None:
        return ordered
    by = factor(expected, found)
    if by is not None:
        return "weight-scale", f"all weights are multiplied by {by:g}"
    return rule_in_words(weight_variants(network, name, expected), expected, found) or _numbers(expected, found)


def _ordered(network: Network, name: str, expected: Array, found: Array) -> tuple[str, str] | None:
    """The same rows or columns in another order."""
    order = permutation(expected, found, 0)
    if order is not None:
        return "output-order", order_in_words("output", order)
    order = permutation(expected, found, 1)
    if order is None:
        return None
    shape = flat_shape(network, name)
    channels = None if shape is None else blocks(order, shape[1] * shape[2])
    return "input-order", order_in_words("input", order) if channels is None else order_in_words(
        "input channel", channels
    )


def _numbers(expected: Array, found: Array) -> tuple[str, str]:
    """How many weights differ, and by how much."""
    apart = expected != found
    count = int(apart.sum())
    rows = np.flatnonzero(apart.reshape(len(apart), -1).any(axis=1))
    if count > 1 and not np.any(found[rows]):
        return "dead-neuron", f"all weights of output(s) {_list(rows)} are 0"
    columns = np.flatnonzero(apart.swapaxes(0, 1).reshape(apart.shape[1], -1).any(axis=1))
    if count > 1 and not np.any(found[:, columns]):
        return "input-disconnected", f"all weights of input(s) {_list(columns)} are 0"
    if count > FEW and not np.any(found[apart]):
        kept = np.abs(found[~apart & (expected != 0)])
        largest = np.abs(expected[apart]).max()
        small = ", all that are so small" if not kept.size or largest < kept.min() else ""
        return "pruned", f"{count:,} of {expected.size:,} weights are pruned to 0, none above {largest:g}{small}"
    kind = "channel-gain" if count > FEW and _gains(expected, found) else "weight"
    listed = "; ".join(
        f"{_index(at)} is {found[tuple(at)]:g}, not {expected[tuple(at)]:g}" for at in np.argwhere(apart)[:FEW]
    )
    if count <= FEW:
        return kind, f"{count:,} of {expected.size:,} weights differ: {listed}"
    by = np.abs(np.asarray(found, np.float64) - expected)[apart]
    much = f"by at most {by.max():g}, on average {by.mean():.3g}"
    where = "" if len(rows) == len(apart) else f", all of output(s) {_list(rows)}"
    return kind, f"{count:,} of {expected.size:,} weights differ, {much}{where}: {listed}, ..."


def _gains(expected: Array, found: Array) -> bool:
    """Whether every row of `found` is that of `expected` times a factor, up to rounding, and the factors differ."""
    one, other = (rows.reshape(len(rows), -1).astype(np.float64) for rows in (expected, found))
    size = (one**2).sum(axis=1)
    gains = (one * other).sum(axis=1) / np.where(size, size, 1)
    left = ((other - gains[:, None] * one) ** 2).sum(axis=1)
    close = left <= 0.01 * (other**2).sum(axis=1) + one.shape[1]
    return bool(close.all() and np.ptp(gains) > 1e-3)


def _constants(kind: str, one: Neuron, other: Neuron) -> tuple[str, str]:
    field = next(field for field in one.groups[kind] if not same_value(getattr(one, field), getattr(other, field)))
    if kind == "reset":
        return kind, f"{reset_in_words(other)} instead of {reset_in_words(one)}"
    raw = getattr(one, field), getattr(other, field)
    if raw[0] is None or raw[1] is None:
        return kind, f"{field} is {raw[1]} instead of {raw[0]}"
    a, b = (np.broadcast_to(np.asarray(value), one.shape) for value in raw)
    apart = a != b
    count = int(apart.sum())
    if kind == "bias" and not np.any(b):
        return "bias", "the bias is missing (0 everywhere)"
    if kind == "bias" and np.array_equal(a, -b):
        return "bias", "the bias has the opposite sign"
    if kind == "threshold" and count < a.size and np.all(b[apart] >= 8 * a[apart]):
        return "dead-neuron", f"neuron {_index(np.argwhere(apart)[0])} has a threshold of {b[apart].flat[0]:g}: dead"
    first = tuple(np.argwhere(apart)[0])
    by = b[first] - a[first]
    same = bool(np.all(b - a == by))
    if same:
        return kind, f"{field} is {b[first]:g} instead of {a[first]:g} (off by {by:+g})"
    order = permutation(a, b, 0) if a.ndim and count > 2 else None
    if order is not None and len(np.unique(a)) > 2:
        return kind, f"{field}: its {order_in_words('channel' if a.ndim == 3 else 'neuron', order)}"
    off = f", all off by {by:+g}" if count > 1 and np.all((b - a)[apart] == by) else ""
    return (
        kind,
        f"{field} differs in {count:,} of {a.size:,} neurons: {_index(first)} is {b[first]:g}, not {a[first]:g}"
        f"{off}{_block(apart)}",
    )


def _block(apart: Array) -> str:
    return f"; these are {neurons_in_words(apart)}" if 1 < apart.sum() < apart.size else ""


def _index(at: object) -> str:
    return "[" + ", ".join(str(int(i)) for i in np.asarray(at)) + "]"


def _list(indices: Array) -> str:
    return ", ".join(str(int(i)) for i in indices[:FEW]) + (", ..." if len(indices) > FEW else "")


def _edges(edges: set[tuple[str, str]]) -> str:
    return ", ".join(f"{a} -> {b}" for a, b in sorted(edges)) or "none"


def named(node: object) -> str:
    """A node for people: "a delay of 2 steps", "a Conv"."""
    if isinstance(node, Delay):
        return f"a delay of {node.steps} step{'' if node.steps == 1 else 's'}"
    return "nothing" if node is None else f"a {type(node).__name__}"
