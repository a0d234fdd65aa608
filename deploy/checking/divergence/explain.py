"""Why two runs differ: where the inputs, the models, the runner and the trace stop agreeing, by substitution."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from math import prod
from typing import Any

import numpy as np

from deploy.checking.divergence.causes import Cause
from deploy.checking.divergence.decisions import decided
from deploy.checking.divergence.detail import Divergence, look_at
from deploy.checking.divergence.evidence import as_scheduled, contradictions
from deploy.checking.divergence.groups import Group, differing_groups, subsets, take
from deploy.checking.divergence.hypotheses.inputs import frame_variants
from deploy.checking.divergence.models import BROKEN, difference
from deploy.checking.divergence.patterns import describe, likeness
from deploy.checking.divergence.profile import Profile, profiles
from deploy.checking.divergence.proof import Proof, gives, prove
from deploy.checking.divergence.records import as_sent
from deploy.checking.divergence.search import explain_runner
from deploy.checking.divergence.setup import Setup
from deploy.errors import DeployError
from deploy.network import Array, Network
from deploy.traces.compare import compare
from deploy.traces.trace import Trace
from deploy.traces.verdict import Difference, Verdict

MOST_RECORDINGS, LEAST_RECORDINGS, NEURON_STEPS = 12, 4, 600_000
"""Recordings that hypotheses are tried on: as many as have so many neuron-steps, within these bounds. Two thirds of
them are the first ones, the others those in which the difference shows earliest; where what was found does not explain
all, some of those that it leaves wrong join them."""

NEARBY = 0.98
"""Share of events that must lie at most one step away for the binning to be blamed."""


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """What differs first, and why.

    divergence, spike_divergence: the first difference, and the first one in spikes where that is another. models: all
    in which the two models differ. profiles: the facts about the first layers that contradict their inputs. causes and
    proof: over all recordings. unexplained: layers that contradict their network for no reason we know.
    """

    verdict: Verdict
    divergence: Divergence | None
    causes: tuple[Cause, ...]
    unexplained: tuple[str, ...] = ()
    recordings: tuple[int, ...] = ()
    spike_divergence: Divergence | None = None
    proof: Proof | None = None
    profiles: tuple[Profile, ...] = ()
    models: tuple[str, ...] = ()

    @property
    def profile(self) -> Profile | None:
        """Of the first layer that contradicts its inputs."""
        return next(iter(self.profiles), None)

    def as_dict(self) -> dict[str, Any]:
        return {
            "divergence": self.divergence and self.divergence.as_dict(),
            "spike_divergence": self.spike_divergence and self.spike_divergence.as_dict(),
            "causes": [cause.as_dict() for cause in self.causes],
            "unexplained": list(self.unexplained),
            "proof": self.proof and asdict(self.proof),
            "models": list(self.models),
            "profiles": [asdict(profile) for profile in self.profiles],
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
        expected: the reference trace.
        found: the other one.
        verdict: their comparison, where it is at hand.
        reference: the network of `expected`.
        tested: the network of `found`; default the reference.
        frames: (R, T, ...) of the expected trace where it holds none.
    """
    verdict = compare(expected, found) if verdict is None else verdict
    tested = reference if tested is None else tested
    frames = expected.frames if frames is None else frames
    if verdict.first is None:
        return (
            Explanation(verdict=verdict, divergence=None, causes=())
            if tested is None
            else _decided(found, tested, verdict)
        )
    rows = _rows(expected, found, verdict)
    seen = _look(expected, found, verdict, (reference, tested), frames)
    known = reference is not None and tested is not None and reference is not tested
    where = Explanation(
        verdict=verdict,
        divergence=seen[verdict.first],
        causes=(),
        recordings=rows,
        spike_divergence=_second(seen),
        models=tuple(difference(reference, tested)) if known else (),  # pyright: ignore[reportArgumentType]
    )
    if frames is None or tested is None:
        return where
    whole = frames[: verdict.recordings]
    whole_other = whole if found.frames is None else found.frames[: verdict.recordings]
    if whole_other.shape != whole.shape:
        return replace(where, causes=tuple(_input_causes(whole, whole_other)))
    both = whole, whole_other
    try:
        blamed = _blame(expected, found, reference, tested, both, rows)
        proof: Proof | None = blamed["proof"]
        more = () if proof is None else tuple(r for r in proof.left if r not in rows)[: len(rows)]
        if proof is not None and not proof.exact and more and blamed["causes"]:
            # What holds on some recordings and not on all is looked for again, with those that it leaves wrong.
            rows = tuple(sorted({*rows, *more}))
            blamed = _blame(expected, found, reference, tested, both, rows)
        return replace(where, recordings=rows, **blamed)
    except DeployError as error:
        # The model of one run cannot have made the other: what is known is told, and no cause is looked for.
        return replace(where, unexplained=(f"a run that the model cannot have made ({error})",))


