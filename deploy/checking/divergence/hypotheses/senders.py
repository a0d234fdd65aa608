"""What a layer sends goes wrong on all its ways to another at once: to both arms of a fork, into a pool of several."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from deploy.checking.divergence.hypotheses.fitted import fitted
from deploy.checking.divergence.hypotheses.links import first_of, usable
from deploy.checking.divergence.hypotheses.registry import Candidate, hypothesis
from deploy.checking.divergence.paths import beyond_setup, with_sums
from deploy.checking.divergence.replay import later, replay
from deploy.checking.divergence.setup import Setup
from deploy.network import Array, Network
from deploy.traces.trace import Trace

Sends = Callable[[Array], Array]


@hypothesis("senders", "synapse", searches=True)
def sent_otherwise(setup: Setup, layer: str, trace: Trace) -> Iterator[Candidate]:
    """One rule for all that a layer sends to this one, where a single way does not hold all of it."""
    if not usable(setup, layer):
        return
    for source in forked(setup.network, layer):
        if source not in trace.spiking:
            continue
        said = f"what {source} sends, on all its ways"
        yield Candidate(f"lost|{said}: it is lost", _with(setup, layer, source, trace, np.zeros_like))
        for by in (1, 2):
            text = f"late|{said}: it arrives {by} step(s) late"
            yield Candidate(text, _with(setup, layer, source, trace, lambda x, by=by: later(x, by)))
        text = f"second-lost|{said}: the second of two spikes in a row is lost"
        yield Candidate(text, _with(setup, layer, source, trace, lambda x: x & ~later(x, 1)))
        most = int(trace.output(source).sum(axis=tuple(range(2, trace.output(source).ndim))).max())
        yield from fitted(
            setup,
            layer,
            trace,
            (1, most - 1),
            lambda n, source=source: _with(setup, layer, source, trace, lambda x: first_of(n)(x, np.arange(len(x)))),
            lambda n, said=said: (
                f"congestion|{said}: at most {n} spikes a step arrive, the first ones, the rest is lost"
            ),
        )


def forked(network: Network, layer: str) -> list[str]:
    """The layers whose spikes reach this one by several ways, or into a node that others feed as well."""
    reached: dict[str, int] = {}
    waiting = [(source, 1) for source in network.sources(layer)]
    while waiting:
        name, times = waiting.pop()
        if name in network.neurons:
            reached[name] = reached.get(name, 0) + times
        else:
            sources = network.sources(name)
            waiting += [(source, times + (len(sources) > 1)) for source in sources]
    return [name for name in network.neurons if reached.get(name, 0) > 1]


def _with(setup: Setup, layer: str, source: str, trace: Trace, change: Sends) -> Setup:
    return with_sums(setup, layer, lambda numbers: _more(*_of(setup, trace, numbers), layer, source, change))


def _of(setup: Setup, trace: Trace, numbers: Array) -> tuple[Setup, Trace]:
    """The setup and the trace of any recordings."""
    at = np.searchsorted(setup.numbers, numbers)
    return beyond_setup(setup, numbers) or (replace(setup.take(at), rules={}), trace.take(at.tolist()))


def _more(setup: Setup, trace: Trace, layer: str, source: str, change: Sends) -> Array:
    record = trace.layers[source]
    spikes = record["spikes"]
    other = replace(trace, layers={**trace.layers, source: record.replace(spikes=change(spikes))})
    only = frozenset([layer])
    one, two = (replay(setup, along=t, only=only).sums[layer] for t in (trace, other))
    return (two - one)[:, : setup.frames.shape[1]]
