"""Try every hypothesis on every layer that contradicts its rule; keep those that reproduce what was recorded."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from deploy.checking.divergence.causes import Cause
from deploy.checking.divergence.confine import BACK, Place, confined, from_step, place_of, scattered, shown_in
from deploy.checking.divergence.evidence import left_wrong, wrongs
from deploy.checking.divergence.hypotheses import HYPOTHESES, Candidate
from deploy.checking.divergence.places import recordings_in_words
from deploy.checking.divergence.setup import Setup
from deploy.errors import DeployError
from deploy.network import Array
from deploy.traces.trace import Trace

CLOSEST = 4
"""Hypotheses that come closest, with each of which all others are tried where no single one explains a layer."""
UNTOUCHED = 0.98
"""Share of what is wrong that a hypothesis may leave to count as one of two."""
MOST_PARTS, MOST_MENDS = 3, 12
"""Mistakes in different neurons of one layer that are pursued, and hypotheses that are looked at for each."""

NUMBER = 4
"""Spikes that say as much as one recorded state."""
OWN = 2
"""What a number of its own for every neuron counts as."""
FEW_WEIGHTS = 4
"""Weights that are told one by one."""

EVERYWHERE = frozenset({"wired-wrongly"})
"""Kinds that are not confined: so many of them are tried that one of them fits some neuron."""
VAGUE = frozenset({"start", "lost-at-random", "late-at-random", "twice-at-random"})
"""Kinds that say how something is and not why: named where nothing else is."""
PARTIAL = VAGUE | {"dead-neuron", "silent", "stuck", "bias", "threshold", "starts", "floor", "sums", "potential-decay"}
PARTIAL |= {"current-decay", "inputs-lost", "weight-small", "weight-large", "weight-clipped", "silent-inputs"}
PARTIAL |= {"lost", "moved", "congestion", "doubled-inputs", "late-inputs", "reset-value", "stuck-bit", "flipped-bit"}
PARTIAL |= {"state-left", "wired-wrongly", "accumulator", "blocked"}
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
    """A hypothesis, and what it leaves wrong of the layer (R, T, ...).

    picks: whether it is one about some neurons or weights; fitted: whether a number in it was looked for.
    """

    left: Array
    kind: str
    text: str
    family: str
    setup: Setup
    picks: bool = False
    fitted: bool = False


def explain_runner(setup: Setup, trace: Trace, guilty: list[str], side: str) -> tuple[list[Cause], Setup]:
    """The fewest hypotheses under which `setup` gives `trace`, and the setup with them.

    Args:
        setup: what should have run.
        trace: what was recorded, of the same recordings.
        guilty: the layers that contradict the setup by themselves.
        side: what the causes are said to lie in.
    """
    hits: dict[str, list[Hit]] = {}
    for layer in guilty:
        hits[layer] = _hits(setup, trace, layer, deep=side != "trace")
        if side == "trace" and not hits[layer] and _of_another(setup, guilty):
            # A trace of another model contradicts this one everywhere: what its first layer does tells as much.
            break
    guilty = [layer for layer in guilty if layer in hits]
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


def _of_another(setup: Setup, guilty: list[str]) -> bool:
    """Whether so many layers contradict a model that its trace must be of another one."""
    return len(guilty) > 1 and len(guilty) * 2 > len(setup.network.neurons)


def _widest(hits: dict[str, list[Hit]], waiting: list[str]) -> str:
    """The kind that explains most layers; among equals the one that was registered first."""
    reach: dict[str, set[str]] = defaultdict(set)
    for layer in waiting:
        for hit in hits[layer]:
            reach[hit.group].add(layer)
    return max(reach, key=lambda kind: len(reach[kind]))


def _hits(setup: Setup, trace: Trace, layer: str, *, deep: bool) -> list[Hit]:
    """The hypotheses that explain one layer: single ones, else confined ones, else, deep, several; simplest first."""
    wrong = left_wrong(setup, trace, layer)
    if wrong is None or not wrong.any():
        return []
    tried = list(_try(setup, trace, layer))
    exact = [one for one in tried if not one.left.any()]
    if all(one.kind in PARTIAL for one in exact):
        # A number of its own for some neurons fits much; what goes wrong in one place by a rule is told beside it.
        found = (_confined(setup, trace, layer, wrong, one) for one in tried if one.left.any())
        more = [one for one in found if one is not None]
        exact = [*(one for one in exact if one.kind not in VAGUE), *more] or exact
    exact = [one for one in exact if one.kind not in VAGUE] or exact
    if not exact and deep:
        exact = list(_pursued(setup, trace, layer, wrong, tried))
    if not exact and deep:
        exact = list(_together(setup, trace, layer, wrong, tried))
    # Where as much was chosen to fit as there is to explain, nothing is explained.
    told = _told(setup, trace, layer) if exact else 0
    chosen = [(max(_listed(setup, one.setup, layer) if one.picks else 0, one.fitted), one) for one in exact]
    exact = [one for count, one in sorted(chosen, key=lambda pair: pair[0]) if told >= 2 * count]
    return [_hit(one, layer, setup) for one in exact]


def _told(setup: Setup, trace: Trace, layer: str) -> int:
    """How much there is to explain: a spike that is wrong says yes or no, a state that is wrong a number."""
    own = wrongs(setup, trace, frozenset([layer]))[layer]
    numbers = own.states | own.output if own.spikes is None else own.states
    return int(own.output.sum()) + NUMBER * int(numbers.sum())


def _listed(base: Setup, made: Setup, layer: str) -> int:
    """How many neurons of a layer, or weights that feed it, are listed to say where two setups differ: 0 of a rule for
    all of them, 1 of a block."""
    where, count, own_numbers = np.zeros(base.network.neurons[layer].shape, bool), 0, 0
    for part in made.rules.get(layer, ())[len(base.rules.get(layer, ())) or 1 :]:
        where |= True if part.where is None else part.where
        count += len(part.recordings or ())
    for name, node in made.network.nodes.items():
        old = base.network.nodes.get(name)
        if old is node or old is None or type(old) is not type(node):
            continue
        for a, b in ((getattr(old, field), getattr(node, field)) for field in vars(old)):
            if not isinstance(a, np.ndarray) or not isinstance(b, np.ndarray) or np.array_equal(a, b):
                continue
            if name == layer:
                own: Array = np.asarray(a != b)
                where |= np.broadcast_to(own, where.shape)
                change = np.broadcast_to(b.astype(np.float64) - a, own.shape)[own]
                made_up = min(len(np.unique(change)), len(np.unique(np.broadcast_to(b, own.shape)[own])))
                own_numbers += OWN * made_up if made_up > 1 else 0
            elif a.shape == b.shape and (a != b).sum() <= FEW_WEIGHTS:
                count += int((a != b).sum())
    if where.any() and not where.all():
        count += int(where.sum()) if scattered(where) else 1
    return max(count, own_numbers)


def _try(setup: Setup, trace: Trace, layer: str, *, searching: bool = True) -> Iterator[_Tried]:
    """Every hypothesis, made everywhere; those that search for something only if asked."""
    for guess in HYPOTHESES:
        if guess.searches and not searching:
            continue
        try:
            candidates = list(guess.propose(setup, layer, trace))
        except DeployError:
            continue
        for candidate in candidates:
            left = left_wrong(candidate.setup, trace, layer)
            if left is not None:
                kind, text = _named(guess.kind, candidate)
                yield _Tried(left, kind, text, guess.family, candidate.setup, guess.picks, guess.searches)


def _named(kind: str, candidate: Candidate) -> tuple[str, str]:
    named, bar, text = candidate.text.partition("|")
    return (named, text) if bar else (kind, named)


def _confined(setup: Setup, trace: Trace, layer: str, wrong: Array, one: _Tried) -> _Tried | None:
    """The hypothesis in the first place in which it explains everything: neurons, recordings, then steps as well."""
    if one.kind in EVERYWHERE or (one.left.any() and np.array_equal(one.left, wrong)):
        return None  # it changes nothing here, or would change it everywhere
    carried = any(part.carries for part in one.setup.rules.get(layer, ()))
    rows = wrong.reshape(len(wrong), -1).any(axis=1)
    place = place_of(wrong, one.left, setup.numbers)
    if carried and not rows.all():
        # What a recording inherits depends on the one before it: no run of all of them tells of one alone.
        chosen = setup.numbers[rows].tolist()
        place = place or Place(
            recordings=tuple(chosen), words=recordings_in_words(chosen, int(setup.numbers.max()) + 1)
        )
    if place is not None:
        made = _at(setup, trace, layer, one, place)
        if made is not None and not made.left.any():
            return made
    first, last = shown_in(wrong)
    for start in range(first, max(first - BACK, -1), -1):
        # From the first step to the last it is what was tried already.
        made = _between(setup, trace, layer, wrong, one, (start, wrong.shape[1])) if start else one
        if made is None or not made.left.any():
            return made
        held = _holds_until(wrong, made.left)
        for stop in dict.fromkeys((start + 1, last, held) if held > first else ()):
            ended = _between(setup, trace, layer, wrong, one, (start, stop)) if stop > start else None
            if ended is not None and not ended.left.any():
                return ended
    return None


def _holds_until(wrong: Array, left: Array) -> int:
    """The first step in which something is left, in the neurons and recordings in question."""
    rows = wrong.reshape(len(wrong), -1).any(axis=1)
    here = left[rows][:, :, wrong.any(axis=(0, 1))]
    return shown_in(here)[0] if here.any() else wrong.shape[1]


def _between(
    setup: Setup, trace: Trace, layer: str, wrong: Array, one: _Tried, steps: tuple[int, int]
) -> _Tried | None:
    """The hypothesis between two steps, in those neurons and recordings in which that explains everything."""
    everywhere = _at(setup, trace, layer, one, from_step(*steps, wrong.shape[1]))
    if everywhere is None or not everywhere.left.any():
        return everywhere
    also = place_of(wrong, everywhere.left, setup.numbers)
    made = None if also is None else _at(setup, trace, layer, one, from_step(*steps, wrong.shape[1], also))
    return made if made is not None and not made.left.any() else everywhere


def _at(setup: Setup, trace: Trace, layer: str, one: _Tried, place: Place) -> _Tried | None:
    made = confined(setup, one.setup, layer, place)
    left = None if made is None else left_wrong(made, trace, layer)
    if made is None or left is None:
        return None
    picks = one.picks or place.where is not None
    return replace(one, left=left, text=f"{one.text}, {place.words}", setup=made, picks=picks)


def _pursued(setup: Setup, trace: Trace, layer: str, wrong: Array, tried: list[_Tried]) -> Iterator[_Tried]:
    """Different mistakes in different neurons: the one that mends most of them, then what is left."""
    current, made = setup, []
    for _ in range(MOST_PARTS):
        guilty = wrong.any(axis=(0, 1))
        mends = sorted(tried, key=lambda one: -int((guilty & ~one.left.any(axis=(0, 1))).sum()))
        best = next(filter(None, (_mended(current, trace, layer, wrong, one) for one in mends[:MOST_MENDS])), None)
        if best is None:
            return
        made.append(best)
        current, wrong = best.setup, best.left
        if not wrong.any():
            yield _joined(made, current, wrong)
            return
        tried = list(_try(current, trace, layer, searching=False))
        exact = [one for one in tried if not one.left.any()]
        if exact:
            yield from (_joined([*made, one], one.setup, one.left) for one in exact)
            return


def _mended(setup: Setup, trace: Trace, layer: str, wrong: Array, one: _Tried) -> _Tried | None:
    """The hypothesis in the neurons of which it explains everything, where it breaks nothing."""
    right = wrong.any(axis=(0, 1)) & ~one.left.any(axis=(0, 1))
    if not right.any() or one.kind in EVERYWHERE:
        return None
    place = place_of(wrong & right, np.where(right, one.left, wrong), setup.numbers)
    part = None if place is None else _at(setup, trace, layer, one, place)
    return part if part is not None and not (part.left & ~wrong).any() and part.left.sum() < wrong.sum() else None


def _together(setup: Setup, trace: Trace, layer: str, wrong: Array, tried: list[_Tried]) -> Iterator[_Tried]:
    """Two mistakes in the same neurons: each of those that come closest, and on top of it every other, in its place."""
    kinds: dict[str, _Tried] = {}
    for one in sorted(tried, key=lambda one: int(one.left.sum())):
        kinds.setdefault(one.text, one)
    for one in list(kinds.values())[:CLOSEST]:
        if one.left.sum() > UNTOUCHED * wrong.sum():
            return  # noise, of which nothing mends a part
        for other in _try(one.setup, trace, layer, searching=False):
            if other.kind == one.kind:
                continue
            place = None if not other.left.any() else place_of(one.left, other.left, setup.numbers)
            found = other if not other.left.any() else None
            if place is not None:
                found = _at(one.setup, trace, layer, other, place)
            if found is not None and not found.left.any():
                yield _joined([one, found], found.setup, found.left)


def _joined(parts: list[_Tried], setup: Setup, left: Array) -> _Tried:
    families = {part.family for part in parts}
    family = families.pop() if len(families) == 1 else "mixed" if "input" in families else parts[0].family
    kinds = "+".join(dict.fromkeys(part.kind for part in parts))
    text, picks = "; and ".join(part.text for part in parts), any(part.picks for part in parts)
    return _Tried(left, kinds, text, family, setup, picks)


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