def _decided(found: Trace, network: Network, verdict: Verdict) -> Explanation:
    """What there is to say where predictions alone may differ."""
    causes, proof = (), None
    if verdict.wrong_predictions and network.output_layer in found.layers:
        rows = range(verdict.recordings)
        causes, proof = decided(found.take(rows), network.output_layer, verdict.wrong_predictions)
    return Explanation(verdict=verdict, divergence=None, causes=causes, proof=proof)


def _look(
    expected: Trace,
    found: Trace,
    verdict: Verdict,
    networks: tuple[Network | None, Network | None],
    frames: Array | None,
) -> dict[Difference, Divergence]:
    """The first difference, and the first one in spikes, from close by."""
    assert verdict.first is not None
    told = verdict.first_spike or verdict.first
    places = dict.fromkeys(at for at in (verdict.first, verdict.first_spike) if at is not None)
    return {at: look_at(at, expected, found, networks, frames, told.recording) for at in places}


def _second(seen: dict[Difference, Divergence]) -> Divergence | None:
    return next(iter([*seen.values()][1:]), None)


def _blame(
    expected: Trace,
    found: Trace,
    reference: Network | None,
    tested: Network,
    frames: tuple[Array, Array],
    rows: tuple[int, ...],
) -> dict[str, Any]:
    """The causes, what is left, and the proof; frames are those of both traces, all recordings of them."""
    known = reference or tested
    expected, found = as_scheduled(expected, known), as_scheduled(found, tested)
    one, other = expected.take(rows), found.take(rows)
    few = [whole[list(rows)] for whole in frames]
    numbers = np.array(rows)
    runs = Setup(network=tested, frames=few[1], schedule=other.schedule, rows=numbers, whole=frames[1])
    held = found.take(range(len(frames[1])))
    found, written = as_sent(runs, other, held)
    other = found.take(rows) if written else other
    runs = replace(runs, recorded=found)
    ran = _Blamed(runs, other, "runner")
    causes = [*_input_causes(*frames), *written, *ran.causes]
    setup = Setup(network=known, frames=frames[0], schedule=one.schedule, whole=frames[0], recorded=expected)
    whole = replace(runs, frames=frames[1], rows=None)
    shown = profiles(whole, held, [cause.where[0] for cause in written]) + profiles(whole, found, ran.guilty)
    unexplained = list(ran.left)
    if reference is not None and reference is not tested:
        mended, blamed = _model_causes(reference, tested, replace(setup, frames=few[0], rows=numbers), one)
        causes += blamed
        setup = replace(setup, network=mended)
    if reference is not None and not ran.causes and not written:
        trace_side = _Blamed(replace(setup, network=reference, frames=few[0], rows=numbers), one, "trace")
        shown = shown or profiles(replace(setup, network=reference), expected, trace_side.guilty)
        causes += trace_side.causes
        unexplained += trace_side.left
        if not ran.guilty and trace_side.left and len(trace_side.left) * 2 > len(reference.neurons):
            text = f"it contradicts {len(trace_side.left)} of its {len(reference.neurons)} layers; export it again"
            causes.append(Cause(kind="other-model", where=tuple(trace_side.left), text=text, side="trace"))
        if trace_side.causes:
            setup = trace_side.over(frames[0])
    proof = prove(setup, ran.over(frames[1]), expected, found)
    sure = proof is not None and proof.exact
    return {
        "causes": tuple(replace(cause, verified=sure) for cause in causes),
        "unexplained": () if sure else tuple(unexplained),
        "proof": proof,
        "profiles": shown,
    }


