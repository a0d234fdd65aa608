"""Inputs of a layer that bring nothing, twice as much, or come late: found one after the other by what each mends."""

from collections.abc import Callable, Iterator

import numpy as np

from deploy.checking.divergence.confine import equal_parts, shown_in
from deploy.checking.divergence.evidence import left_wrong
from deploy.checking.divergence.hypotheses.fitted import Few
from deploy.checking.divergence.hypotheses.inputs import reads_input
from deploy.checking.divergence.hypotheses.registry import Candidate, hypothesis
from deploy.checking.divergence.paths import Way, changed, entering, ways
from deploy.checking.divergence.places import neurons_in_words
from deploy.checking.divergence.replay import later
from deploy.checking.divergence.setup import Setup
from deploy.network import Array, GridNeuron
from deploy.traces.trace import Trace

MOST, LOOKED_AT = 20, 14
"""Sets of inputs that are silenced together, and those that are tried for each of them, the likeliest."""
MOST_UNITS = 1500
HOPE = 4
"""How much more than now each further set would have to mend, at most, for all of them to mend the rest."""
PARTS = (2, 4, 8)
"""Blocks that the inputs of a dense layer are divided into, as over cores."""


ACTIONS: dict[str, tuple[str, Callable[[Array], Array]]] = {
    "silent-inputs": ("bring nothing", np.zeros_like),
    "doubled-inputs": ("arrive twice, the weights count double", lambda x: x * 2),
    "late-inputs": ("arrive a step late", lambda x: later(x, 1)),
}


def _acting(kind: str, words: str, act: Callable[[Array], Array]) -> None:
    @hypothesis(kind, "synapse", searches=True)
    def propose(setup: Setup, layer: str, trace: Trace) -> Iterator[Candidate]:
        """Neurons that spike and are heard otherwise on one way."""
        if setup.schedule != "synchronous" or not isinstance(setup.network.nodes[layer], GridNeuron):
            return
        for way in ways(setup.network, layer):
            if way.source == setup.network.input or len(way.nodes) > 1:
                continue
            x = entering(setup, way, trace)

            def acted(where: Array, way: Way = way) -> Setup:
                return changed(setup, way, trace, lambda entered, numbers: np.where(where, act(entered), entered))

            for where in _sets(setup, layer, trace, x, acted):
                told = f"of what {way.source} sends into {way.name}, {neurons_in_words(where)} {words}"
                yield Candidate(told, acted(where))


for _kind, (_words, _act) in ACTIONS.items():
    _acting(_kind, _words, _act)


@hypothesis("input-region", "input", searches=True)
def silent_pixels(setup: Setup, layer: str, trace: Trace) -> Iterator[Candidate]:
    """Pixels, rows, columns or channels of the frames in which no event arrives."""
    if not reads_input(setup, layer):
        return

    def without(where: Array) -> Setup:
        return setup.with_view(lambda frames, numbers: np.where(where, 0, frames))

    for where in _sets(setup, layer, trace, setup.seen, without):
        yield Candidate(f"no event arrives from {_pixels(where)}", without(where))


def _pixels(where: Array) -> str:
    if where.ndim == 3 and (where == where[:1]).all():
        at = where[0]
        if at.all(axis=1).sum() * at.shape[1] != at.sum() and at.all(axis=0).sum() * at.shape[0] != at.sum():
            listed = ", ".join(f"({y}, {x})" for y, x in np.argwhere(at)[:6].tolist())
            return f"{int(at.sum())} pixel(s), of both polarities: {listed}{', ...' if at.sum() > 6 else ''}"
    return neurons_in_words(where).replace("neurons", "inputs").replace("neuron", "input")


def _sets(setup: Setup, layer: str, trace: Trace, x: Array, without: Callable[[Array], Setup]) -> Iterator[Array]:
    """Sets of inputs, bool of their shape: what mends most over all steps, and what mends most of the first ones."""
    wrong = left_wrong(setup, trace, layer)
    if wrong is None or not wrong.any():
        return
    units = _units(x.shape[2:])
    if not units:
        return
    few = Few(setup, trace, layer, wrong)
    x, (first, _) = x[few.rows], shown_in(few.wrong)
    active = np.stack([(x * unit).reshape(*x.shape[:2], -1).sum(axis=2, dtype=np.float64) for unit in units])
    seen: set[bytes] = set()
    for stop in (wrong.shape[1], first + 1, first + 2):
        where = _greedy(few, units, active[:, :, :stop], without, few.wrong[:, :stop])
        if where is not None and where.tobytes() not in seen:
            seen.add(where.tobytes())
            yield where


def _greedy(
    few: Few, units: list[Array], active: Array, without: Callable[[Array], Setup], wrong: Array
) -> Array | None:
    stop = wrong.shape[1]
    chosen, left = np.zeros(units[0].shape, bool), int(wrong.sum())
    apart = wrong
    for further in reversed(range(MOST if left else 0)):
        best = None
        for i in _likeliest(active, apart):
            if (units[i] & ~chosen).any():
                made = few.left(without(chosen | units[i]))
                if made is not None and (best is None or made[:, :stop].sum() < best[0]):
                    best = int(made[:, :stop].sum()), units[i], made[:, :stop]
        if best is None or best[0] >= left:
            break
        mended = left - best[0]
        left, apart = best[0], best[2]
        chosen = chosen | best[1]
        if HOPE * mended * further < left or not left:
            break
    return chosen if chosen.any() and not chosen.all() else None


def _likeliest(active: Array, wrong: Array) -> list[int]:
    """The units whose activity goes best with what is wrong in that step or the next."""
    at = wrong.reshape(*wrong.shape[:2], -1).sum(axis=2).astype(np.float64)
    near = at.copy()
    near[:, :-1] += 0.5 * at[:, 1:]
    near -= near.mean()
    of = active - active.mean(axis=(1, 2), keepdims=True)
    size = np.sqrt((of**2).sum(axis=(1, 2)))
    score = np.where(size > 0, (of * near).sum(axis=(1, 2)) / np.maximum(size, 1e-9), -np.inf)
    return [int(i) for i in np.argsort(-score)[:LOOKED_AT] if score[i] > -np.inf]


def _units(shape: tuple[int, ...]) -> list[Array]:
    """Every input by itself, and blocks; of maps channels, rows, columns, those of one channel, and places over all
    channels. None where too many."""
    if len(shape) == 3 and sum(shape) + shape[1] * shape[2] > MOST_UNITS:
        return []
    units = []
    index = np.indices(shape)
    if len(shape) == 3:
        for axis in range(3):
            units += [index[axis] == i for i in range(shape[axis])]
        units += [(index[1] == y) & (index[2] == x) for y in range(shape[1]) for x in range(shape[2])]
        lines = [index[axis] == i for axis in (1, 2) for i in range(shape[axis])]
        if shape[0] * len(lines) <= MOST_UNITS - len(units):
            units += [(index[0] == c) & line for c in range(shape[0]) for line in lines]
    size = int(np.prod(shape))
    if len(shape) == 1:
        for parts in PARTS:
            units += [(index[0] >= a) & (index[0] < b) for a, b in equal_parts(size, parts) if b > a + 1]
    if size <= MOST_UNITS - len(units):
        units += [(np.arange(size) == k).reshape(shape) for k in range(size)]
    return units
