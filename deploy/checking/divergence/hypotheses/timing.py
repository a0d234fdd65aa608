"""Mistakes in time: delays and the start of a layer."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from deploy.checking.divergence.hypotheses.links import usable
from deploy.checking.divergence.hypotheses.registry import Candidate, hypothesis
from deploy.checking.divergence.paths import Way, of_recordings, through, ways, with_sums
from deploy.checking.divergence.replay import later
from deploy.checking.divergence.setup import Setup
from deploy.network import Array, Delay, Network
from deploy.traces.trace import Trace


@hypothesis("delay", "timing")
def late_input(setup: Setup, layer: str, trace: Trace) -> Iterator[Candidate]:
    """What feeds the layer arrives late, or a delay on the way is off."""
    network = setup.network
    for source in network.sources(layer):
        before = network.sources(source)
        for name in [source, *before]:
            node = network.nodes[name]
            if isinstance(node, Delay):
                for steps in (n for n in range(node.steps + 3) if n != node.steps):
                    yield Candidate(
                        f"{name}: delays by {steps} instead of {node.steps} steps", setup.with_node(name, steps=steps)
                    )
        for steps in (1, 2):
            text = f"what {source} brings arrives {steps} step(s) late"
            if len(network.sources(layer)) == 1:
                yield Candidate(text, setup.with_rules(layer, late=steps))
            else:
                yield Candidate(text, replace(setup, network=_delayed(network, source, layer, steps)))


@hypothesis("early-start", "timing")
def early_start(setup: Setup, layer: str, trace: Trace) -> Iterator[Candidate]:
    """The layer was stepped before its first input arrived, as a pipeline without a reset does."""
    for steps in range(1, setup.network.depth[layer] + 2):
        yield Candidate(
            f"the layer took {steps} step(s), bias included, before its first input arrived",
            setup.with_rules(layer, early_steps=steps),
        )


def _delayed(network: Network, source: str, target: str, steps: int) -> Network:
    name = f"{source} late"
    edges = [edge for edge in network.edges if edge != (source, target)] + [(source, name), (name, target)]
    return network.replace(nodes={**network.nodes, name: Delay(steps=steps)}, edges=tuple(edges))


@hypothesis("sums-in-time", "synapse")
def sums_in_time(setup: Setup, layer: str, trace: Trace) -> Iterator[Candidate]:
    """All that arrives comes late, or is added to what arrived before it."""
    if not usable(setup, layer):
        return
    single = [way for way in ways(setup.network, layer) if len(way.nodes) == 1]
    if not single or len(single) < len(setup.network.sources(layer)):
        return
    changes: list[tuple[str, Callable[[Array], Array]]] = [
        (f"late|all that arrives comes {by} step(s) late", lambda sums, by=by: later(sums, by))
        for by in (1, 2)
        if len(single) > 1
    ]
    changes.append(
        (
            "sums-kept|sums of inputs are not cleared: they are added up from step to step",
            lambda x: np.cumsum(x, axis=1),
        )
    )
    for text, change in changes:
        yield Candidate(text, with_sums(setup, layer, _all_of(setup, trace, single, change)))


def _all_of(
    setup: Setup, trace: Trace, chosen: list[Way], change: Callable[[Array], Array]
) -> Callable[[Array], Array]:
    def adds(numbers: Array) -> Array:
        parts = [through(setup.network, way, of_recordings(setup, way, trace, numbers)) for way in chosen]
        sums = sum(parts[1:], start=parts[0])
        return change(sums) - sums

    return adds
