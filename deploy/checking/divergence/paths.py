"""The ways by which spikes reach a layer, and what a change on one of them adds to its sums.

A change is worked out along the recorded run. It may be a function of what was recorded and yet stand in a free run: if
that run gives every recorded spike, then what entered the way in it is what was recorded.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from deploy.checking.divergence.replay import later, replay, sums_of
from deploy.checking.divergence.setup import Setup
from deploy.network import Array, Conv, Delay, Dense, Flatten, Network, Scale, SumPool
from deploy.traces.trace import Trace

Change = Callable[[Array, Array], Array]
"""(what enters, (R, T, ...), and the numbers of the recordings) -> what arrives."""


@dataclass(frozen=True)
class Way:
    """The nodes from what spikes enter, by `source`, to a layer, in order; late: by how many steps they bring it.

    delay: the one before the first of them, if any; behind: the steps from the source's spikes to the layer in all.
    """

    layer: str
    source: str
    nodes: tuple[str, ...]
    late: int
    delay: str | None
    behind: int

    @property
    def name(self) -> str:
        return self.nodes[0]


def ways(network: Network, layer: str) -> Iterator[Way]:
    """All of them, the longer ones, through a pooling, after those without it."""
    for last in network.sources(layer):
        if not isinstance(network.nodes[last], Dense | Conv | SumPool | Scale):
            continue
        late = int((last, layer) in network.recurrent_edges)
        nodes = [last]
        while True:
            yield _way(network, layer, tuple(nodes), late)
            before = network.sources(nodes[0])
            if len(before) != 1 or not isinstance(network.nodes[before[0]], Flatten | SumPool | Scale):
                break
            nodes.insert(0, before[0])


def _way(network: Network, layer: str, nodes: tuple[str, ...], late: int) -> Way:
    sources, back = network.sources(nodes[0]), network.recurrent_edges
    held = int(any((source, nodes[0]) in back for source in sources))
    node = network.nodes[sources[0]]
    if len(sources) == 1 and isinstance(node, Delay):
        before = network.sources(sources[0])
        held += node.steps + int((before[0], sources[0]) in back)
        return Way(layer, before[0], nodes, late, sources[0], late + held)
    return Way(layer, " and ".join(sources), nodes, late, None, late + held)


def entering(setup: Setup, way: Way, trace: Trace) -> Array:
    """What enters a way along a trace of the setup's recordings, (R, T, ...)."""
    nodes = way.nodes
    heard = replay(setup, along=trace, only=frozenset([way.layer])).arriving
    at = next(name for name in nodes if name in heard)
    x = heard[at]
    if at != nodes[0]:  # a flattening: its shape
        x = x.reshape(*x.shape[:2], *setup.network.shapes[setup.network.sources(nodes[0])[0]])
    return x[:, : setup.frames.shape[1]]


def through(network: Network, way: Way, x: Array) -> Array:
    """What a way makes of x, as sums of its layer."""
    for name in way.nodes:
        x = x.reshape(*x.shape[:2], -1) if isinstance(network.nodes[name], Flatten) else sums_of(network, name, x)
    return later(x, way.late)


def changed(setup: Setup, way: Way, trace: Trace, change: Change) -> Setup:
    """The setup in which something happens to what enters a way."""
    network = setup.network
    # Of whole numbers that are not shifted to the right, sums of a difference are the difference of the sums.
    weights = [node for node in map(network.nodes.get, way.nodes) if isinstance(node, Dense | Conv)]
    linear = network.on_grid and all(node.weight_exp >= 0 for node in weights)

    def more(x: Array, numbers: Array) -> Array:
        other = change(x, numbers)
        if linear and other.dtype.kind in "biu":
            return through(network, way, other.astype(np.int64) - x)
        return through(network, way, other) - through(network, way, x)

    return made_otherwise(setup, way, trace, more)


def made_otherwise(setup: Setup, way: Way, trace: Trace, more: Change) -> Setup:
    """The setup in which a way brings more: sums, from what enters it."""
    return with_sums(setup, way.layer, lambda numbers: more(of_recordings(setup, way, trace, numbers), numbers))


def with_sums(setup: Setup, layer: str, adds: Callable[[Array], Array]) -> Setup:
    """The setup in which more sums arrive at a layer, worked out once for the same recordings."""
    before = setup.rules[layer][0].adds if layer in setup.rules else None
    known: dict[bytes, Array] = {}

    def once(numbers: Array) -> Array:
        key = numbers.tobytes()
        if key not in known:
            known[key] = adds(numbers)
        return known[key]

    both = once if before is None else lambda numbers: before(numbers) + once(numbers)
    return setup.with_rules(layer, adds=both)


def of_recordings(setup: Setup, way: Way, trace: Trace, numbers: Array) -> Array:
    """What enters a way in any recordings."""
    beyond = beyond_setup(setup, numbers)
    if beyond is None:
        return entering(setup, way, trace)[np.searchsorted(setup.numbers, numbers)]
    return entering(beyond[0], way, beyond[1])


def beyond_setup(setup: Setup, numbers: Array) -> tuple[Setup, Trace] | None:
    """Setup and trace of recordings that are not all the setup's, from the whole run; None where they are."""
    if np.isin(numbers, setup.numbers).all() or setup.recorded is None or setup.whole is None:
        return None
    return replace(setup, frames=setup.whole[numbers], rows=numbers, rules={}), setup.recorded.take(numbers.tolist())
