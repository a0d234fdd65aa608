"""What a layer must have heard, solved from its sums: which events were lost or came from nowhere, and in what order.

Where a layer has more neurons than inputs that were active, its recorded sums leave one set of inputs alone.
"""

from collections.abc import Callable, Iterator

import numpy as np

from deploy.checking.divergence.chance import by_chance
from deploy.checking.divergence.hypotheses.inputs import reads_input
from deploy.checking.divergence.hypotheses.registry import Candidate, hypothesis
from deploy.checking.divergence.hypotheses.states import look, recorded_sums
from deploy.checking.divergence.paths import Way, changed, entering, through, ways
from deploy.checking.divergence.places import neurons_in_words, recordings_in_words, steps_in_words
from deploy.checking.divergence.setup import Setup
from deploy.network import Array
from deploy.traces.trace import Trace

MOST_INPUTS, FEW = 1024, 12


@hypothesis("heard", "synapse")
def heard(setup: Setup, layer: str, trace: Trace) -> Iterator[Candidate]:
    """Events that were lost, or that are extra, on one way into a layer."""
    if setup.schedule != "synchronous" or setup.recorded is None:
        return
    seen = look(setup, layer, trace)
    sums = None if seen is None else recorded_sums(seen)
    if seen is None or sums is None or not sums[1].all() or len(sums[0]) < len(setup.frames):
        return
    left = sums[0] - seen.of_due("sums", len(sums[0]))
    if not left.any():
        return
    for way in ways(setup.network, layer):
        first = way.source == setup.network.input
        x = entering(setup, way, trace)
        if len(way.nodes) > 1 or way.late or x[0, 0].size > MOST_INPUTS or (first and setup.view is not None):
            continue
        apart = _solved(setup, way, x, left, only_active=not first)
        if apart is None:
            continue
        told = f"{way.source} into {way.name}" if not first else "input"
        kind, words = in_words(x, apart)
        picked = -np.cumsum(apart, axis=1) if kind.startswith("late") else abs(apart)
        if kind in ("extra", "moved") or (kind.endswith("at-random") and not by_chance(x, picked)):
            continue  # true of whatever arrived instead, and says nothing about why
        more = _of_numbers(setup, apart)
        if first and reads_input(setup, layer):
            made = setup.with_view(lambda f, n, more=more: (f.astype(np.int64) + more(n)).astype(f.dtype))
        else:
            made = changed(setup, way, trace, lambda x, n, more=more: x + more(n))
        yield Candidate(f"{kind}|{told}: {words}", made)


def _of_numbers(setup: Setup, apart: Array) -> Callable[[Array], Array]:
    """What is to be added to recordings of these numbers; nothing to those that the setup does not have."""
    by_number = dict(zip(setup.numbers.tolist(), apart, strict=True))
    return lambda numbers: np.stack([by_number.get(int(r), np.zeros_like(apart[0])) for r in numbers])


def _solved(setup: Setup, way: Way, x: Array, left: Array, *, only_active: bool) -> Array | None:
    """What is to be added to x (R, T, ...) so that nothing of `left` remains, or only to what is not 0 of it; None
    where there is no such thing."""
    shape = x.shape[2:]
    size = int(np.prod(shape))
    shift = max(0, -getattr(setup.network.nodes[way.name], "weight_exp", 0))
    plain = setup.with_node(way.name, weight_exp=0).network if shift else setup.network
    unit = np.eye(size, dtype=np.int64).reshape(1, size, *shape)
    response = through(plain, way, unit)[0].reshape(size, -1) / 2.0**shift
    apart = np.zeros(x.shape, np.int64)
    for r, t in np.argwhere(left.reshape(*left.shape[:2], -1).any(axis=2)).tolist():
        target = left[r, t].reshape(-1).astype(np.float64)
        active = x[r, t].reshape(-1) > 0
        every = (np.flatnonzero(active),) if only_active else (np.flatnonzero(active), np.arange(size))
        found = next(
            (f for among in every if (f := _combined(response, among, target, float(shift > 0))) is not None), None
        )
        if found is not None and (found + x[r, t].reshape(-1) < 0).any():
            found = None
        if found is None:
            return None
        apart[r, t] = found.reshape(shape).astype(np.int64)
    heard = through(setup.network, way, x + apart) - through(setup.network, way, x)
    return apart if np.array_equal(heard, left) else None


