"""The first divergence from close by: its potential and threshold in both runs, its inputs in both, how it spreads."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from math import prod
from typing import Any

import numpy as np

from deploy.checking.divergence.evidence import as_scheduled
from deploy.checking.divergence.hypotheses.synapse import flat_shape
from deploy.checking.divergence.replay import Setup, replay
from deploy.network import Array, Conv, Dense, Network
from deploy.traces.compare import Difference
from deploy.traces.trace import Trace

MOST_INPUTS = 64
"""Inputs of one neuron that a program's view lists."""


@dataclass(frozen=True, kw_only=True)
class Input:
    """What one input brings to the neuron at this step: its place in the layer before, its count, and the weight."""

    synapse: str
    index: tuple[int, ...]
    count: int
    weight: float


@dataclass(frozen=True, kw_only=True)
class Side:
    """The neuron in one run, as the network of that run computes it from the recorded inputs.

    potential: before the reset; threshold None: a readout; spiked: what was recorded; calls_for: what the rule says.
    """

    potential: float
    threshold: float | None
    synaptic_sum: float
    spiked: bool | None
    calls_for: bool | None
    inputs: tuple[Input, ...]

    @property
    def margin(self) -> float | None:
        """The potential's distance to the threshold; above 0 a spike is due."""
        return None if self.threshold is None else self.potential - self.threshold


@dataclass(frozen=True, kw_only=True)
class Spread:
    """How the difference shows in one layer of this recording."""

    layer: str
    first_step: int
    differing: int
    neurons: int
    by_step: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Divergence:
    """The earliest difference and what surrounds it; a side is None where its network is not known.

    `spread_in` is the recording whose spread is told: the one whose spikes differ first.
    """

    at: Difference
    expected: Side | None
    found: Side | None
    spread: tuple[Spread, ...]
    spread_in: int

    @property
    def same_inputs(self) -> bool | None:
        """Whether the same spikes arrived in both runs; None where that is not known."""
        if self.expected is None or self.found is None:
            return None
        return _counts(self.expected) == _counts(self.found)

    def as_dict(self) -> dict[str, Any]:
        sides = {"expected": self.expected, "found": self.found}
        sides = {name: side and replace(side, inputs=side.inputs[:MOST_INPUTS]) for name, side in sides.items()}
        return {
            "at": asdict(self.at),
            "same_inputs": self.same_inputs,
            "spread_in": self.spread_in,
            "spread": [asdict(layer) for layer in self.spread],
            **{name: side and asdict(side) | {"margin": side.margin} for name, side in sides.items()},
        }


def look_at(
    at: Difference,
    expected: Trace,
    found: Trace,
    networks: tuple[Network | None, Network | None],
    frames: Array | None,
    spread_in: int,
) -> Divergence:
    """Look at one difference from close by.

    Args:
        at: the difference.
        expected, found: the two traces.
        networks: that of each, where known.
        frames: those of the expected trace; the found one may have its own.
        spread_in: the recording in which the spread is followed.
    """
    sides = []
    for trace, network in zip((expected, found), networks, strict=True):
        own = trace.frames if trace.frames is not None else frames
        sides.append(None if network is None or own is None else _side(at, trace, network, own))
    followed = spread(expected, found, spread_in)
    return Divergence(at=at, expected=sides[0], found=sides[1], spread=followed, spread_in=spread_in)


def spread(expected: Trace, found: Trace, recording: int) -> tuple[Spread, ...]:
    """By layer that differs in this recording, where its difference begins and how large it is."""
    rows = []
    for layer in expected.layers:
        a, b = (trace.output(layer)[recording] for trace in (expected, found))
        apart = (a != b).reshape(len(a), -1)
        if apart.any():
            by_step = apart.sum(axis=1)
            rows.append(
                Spread(
                    layer=layer,
                    first_step=int((by_step > 0).argmax()),
                    differing=int(by_step.sum()),
                    neurons=int(apart.any(axis=0).sum()),
                    by_step=tuple(int(n) for n in by_step),
                )
            )
    return tuple(rows)


def _side(at: Difference, trace: Trace, network: Network, frames: Array) -> Side | None:
    if at.neuron is None:
        return None
    if frames.shape[1:] != (trace.steps, *network.input_shape):
        return None
    one = as_scheduled(replace(trace, frames=None).take([at.recording]), network)
    setup = Setup(network=network, frames=frames[[at.recording]], schedule=one.schedule)
    seen = replay(setup, along=one, only=frozenset([at.layer]))
    record = one.layers[at.layer]
    step = at.step + record.offset
    place = (0, step, *at.neuron)
    node = network.neurons[at.layer]
    threshold = node.firing_potential
    spiked = None if record.spikes is None else bool(record.spikes[place])
    inputs = _inputs(network, at.layer, at.neuron, {name: x[0, step] for name, x in seen.arriving.items()})
    return Side(
        potential=float(seen.potential[at.layer][place]),
        threshold=None if threshold is None else float(np.broadcast_to(threshold, node.shape)[at.neuron]),
        synaptic_sum=float(seen.sums[at.layer][place]),
        spiked=spiked,
        calls_for=None if spiked is None else bool(seen.spikes[at.layer][place]),
        inputs=tuple(inputs),
    )


def _inputs(network: Network, layer: str, neuron: tuple[int, ...], arriving: Mapping[str, Array]) -> list[Input]:
    """The inputs of one neuron that are not 0, heaviest first."""
    rows = []
    for name in network.sources(layer):
        node = network.nodes[name]
        if not isinstance(node, Dense | Conv):
            continue
        x = arriving[name]
        where = _dense(node, neuron, x) if isinstance(node, Dense) else _window(node, neuron, x)
        shape = flat_shape(network, name)
        for index, weight in where:
            place = tuple(int(i) for i in np.unravel_index(index[0], shape)) if shape and len(index) == 1 else index
            rows.append(Input(synapse=name, index=place, count=int(x[index]), weight=float(weight)))
    return sorted(rows, key=lambda row: (-abs(row.weight), row.synapse, row.index))


def _dense(node: Dense, neuron: tuple[int, ...], x: Array) -> list[tuple[tuple[int, ...], float]]:
    return [((int(i),), node.weight[neuron[0], i]) for i in np.flatnonzero(x)]


def _window(node: Conv, neuron: tuple[int, ...], x: Array) -> list[tuple[tuple[int, ...], float]]:
    out, *at = neuron
    channels = node.weight.shape[1]
    first = out // (len(node.weight) // node.groups) * channels
    found = []
    for k in range(prod(node.weight.shape[2:])):
        tap = np.unravel_index(k, node.weight.shape[2:])
        place = [
            a * s - p + int(t) * d
            for a, s, p, t, d in zip(at, node.stride, node.padding, tap, node.dilation, strict=True)
        ]
        if all(0 <= i < n for i, n in zip(place, x.shape[1:], strict=True)):
            for c in range(channels):
                index = (first + c, *place)
                if x[index]:
                    found.append((index, node.weight[(out, c, *tap)]))
    return found


def _counts(side: Side) -> dict[tuple[str, tuple[int, ...]], int]:
    return {(one.synapse, one.index): one.count for one in side.inputs}
