"""Which edges of a network carry the step before: decided by the graph alone, by no order in which it is written.

An edge closes a cycle where every way from the input to its source leads through its target. Such edges carry the step
before. They are those which depth-first search finds in every order, if it finds the same in every order (reducible
flow graphs: Hecht and Ullman, "Characterizations of reducible flow graphs", J. ACM 21, 1974).

A cycle that is entered at several nodes does not say where its step passes. In it, what leaves a Delay carries the
step before, whatever the Delay adds; without a Delay it is refused.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping

from deploy.errors import UnsupportedError
from deploy.network.types import Edge

Targets = Mapping[str, list[str]]


def recurrent_edges(start: str, edges: Iterable[Edge], delays: Collection[str]) -> frozenset[Edge]:
    """The edges that carry the step before.

    Args:
        start: the input.
        edges: of the graph.
        delays: the nodes that are a `Delay`.

    Raises:
        UnsupportedError: a cycle with several entries, in which no Delay says where its step passes.
    """
    edges = tuple(edges)
    targets = _targets(edges)
    closing = _closing(start, targets)
    entries = {target for _, target in closing}
    past = {target: _reached([start], targets, without=target) for target in entries}
    odd = sorted(target for source, target in closing if source in past[target])
    if not odd:
        return closing
    cycle = _around(odd[0], edges)
    marked = frozenset((a, b) for a, b in edges if a in delays and a in cycle and b in cycle)
    if not marked:
        entered = sorted({b for a, b in edges if b in cycle and a not in cycle})
        raise UnsupportedError(
            f"{' and '.join(entered)} lie on one cycle and are all entered from outside, so the graph does not say "
            "which spikes in it are a step late; put a Delay, of 0 s or more, where they are"
        )
    # What a marked edge brings was there before the step, like the input.
    rest = {*edges} - marked | {(start, target) for _, target in marked}
    return marked | recurrent_edges(start, sorted(rest), [name for name in delays if name not in cycle])


def _targets(edges: Iterable[Edge]) -> Targets:
    targets: dict[str, list[str]] = {}
    for source, target in edges:
        targets.setdefault(source, []).append(target)
    return targets


def _closing(start: str, targets: Targets) -> frozenset[Edge]:
    """The edges that lead back onto the path on which depth-first search found them."""
    found: set[Edge] = set()
    done: set[str] = set()
    path: list[tuple[str, Iterator[str]]] = [(start, iter(targets.get(start, ())))]
    on_path = {start}
    while path:
        name, rest = path[-1]
        target = next(rest, None)
        if target is None:
            path.pop()
            on_path.discard(name)
            done.add(name)
        elif target in on_path:
            found.add((name, target))
        elif target not in done:
            on_path.add(target)
            path.append((target, iter(targets.get(target, ()))))
    return frozenset(found)


def _reached(starts: Iterable[str], targets: Targets, *, without: str | None = None) -> set[str]:
    """The nodes to which a way leads that does not touch `without`."""
    found: set[str] = set()
    waiting = [name for name in starts if name != without]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += [target for target in targets.get(name, ()) if target != without]
    return found


def _around(name: str, edges: Iterable[Edge]) -> set[str]:
    """The nodes on a cycle with `name`."""
    edges = tuple(edges)
    return _reached([name], _targets(edges)) & _reached([name], _targets((b, a) for a, b in edges))