def _combined(response: Array, among: Array, target: Array, slack: float) -> Array | None:
    """Whole numbers of some inputs that give a target, up to what a shift loses: of all that touch it, or of a few."""
    touched = among[np.abs(response[among][:, target != 0]).any(axis=1)] if len(among) else among
    whole = np.zeros(len(response))
    if 0 < len(touched) <= response.shape[1]:
        whole[touched] = np.rint(np.linalg.lstsq(response[touched].T, target, rcond=None)[0])
        if np.abs(whole @ response - target).max() <= slack:
            return whole
    size = np.sqrt((response[touched] ** 2).sum(axis=1))
    chosen: list[int] = []
    for _ in range(min(FEW, len(touched))):
        left = target - whole @ response
        chosen.append(int(np.argmax(np.abs(response[touched] @ left) / np.maximum(size, 1e-9))))
        whole = np.zeros(len(response))
        at = touched[chosen]
        whole[at] = np.rint(np.linalg.lstsq(response[at].T, target, rcond=None)[0])
        if np.abs(whole @ response - target).max() <= slack:
            return whole
    return None


def in_words(x: Array, apart: Array) -> tuple[str, str]:
    """A kind and words for events that were lost (negative) or came from nowhere (R, T, ...), beside x."""
    lost, extra = -apart.clip(None, 0), apart.clip(0)
    where: Array = np.asarray((apart != 0).any(axis=(0, 1)))
    steps = np.flatnonzero((apart != 0).any(axis=(0, *range(2, apart.ndim))))
    rows = np.flatnonzero((apart != 0).reshape(len(apart), -1).any(axis=1))
    at = f"{neurons_in_words(where)}, {steps_in_words(steps.tolist(), apart.shape[1])}"
    at += f", {recordings_in_words(rows.tolist(), len(apart))}"
    at = at.replace("neurons", "inputs").replace("neuron", "input")
    if not extra.any():
        block = x[np.ix_(rows, steps)][:, :, where]
        if np.array_equal(lost[np.ix_(rows, steps)][:, :, where], block):
            return "lost", f"every event is lost of {at}"
        if x.max() > 1 and np.array_equal(x - lost, np.minimum(x, 1)):
            return "counts-cut", "counts are cut to 0 and 1"
        share, whole = int(lost.sum()) / int(x.sum()), int(x.sum())
        spread = 1.96 * np.sqrt(share * (1 - share) / whole)
        return "lost-at-random", (
            f"{int(lost.sum()):,} of {whole:,} events are lost, in no order that shows: a rate of {share:.2%}, between "
            f"{max(share - spread, 0):.2%} and {share + spread:.2%}; {at}"
        )
    share, whole = int(extra.sum()) / max(1, int(x.sum())), int(x.sum())
    late = -np.cumsum(apart, axis=1)
    if lost.any() and (late >= 0).all() and (late <= x).all():
        share = int(late.sum()) / whole
        return "late-at-random", (
            f"{int(late.sum()):,} of {whole:,} events come in the next step, a rate of {share:.2%}: they are late, or "
            f"the bins begin elsewhere; {at}"
        )
    if not lost.any() and not (extra > x).any():
        if np.array_equal(extra[np.ix_(rows, steps)][:, :, where], x[np.ix_(rows, steps)][:, :, where]):
            return "twice", f"every event arrives twice of {at}"
        return "twice-at-random", f"{int(extra.sum()):,} of {whole:,} events arrive twice, a rate of {share:.2%}; {at}"
    if not lost.any():
        return "extra", f"{int(extra.sum()):,} events come from nowhere; {at}"
    same = "as many" if lost.sum() == extra.sum() else "others"
    return "moved", f"{int(lost.sum()):,} events are lost and {int(extra.sum()):,} arrive elsewhere, {same}; {at}"
