"""What a synapse makes of its input by another rule than its own: at the edges of maps and cores, weight by weight."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from deploy.checking.divergence.evidence import left_wrong
from deploy.checking.divergence.hypotheses.registry import Candidate, hypothesis
from deploy.checking.divergence.paths import Change, Way, made_otherwise, through, ways
from deploy.checking.divergence.replay import later, sums_of
from deploy.checking.divergence.setup import Setup
from deploy.network import Array, Conv, Dense, GridNeuron, Network, SumPool
from deploy.traces.trace import Trace

Makes = Callable[[Network, Way, Array], Array]
"""What arrives instead: sums (R, T, ...) of the way's only synapse, from what entered it."""
PADDINGS = {"edge": "repeats the edge of the map", "reflect": "mirrors the map", "wrap": "goes on at the other side"}
ACCUMULATORS = range(8, 17)
MOST_INPUTS = 1024


@hypothesis("padding", "synapse")
def other_padding(setup: Setup, layer: str, trace: Trace) -> Iterator[Candidate]:
    """A padding that is not of zeros."""
    for way, node in _convolutions(setup, layer):
        if any(node.padding):
            for mode, words in PADDINGS.items():
                text = f"{way.name}: the padding {words} instead of being 0"
                yield Candidate(text, _making(setup, way, trace, _padded(mode)))


def _padded(mode: str) -> Makes:
    def make(network: Network, way: Way, x: Array) -> Array:
        node = network.nodes[way.name]
        assert isinstance(node, Conv)
        around = ((0, 0), (0, 0), (0, 0), *((n, n) for n in node.padding))
        bare = network.replace(nodes={**network.nodes, way.name: replace(node, padding=(0, 0))})
        return sums_of(bare, way.name, np.pad(x, around, mode=mode))  # pyright: ignore

    return make


@hypothesis("halo", "synapse", searches=True)
def halos(setup: Setup, layer: str, trace: Trace) -> Iterator[Candidate]:
    """A map on two cores of which neither sees the other's rows, or columns."""
    wrong = left_wrong(setup, trace, layer)
    if wrong is None or wrong.ndim != 5 or not wrong.any():
        return
    for way, node in _convolutions(setup, layer):
        for axis, what in ((-2, "row"), (-1, "column")):
            if node.weight.shape[axis] == 1 or node.stride[axis] != 1:
                continue
            told = np.flatnonzero(wrong.any(axis=tuple(a for a in range(5) if a != 5 + axis)))
            if told[-1] - told[0] >= node.weight.shape[axis]:
                continue  # what a border costs lies beside it
            for cut in range(max(int(told[0]), 1), min(int(told[-1]) + 1, wrong.shape[axis])):
                text = f"{way.name}: {what}s 0 to {cut - 1} do not see {what}s {cut} and after, nor these them: no halo"
                yield Candidate(text, _making(setup, way, trace, _apart(cut, axis)))


def _apart(cut: int, axis: int) -> Makes:
    def make(network: Network, way: Way, x: Array) -> Array:
        before = (..., slice(0, cut), slice(None)) if axis == -2 else (..., slice(0, cut))
        after = (..., slice(cut, None), slice(None)) if axis == -2 else (..., slice(cut, None))
        first, second = x.copy(), x.copy()
        first[after], second[before] = 0, 0
        sums = sums_of(network, way.name, first)
        sums[after] = sums_of(network, way.name, second)[after]
        return sums

    return make


@hypothesis("pool", "synapse")
def largest_of_a_pool(setup: Setup, layer: str, trace: Trace) -> Iterator[Candidate]:
    """A pool that takes the largest of a window instead of its sum."""
    if setup.schedule != "synchronous" or not isinstance(setup.network.nodes[layer], GridNeuron):
        return
    for way in ways(setup.network, layer):
        pool, network = setup.network.nodes[way.name], setup.network
        if isinstance(pool, SumPool):
            yield Candidate(
                f"{way.name}: the pool takes the largest, not the sum",
                made_otherwise(setup, way, trace, _of_largest(network, way, pool)),
            )


def _of_largest(network: Network, way: Way, pool: SumPool) -> Change:
    behind, at_once = replace(way, nodes=way.nodes[1:], late=0), replace(way, late=0)

    def more(x: Array, numbers: Array) -> Array:
        del numbers
        return later(through(network, behind, largest(pool, x)) - through(network, at_once, x), way.late)

    return more


def largest(pool: SumPool, x: Array) -> Array:
    """Max pooling of (R, T, C, H, W)."""
    around = ((0, 0), (0, 0), (0, 0), *((n, n) for n in pool.padding))
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(x, around), pool.kernel, axis=(-2, -1))  # pyright: ignore
    return windows[..., :: pool.stride[0], :: pool.stride[1], :, :].max(axis=(-2, -1))


@hypothesis("accumulator", "synapse", searches=True)
def accumulators(setup: Setup, layer: str, trace: Trace) -> Iterator[Candidate]:
    """Sums of a dense layer that saturate at every weight that is added, in the order of the inputs."""
    for way in _ways(setup, layer):
        node = setup.network.nodes[way.name]
        if not isinstance(node, Dense) or node.weight.shape[1] > MOST_INPUTS:
            continue
        for bits in ACCUMULATORS:
            text = f"{way.name}: weights are added one by one, and each sum saturates at {bits} bits"
            yield Candidate(text, _making(setup, way, trace, _one_by_one(1 << (bits - 1))))


def _one_by_one(half: int) -> Makes:
    def make(network: Network, way: Way, x: Array) -> Array:
        node = network.nodes[way.name]
        assert isinstance(node, Dense)
        total = np.zeros((*x.shape[:2], len(node.weight)), np.int64)
        for i, weights in enumerate(node.weight.T.astype(np.int64)):
            for count in range(1, int(x[:, :, i].max(initial=0)) + 1):
                comes = (x[:, :, i] >= count)[..., None]
                total = np.where(comes, (total + weights).clip(-half, half - 1), total)
        return total << node.weight_exp if node.weight_exp >= 0 else total >> -node.weight_exp

    return make


def _ways(setup: Setup, layer: str) -> Iterator[Way]:
    """The single synapses that bring what they make in the same step."""
    if setup.schedule == "synchronous" and isinstance(setup.network.nodes[layer], GridNeuron):
        yield from (way for way in ways(setup.network, layer) if len(way.nodes) == 1)


def _convolutions(setup: Setup, layer: str) -> Iterator[tuple[Way, Conv]]:
    for way in _ways(setup, layer):
        node = setup.network.nodes[way.name]
        if isinstance(node, Conv):
            yield way, node


def _making(setup: Setup, way: Way, trace: Trace, make: Makes) -> Setup:
    network, at_once = setup.network, replace(way, late=0)
    return made_otherwise(
        setup, way, trace, lambda x, numbers: later(make(network, way, x) - through(network, at_once, x), way.late)
    )