class _Blamed:
    """Why a trace is not what its network gives, on some recordings: nothing where it is."""

    def __init__(self, setup: Setup, trace: Trace, side: str) -> None:
        self.guilty = [layer for layer, own in contradictions(setup, trace).items() if not own.agrees]
        guilty = self.guilty
        self.causes, self._mended = explain_runner(setup, trace, guilty, side) if guilty else ([], setup)
        explained = {layer for cause in self.causes for layer in cause.where}
        whole = any("input" in cause.where for cause in self.causes)
        self.left = [] if whole else [layer for layer in guilty if layer not in explained]

    def over(self, frames: Array) -> Setup:
        """The setup with the causes, over all recordings."""
        return replace(self._mended, frames=frames, rows=None)


def _rows(expected: Trace, found: Trace, verdict: Verdict) -> tuple[int, ...]:
    """The first recordings, and those in which a layer of spikes, or else the readout, differs earliest."""
    earliest = np.full(verdict.recordings, expected.steps)
    for layer in expected.layers:
        a, b = (trace.output(layer)[: verdict.recordings] for trace in (expected, found))
        apart = (a != b).reshape(*a.shape[:2], -1).any(axis=2)
        earliest = np.minimum(earliest, np.where(apart.any(axis=1), apart.argmax(axis=1), expected.steps))
    order = [int(r) for r in np.argsort(earliest, kind="stable") if earliest[r] < expected.steps]
    each = max(1, sum(prod(layer.shape[2:]) for layer in expected.layers.values()) * expected.steps)
    count = min(MOST_RECORDINGS, max(LEAST_RECORDINGS, NEURON_STEPS // each))
    if verdict.recordings <= count:
        return tuple(range(verdict.recordings))
    chosen = {*range(min(count * 2 // 3, verdict.recordings)), *order[: count // 3]}
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


def _model_causes(reference: Network, tested: Network, setup: Setup, expected: Trace) -> tuple[Network, list[Cause]]:
    """The smallest set of parameters that, taken from the reference, mends the tested network; and that network."""
    groups = differing_groups(reference, tested)
    for chosen in subsets(groups):
        try:
            mended = take(chosen, reference, tested)
            if gives(replace(setup, network=mended), expected):
                return mended, _merged(chosen, reference, tested)
        except BROKEN:  # half of one model and half of another need not hold together
            continue
    return reference, _merged(groups, reference, tested)


def _merged(groups: Sequence[Group], reference: Network, tested: Network) -> list[Cause]:
    """One cause a kind and text; gains that differ by channel, with the bias after them, look like a batch norm."""
    found = [(group, *describe(group, reference, tested), likeness(group, reference, tested)) for group in groups]
    scaled = {group.node: like for group, _, _, like in found if like}
    fed = {target for name in scaled for target in reference.targets(name)}
    merged: dict[tuple[str, str, str], list[str]] = {}
    if scaled and any(kind == "bias" and group.node in fed for group, kind, _, _ in found):
        normed = [one for one in found if one[0].node in {*scaled, *fed}]
        found = [one for one in found if one not in normed]
        text = "; ".join(f"{group.node}: {text}" for group, _, text, _ in normed)
        merged["batch-norm", text, next(iter(scaled.values()))] = [group.node for group, *_ in normed]
    for group, kind, text, like in found:
        merged.setdefault((kind, text, like), []).append(group.node)
    return [
        Cause(kind=kind, where=tuple(nodes), text=text, side="model", likeness=like)
        for (kind, text, like), nodes in merged.items()
    ]
