"""Why two runs differ: where the inputs, the models, the runner and the trace stop agreeing, by substitution."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from deploy.checking.divergence.causes import Cause
from deploy.checking.divergence.detail import Divergence, look_at
from deploy.checking.divergence.evidence import as_scheduled, contradictions
from deploy.checking.divergence.groups import Group, differing_groups, subsets, take
from deploy.checking.divergence.hypotheses.inputs import frame_variants
from deploy.checking.divergence.patterns import describe
from deploy.checking.divergence.replay import Setup
from deploy.checking.divergence.search import explain_runner, reproduces
from deploy.errors import DeployError
from deploy.network import Array, Network
from deploy.traces.compare import Verdict, compare
from deploy.traces.trace import Trace

FIRST_RECORDINGS, EARLIEST_RECORDINGS = 6, 4
"""Recordings that hypotheses are tried on: the first ones, and those in which the difference shows earliest."""

NEARBY = 0.98
"""Share of events that must lie at most one step away for the binning to be blamed."""


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """What differs first, and why; `unexplained` are layers that contradict their network for no reason we know."""

    verdict: Verdict
    divergence: Divergence | None
    causes: tuple[Cause, ...]
    unexplained: tuple[str, ...] = ()
    recordings: tuple[int, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        return {
            "divergence": self.divergence and self.divergence.as_dict(),
            "causes": [cause.as_dict() for cause in self.causes],
            "unexplained": list(self.unexplained),
            "tried_on": list(self.recordings),
        }


def explain(
    expected: Trace,
    found: Trace,
    *,
    verdict: Verdict | None = None,
    reference: Network | None = None,
    tested: Network | None = None,
    frames: Array | None = None,
) -> Explanation:
    """Explain why two traces of the same recordings differ.

    Four places are searched, each with what the others cannot blame: the frames; the parameters in which the two
    networks differ, taken over one group at a time until the difference goes; the runner, which must step the tested
    network by its rules; and the reference trace, which must be what the reference network gives.

    Args:
        expected, found: the traces.
        verdict: their comparison, where it is at hand.
        reference: the network of `expected`.
        tested: the network of `found`; default the reference.
        frames: (R, T, ...) of the expected trace where it holds none.
    """
    verdict = compare(expected, found) if verdict is None else verdict
    tested = reference if tested is None else tested
    frames = expected.frames if frames is None else frames
    if verdict.first is None:
        return Explanation(verdict=verdict, divergence=None, causes=())
    told = verdict.first_spike or verdict.first
    divergence = look_at(verdict.first, expected, found, (reference, tested), frames, told.recording)
    rows = _rows(expected, found, verdict)
    if frames is None or tested is None:
        return Explanation(verdict=verdict, divergence=divergence, causes=(), recordings=rows)
    frames_one = frames[list(rows)]
    one = as_scheduled(expected.take(rows), reference or tested)
    other = as_scheduled(found.take(rows), tested)
    frames_other = frames_one if other.frames is None else other.frames
    if frames_other.shape != frames_one.shape:
        causes = _input_causes(frames_one, frames_other)
        return Explanation(verdict=verdict, divergence=divergence, causes=tuple(causes), recordings=rows)
    causes: list[Cause] = []
    unexplained: list[str] = []
    blame, left = _runner_causes(tested, other, frames_other, "runner")
    # Other frames are the whole cause only where the run on them is what its network gives.
    causes += [replace(cause, verified=not blame and not left) for cause in _input_causes(frames_one, frames_other)]
    causes += blame
    unexplained += left
    if reference is not None and reference is not tested:
        causes += _model_causes(reference, tested, one, frames_one)
    if reference is not None and not any(cause.side == "runner" for cause in causes):
        blame, left = _runner_causes(reference, one, frames_one, "trace")
        causes += blame
        unexplained += left
    return Explanation(
        verdict=verdict, divergence=divergence, causes=tuple(causes), unexplained=tuple(unexplained), recordings=rows
    )


def _rows(expected: Trace, found: Trace, verdict: Verdict) -> tuple[int, ...]:
    """The first recordings, and those in which a layer of spikes, or else the readout, differs earliest."""
    earliest = np.full(verdict.recordings, expected.steps)
    for layer in expected.layers:
        a, b = (trace.output(layer)[: verdict.recordings] for trace in (expected, found))
        apart = (a != b).reshape(*a.shape[:2], -1).any(axis=2)
        earliest = np.minimum(earliest, np.where(apart.any(axis=1), apart.argmax(axis=1), expected.steps))
    order = [int(r) for r in np.argsort(earliest, kind="stable") if earliest[r] < expected.steps]
    chosen = {*range(min(FIRST_RECORDINGS, verdict.recordings)), *order[:EARLIEST_RECORDINGS]}
    if verdict.first is not None:
        chosen.add(verdict.first.recording)
    return tuple(sorted(chosen))


def _input_causes(expected: Array, found: Array) -> list[Cause]:
    if expected.shape == found.shape and np.array_equal(expected, found):
        return []
    if expected.shape == found.shape:
        for kind, text, variant in frame_variants(expected):
            if np.array_equal(variant, found):
                return [Cause(kind=kind, where=("input",), text=text, side="input")]
        moved = _moved_between_steps(expected, found)
        if moved:
            return [Cause(kind="binning", where=("input",), text=moved, side="input")]
    text = "they differ in no way that is known"
    if expected.shape != found.shape:
        text = f"their shape is {found.shape} instead of {expected.shape}"
    return [Cause(kind="frames", where=("input",), text=text, side="input")]


def _moved_between_steps(expected: Array, found: Array) -> str | None:
    """Whether the same events fell into neighboring steps, here and there one more or less where counts saturate."""
    a, b = (frames.astype(np.int64) for frames in (expected, found))
    if not a.any() or not b.any():
        return None
    near = min(_found_nearby(a, b), _found_nearby(b, a))
    if near < NEARBY:
        return None
    by_step = [counts.sum(axis=(0, *range(2, a.ndim))) for counts in (a, b)]
    when = [float(np.average(np.arange(a.shape[1]), weights=counts)) for counts in by_step]
    way = "earlier" if when[1] < when[0] else "later"
    events = int(abs(a - b).sum()) // 2
    return f"about {events:,} events fall into a neighboring, mostly {way}, step: the binning differs"


def _found_nearby(a: Array, b: Array) -> float:
    """The share of the counts of `a` that `b` has at the same pixel, at most one step away."""
    padded = np.pad(b, ((0, 0), (1, 1), *((0, 0),) * (b.ndim - 2)))
    around = padded[:, :-2] + padded[:, 1:-1] + padded[:, 2:]
    return float(np.minimum(a, around).sum() / a.sum())


def _runner_causes(network: Network, trace: Trace, frames: Array, side: str) -> tuple[list[Cause], list[str]]:
    """Why a trace is not what its network gives; nothing where it is."""
    setup = Setup(network=network, frames=frames, schedule=trace.schedule)
    guilty = [layer for layer, own in contradictions(setup, trace).items() if not own.agrees]
    if not guilty:
        return [], []
    causes, current = explain_runner(setup, trace, guilty, side)
    sure = reproduces(current, trace)
    explained = {layer for cause in causes for layer in cause.where}
    whole = any(cause.side == "input" for cause in causes)
    left = [] if sure or whole else [layer for layer in guilty if layer not in explained]
    return [replace(cause, verified=sure) for cause in causes], left


def _model_causes(reference: Network, tested: Network, expected: Trace, frames: Array) -> list[Cause]:
    """The smallest set of parameters that, taken from the reference, mends the tested network."""
    groups = differing_groups(reference, tested)
    for chosen in subsets(groups):
        try:
            mended = Setup(network=take(chosen, reference, tested), frames=frames, schedule=expected.schedule)
            if reproduces(mended, expected):
                return _merged(chosen, reference, tested, verified=True)
        except DeployError:
            continue
    return _merged(groups, reference, tested, verified=False)


def _merged(groups: Sequence[Group], reference: Network, tested: Network, *, verified: bool) -> list[Cause]:
    """One cause a kind and text; gains that differ by channel, with the bias after them, are a batch norm."""
    found = [(group, *describe(group, reference, tested)) for group in groups]
    scaled = {group.node for group, kind, _ in found if kind == "channel-gain"}
    fed = {target for name in scaled for target in reference.targets(name)}
    if scaled and any(kind == "bias" and group.node in fed for group, kind, _ in found):
        text = "every output channel has its own factor and bias: the batch norm is not folded in"
        found = [(group, "batch-norm", text) if group.node in scaled | fed else (group, k, t) for group, k, t in found]
    places: dict[tuple[str, str], list[str]] = {}
    for group, kind, text in found:
        places.setdefault((kind, text), []).append(group.node)
    return [
        Cause(kind=kind, where=tuple(nodes), text=text, side="model", verified=verified)
        for (kind, text), nodes in places.items()
    ]
