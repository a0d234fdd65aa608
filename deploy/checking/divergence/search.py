"""Try every hypothesis on every layer that contradicts its rule; keep those that reproduce what was recorded."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace

from deploy.checking.divergence.causes import Cause
from deploy.checking.divergence.evidence import contradictions
from deploy.checking.divergence.hypotheses import HYPOTHESES, Candidate
from deploy.checking.divergence.replay import Setup
from deploy.errors import DeployError
from deploy.traces.trace import Trace

PAIRS = 6
"""The hypotheses that come closest, tried two by two where no single one explains a layer."""


class Hit:
    """A hypothesis that explains one layer exactly, by kind and text, and how to apply it to a setup."""

    def __init__(self, kind: str, text: str, family: str, layer: str, apply: Callable[[Setup], Setup]) -> None:
        self.kind, self.text, self.family, self.layer, self.apply = kind, text, family, layer, apply


def explain_runner(setup: Setup, trace: Trace, guilty: list[str], side: str) -> tuple[list[Cause], Setup]:
    """The fewest hypotheses under which `setup` gives `trace`, and the setup with them.

    Args:
        setup: what should have run.
        trace: what was recorded, of the same recordings.
        guilty: the layers that contradict the setup by themselves.
        side: what the causes are said to lie in.
    """
    hits = {layer: _hits(setup, trace, layer) for layer in guilty}
    causes, current = [], setup
    waiting = [layer for layer in guilty if hits[layer]]
    while waiting:
        best = _widest(hits, waiting)
        layers = [layer for layer in waiting if any(hit.kind == best for hit in hits[layer])]
        chosen = [next(hit for hit in hits[layer] if hit.kind == best) for layer in layers]
        for hit in chosen:
            current = hit.apply(current)
        first = chosen[0]
        text = first.text
        if len({hit.text for hit in chosen}) > 1:
            text = "; ".join(f"{hit.layer}: {hit.text}" for hit in chosen)
        others = {hit.text for hit in hits[first.layer] if hit is not first and hit.text != first.text}
        where = ("input",) if first.family == "input" else tuple(layers)
        causes.append(
            Cause(
                kind=best,
                where=where,
                text=text,
                side="input" if first.family == "input" else side,
                others=tuple(sorted(others)),
            )
        )
        waiting = [layer for layer in waiting if layer not in layers]
    return causes, current


def _widest(hits: dict[str, list[Hit]], waiting: list[str]) -> str:
    """The kind that explains most layers; among equals the one that was registered first."""
    reach: dict[str, set[str]] = defaultdict(set)
    for layer in waiting:
        for hit in hits[layer]:
            reach[hit.kind].add(layer)
    return max(reach, key=lambda kind: len(reach[kind]))


def _hits(setup: Setup, trace: Trace, layer: str) -> list[Hit]:
    """The hypotheses that explain one layer: single ones, else pairs of those that come closest."""
    tried: list[tuple[int, Hit]] = []
    for guess in HYPOTHESES:
        try:
            candidates = list(guess.propose(setup, layer, trace))
        except DeployError:
            continue
        for candidate in candidates:
            left = _left(candidate.setup, trace, layer)
            if left is not None:
                tried.append((left, _hit(guess.kind, guess.family, layer, candidate, setup)))
    exact = [hit for left, hit in tried if left == 0]
    if exact:
        return exact
    closest = [hit for _, hit in sorted(tried, key=lambda pair: pair[0])[:PAIRS]]
    pairs = []
    for i, one in enumerate(closest):
        for other in closest[i + 1 :]:
            both = _left(other.apply(one.apply(setup)), trace, layer)
            if both == 0 and one.kind != other.kind:
                pairs.append(_both(one, other))
    return pairs


def _left(setup: Setup, trace: Trace, layer: str) -> int | None:
    """How much of the layer a hypothesis leaves unexplained; None where it cannot run."""
    try:
        own = contradictions(setup, trace, frozenset([layer]))[layer]
    except DeployError:
        return None
    return own.count + own.states


def _hit(kind: str, family: str, layer: str, candidate: Candidate, base: Setup) -> Hit:
    named, bar, text = candidate.text.partition("|")
    changed = candidate.setup

    def apply(setup: Setup) -> Setup:
        nodes = {name: node for name, node in changed.network.nodes.items() if base.network.nodes.get(name) is not node}
        network = setup.network
        if nodes or changed.network.edges != base.network.edges:
            edges = changed.network.edges if changed.network.edges != base.network.edges else network.edges
            network = network.replace(nodes={**network.nodes, **nodes}, edges=edges)
        frames = setup.frames if changed.frames is base.frames else changed.frames
        rules = {
            **setup.rules,
            **{name: rule for name, rule in changed.rules.items() if base.rules.get(name) is not rule},
        }
        return replace(setup, network=network, frames=frames, rules=rules)

    return Hit(named if bar else kind, text if bar else named, family, layer, apply)


def _both(one: Hit, other: Hit) -> Hit:
    return Hit(
        f"{one.kind}+{other.kind}",
        f"{one.text}; and {other.text}",
        one.family,
        one.layer,
        lambda setup: other.apply(one.apply(setup)),
    )
