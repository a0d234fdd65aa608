"""Try every hypothesis on every layer that contradicts its rule; keep those that reproduce what was recorded."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from deploy.checking.divergence.causes import Cause
from deploy.checking.divergence.confine import Place, confined, places
from deploy.checking.divergence.evidence import left_wrong
from deploy.checking.divergence.hypotheses import HYPOTHESES, Candidate
from deploy.checking.divergence.replay import Setup
from deploy.errors import DeployError
from deploy.network import Array
from deploy.traces.trace import Trace

CLOSEST = 4
"""Hypotheses that come closest, with each of which all others are tried where no single one explains a layer."""
FEW = 3
"""Recordings on which such pairs are tried first."""
MOST_PARTS = 3
"""Mistakes in different neurons of one layer that are pursued."""


VAGUE = frozenset({"start"})
"""Kinds that say how something is and not why: named where nothing else is."""
PARTIAL = VAGUE | {"dead-neuron", "silent", "stuck", "bias", "threshold"}
"""Kinds of which one number, or one set of neurons, is solved from what was recorded."""


@dataclass(frozen=True)
class Hit:
    """A hypothesis that explains one layer exactly, by kind and text, and how to apply it to a setup."""

    kind: str
    text: str
    family: str
    layer: str
    apply: Callable[[Setup], Setup]

    @property
    def group(self) -> str:
        """What counts as one mistake in several layers: of one kind, and where that says little, in the same words."""
        return f"{self.kind} {self.text}" if self.kind in {*PARTIAL, "weight"} else self.kind


@dataclass(frozen=True)
class _Tried:
    """A hypothesis, and what it leaves wrong of the layer (R, T, ...)."""

    left: Array
    kind: str
    text: str
    family: str
    setup: Setup


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
        layers = [layer for layer in waiting if any(hit.group == best for hit in hits[layer])]
        chosen = [next(hit for hit in hits[layer] if hit.group == best) for layer in layers]
        for hit in chosen:
            current = hit.apply(current)
        first = chosen[0]
        text = first.text
        if len({hit.text for hit in chosen}) > 1:
            text = "; ".join(f"{hit.layer}: {hit.text}" for hit in chosen)
        others = {
            f"{hit.layer}: {hit.text}" if len(chosen) > 1 and hit.layer != first.layer else hit.text
            for one in chosen
            for hit in hits[one.layer]
            if hit.group != best and hit.text != one.text
        }
        others |= {hit.text for hit in hits[first.layer] if hit.text != first.text}
        where = {"input": ("input",), "mixed": ("input", *layers)}.get(first.family, tuple(layers))
        causes.append(
            Cause(
                kind=first.kind,
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
            reach[hit.group].add(layer)
    return max(reach, key=lambda kind: len(reach[kind]))


def _hits(setup: Setup, trace: Trace, layer: str) -> list[Hit]:
    """The hypotheses that explain one layer: single ones, else confined ones, else several, the simplest first."""
    wrong = left_wrong(setup, trace, layer)
    if wrong is None or not wrong.any():
        return []
    tried = list(_try(setup, trace, layer))
    exact = [one for one in tried if not one.left.any()]
    if all(one.kind in PARTIAL for one in exact):
        # A number of its own for some neurons fits much; what goes wrong in one place by a rule is told beside it.
        more = [found for one in tried if (found := _confined(setup, trace, layer, wrong, one)) is not None]
        exact = [*(one for one in exact if one.kind not in VAGUE), *more] or exact
    if not exact:
        exact = list(_pursued(setup, trace, layer, wrong, tried))
    if not exact:
        exact = list(_together(setup, trace, layer, tried))
    return [_hit(one, layer, setup) for one in exact]


def _try(setup: Setup, trace: Trace, layer: str) -> Iterator[_Tried]:
    """Every hypothesis, made everywhere."""
    for guess in HYPOTHESES:
        try:
            candidates = list(guess.propose(setup, layer, trace))
        except DeployError:
            continue
        for candidate in candidates:
            left = left_wrong(candidate.setup, trace, layer)
            if left is not None:
                kind, text = _named(guess.kind, candidate)
                yield _Tried(left, kind, text, guess.family, candidate.setup)


def _named(kind: str, candidate: Candidate) -> tuple[str, str]:
    named, bar, text = candidate.text.partition("|")
    return (named, text) if bar else (kind, named)


def _confined(setup: Setup, trace: Trace, layer: str, wrong: Array, one: _Tried) -> _Tried | None:
    """The hypothesis in the first place in which it explains everything."""
    if one.left.any() and np.array_equal(one.left, wrong):
        return None  # it changes nothing here
    for place in places(wrong, one.left, setup.numbers):
        made = _at(setup, trace, layer, one, place)
        if made is not None and not made.left.any():
            return made
    return None


def _at(setup: Setup, trace: Trace, layer: str, one: _Tried, place: Place) -> _Tried | None:
    made = confined(setup, one.setup, layer, place)
    left = None if made is None else left_wrong(made, trace, layer)
    return (
        None if made is None or left is None else replace(one, left=left, text=f"{one.text}, {place.words}", setup=made)
    )


def _pursued(setup: Setup, trace: Trace, layer: str, wrong: Array, tried: list[_Tried]) -> Iterator[_Tried]:
    """Different mistakes in different neurons: the one that mends most of them, then what is left."""
    current, made = setup, []
    for _ in range(MOST_PARTS):
        guilty = wrong.any(axis=(0, 1))
        best, mended = None, 0
        for one in tried:
            right = guilty & ~one.left.any(axis=(0, 1))
            if right.sum() <= mended:
                continue
            only = wrong & right
            for place in places(only, np.where(right, one.left, wrong), current.numbers):
                part = _at(current, trace, layer, one, place)
                if part is not None and not (part.left & ~wrong).any() and part.left.sum() < wrong.sum():
                    best, mended = part, int(right.sum())
                    break
        if best is None:
            return
        made.append(best)
        current, wrong = best.setup, best.left
        if not wrong.any():
            yield _joined(made, current, wrong)
            return
        tried = list(_try(current, trace, layer))
        exact = [one for one in tried if not one.left.any()]
        if exact:
            yield from (_joined([*made, one], one.setup, one.left) for one in exact)
            return


def _together(setup: Setup, trace: Trace, layer: str, tried: list[_Tried]) -> Iterator[_Tried]:
    """Two mistakes in the same neurons: each of those that come closest, and on top of it every other."""
    wrong = left_wrong(setup, trace, layer)
    assert wrong is not None
    rows = np.flatnonzero(wrong.reshape(len(wrong), -1).any(axis=1))[:FEW]
    few = trace.take(rows.tolist())
    kinds: dict[str, _Tried] = {}
    for one in sorted(tried, key=lambda one: int(one.left.sum())):
        kinds.setdefault(one.text, one)
    for one in list(kinds.values())[:CLOSEST]:
        for other in _try(one.setup.take(rows), few, layer):
            if other.left.any() or other.kind == one.kind:
                continue
            whole = replace(other.setup, frames=setup.frames, rows=setup.rows)
            left = left_wrong(whole, trace, layer)
            if left is not None and not left.any():
                yield _joined([one, other], whole, left)


def _joined(parts: list[_Tried], setup: Setup, left: Array) -> _Tried:
    families = {part.family for part in parts}
    family = families.pop() if len(families) == 1 else "mixed" if "input" in families else parts[0].family
    kinds = "+".join(dict.fromkeys(part.kind for part in parts))
    return _Tried(left, kinds, "; and ".join(part.text for part in parts), family, setup)


def _hit(one: _Tried, layer: str, base: Setup) -> Hit:
    changed = one.setup

    def apply(setup: Setup) -> Setup:
        nodes = {name: node for name, node in changed.network.nodes.items() if base.network.nodes.get(name) is not node}
        network = setup.network
        if nodes or changed.network.edges != base.network.edges:
            edges = changed.network.edges if changed.network.edges != base.network.edges else network.edges
            network = network.replace(nodes={**network.nodes, **nodes}, edges=edges)
        rules = {
            **setup.rules,
            **{name: rule for name, rule in changed.rules.items() if base.rules.get(name) is not rule},
        }
        view = setup.view if changed.view is base.view else changed.view
        return replace(setup, network=network, rules=rules, view=view)

    return Hit(one.kind, one.text, one.family, layer, apply)
