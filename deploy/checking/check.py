"""A check from start to end: what stands against what, the runs, the verdict, and why they differ."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ckd.files import finish_writes
from deploy.checking.divergence.evidence import RoundedSpike, as_scheduled, contradictions
from deploy.checking.divergence.explain import Explanation, explain
from deploy.checking.divergence.models import difference
from deploy.checking.divergence.setup import Setup
from deploy.errors import DeployError, RunnerError, TraceError
from deploy.formats.files import load
from deploy.formats.model_file import ModelFile
from deploy.formats.proven import names_another
from deploy.network import Array, Network
from deploy.runners.table import RUNNERS, find_runner, run
from deploy.traces.common import in_common
from deploy.traces.compare import compare, require_some
from deploy.traces.sampling import over_classes
from deploy.traces.trace import Trace, load_trace
from deploy.traces.verdict import Verdict
from deploy.zoo import zoo_path

TOLD = 2
"""Differences between two models that an error lists."""


@dataclass(frozen=True, kw_only=True)
class Checked:
    """Everything a check found out. `rounded` holds the float spikes too close to the threshold to be decided.

    of_another_model: the reference differs, and its trace was written with a model file of this name and other content.
    rows: which recordings of the reference these are, where they are not the first ones.
    """

    expected: Trace
    found: Trace
    reference: Network | None
    tested: Network | None
    verdict: Verdict
    explanation: Explanation | None
    rounded: tuple[RoundedSpike, ...] | None = None
    of_another_model: bool = False
    rows: tuple[int, ...] = ()

    @property
    def equal(self) -> bool:
        """Bit for bit, or for floats up to the spikes that rounding decides."""
        return bool(self.verdict) or self.rounded is not None


def check(
    first: Path | str,
    second: Path | str | None = None,
    *,
    on: str = "integer",
    against: str | None = None,
    trace: Path | str | None = None,
    recordings: int | None = None,
    partial: bool = False,
    why: bool = True,
    of_every_class: bool = False,
) -> Checked:
    """Check that `second` on a simulator gives what `first` gave.

    Args:
        first: the reference, a model whose trace lies beside it, or a trace.
        second: what is checked, a model or a trace; default the model of `first`.
        on: the simulator that runs `second`.
        against: a simulator that runs `first`, on the frames of its trace, in place of its trace.
        trace: the trace of `first`, where it does not lie beside it.
        recordings: how many of them, the first ones; None: all.
        partial: be content with the layers, recordings, steps and potentials that both hold.
        why: look for the cause of a difference.
        of_every_class: take the recordings from every class in turn, and not the first ones.

    Raises:
        DeployError: something is missing or cannot be run.
    """
    first, second = zoo_path(first), None if second is None else zoo_path(second)
    for name in filter(None, (on, against)):
        find_runner(name)  # before a trace of gigabytes is read
    require_some(recordings)
    trace_path = Path(trace) if trace else (first if first.suffix == ".trace" else first.with_suffix(".trace"))
    finish_writes(first.parent)  # where a killed export had replaced a model and not yet its trace
    model = _model(first)
    reference = _network(model)
    expected = load_trace(trace_path)
    ran = second is None or second.suffix != ".trace"
    given = None if second is None or ran else load_trace(second)
    rows: tuple[int, ...] = ()
    if of_every_class and recordings is not None and (given is None or given.recordings == expected.recordings):
        rows, expected = _of_every_class(expected, recordings)
        given = given.take(rows) if rows and given is not None else given
    frames = None if expected.frames is None else expected.frames[:recordings]
    if against is not None:
        expected = _run(_needed(model, first), _given(frames, trace_path), against, expected)
    if second is not None and given is not None:
        found, tested = given, _network(_model(second)) or reference
    else:
        runs = _needed(_model(second) if second is not None else model, second or first)
        if why and runs.on_grid and RUNNERS[on].gives == "floats" and _numbers(expected) == "integers":
            raise RunnerError(
                f"{trace_path}: holds integers, {on} gives floats, and a trace of one is not equal to the other; "
                "check it --on integer or lava, or judge by likeness with --statistical"
            )
        tested = _network(runs) or reference
        if second is None and frames is not None and tested is not None and frames.shape[2:] != tested.input_shape:
            raise TraceError(
                f"{trace_path}: the trace of another model: its frames show {tuple(frames.shape[2:])} a step, and "
                f"{first} takes {tested.input_shape}; give the trace that was written with this model"
            )
        with told_apart(reference, tested):
            found = _run(runs, _given(frames, trace_path), on, expected)
    kinds = _numbers(expected), _numbers(found)
    if why and None not in kinds and kinds[0] != kinds[1]:
        raise RunnerError(
            f"{trace_path} holds {kinds[0]}, {second or first} gives {kinds[1]}, and a trace of one is not equal to "
            "the other; check two of a kind, or judge by likeness with --statistical"
        )
    # Simulators that keep no u and v, or no checksums of them, are asked for none; a trace of elsewhere has to hold
    # what the reference holds.
    asked = None if ran else True
    if ran and _has_digests(expected) and not _has_digests(found):
        asked = False
    with told_apart(reference, tested):
        verdict = compare(expected, found, recordings=recordings, partial=partial, every_state=asked)
    if partial:
        expected, found = in_common(expected, found)
        frames = expected.frames
    rounded = None
    apart = verdict.first is not None and not verdict.problems and (partial or not verdict.missing)
    if apart and tested is not None and frames is not None and not tested.on_grid:
        rounded = decided_by_rounding(tested, expected, found, frames[: verdict.recordings])
    explanation = None
    if why and not verdict and rounded is None:
        explanation = explain(expected, found, verdict=verdict, reference=reference, tested=tested, frames=frames)
    return Checked(
        expected=expected,
        found=found,
        reference=reference,
        tested=tested,
        verdict=verdict,
        explanation=explanation,
        rounded=rounded,
        of_another_model=not verdict and rounded is None and model is not None and names_another(trace_path, first),
        rows=rows,
    )


def _of_every_class(trace: Trace, count: int) -> tuple[tuple[int, ...], Trace]:
    """So many recordings, among them the first ones, whose potentials were kept; no numbers where it is all of them."""
    if count >= trace.recordings:
        return (), trace
    held = min((layer.held("v") for layer in trace.spiking.values()), default=0)
    rows = over_classes(trace.labels, trace.recordings, count, min(held, count // 2))
    return tuple(rows), trace.take(rows)


@contextmanager
def told_apart(reference: Network | None, tested: Network | None) -> Iterator[None]:
    """Where two models cannot even be compared, the error says how they differ."""
    try:
        yield
    except DeployError as error:
        if reference is None or tested is None or reference is tested:
            raise
        lines = difference(reference, tested)
        if not lines:
            raise
        more = f"; and {len(lines) - TOLD} more" if len(lines) > TOLD else ""
        raise type(error)(f"{error}; the models differ: {'; '.join(lines[:TOLD])}{more}") from error


def _model(path: Path) -> Network | ModelFile | None:
    """The model of a path: itself, or the one beside a trace; None where there is none."""
    model = path.with_suffix(".nir") if path.suffix == ".trace" else path
    return load(model) if model.is_file() or model is path else None


def _network(model: Network | ModelFile | None) -> Network | None:
    """What explains a difference: the network itself, for a model file the .nir of its name beside it."""
    if isinstance(model, ModelFile):
        beside = model.path.with_suffix(".nir")
        return _network(load(beside)) if beside.is_file() else None
    return model


def _numbers(trace: Trace) -> str | None:
    """What the potentials of a trace are, "integers" of a network on the grid or "floats"; None where it holds none."""
    held = next((layer["v"] for layer in reversed(list(trace.layers.values())) if "v" in layer), None)
    return None if held is None else "integers" if np.issubdtype(held.dtype, np.integer) else "floats"


def _needed(network: Network | ModelFile | None, path: Path) -> Network | ModelFile:
    if network is None:
        raise DeployError(f"{path}: its model does not lie beside it, and a simulator needs one; give a .nir file")
    return network


def _given(frames: Array | None, path: Path) -> Array:
    if frames is None:
        raise DeployError(f"{path}: holds no frames to run; give a trace that does")
    return frames


def _run(network: Network | ModelFile, frames: Array, on: str, like: Trace) -> Trace:
    """A run that keeps as many states as the other trace holds."""
    if RUNNERS[on].takes == "grid" and not network.on_grid:
        raise RunnerError(
            f"the model holds floats, {on} runs integers, and a trace of one is not equal to the other; "
            "check it --on float, or export it with --chip loihi2"
        )
    states = max((layer.held("v") for layer in like.spiking.values()), default=0)
    found = run(network, frames, on=on, states=min(states, len(frames)), digests=_has_digests(like))
    return found.labeled(None if like.labels is None else like.labels[: len(frames)])


def _has_digests(trace: Trace) -> bool:
    return any("v_digest" in layer for layer in trace.layers.values())


def decided_by_rounding(
    network: Network, expected: Trace, found: Trace, frames: Array
) -> tuple[RoundedSpike, ...] | None:
    """The spikes that rounding decides, of either trace, where nothing else differs; None where something does.

    Each trace is held against the network along its own spikes. A spike is excused where its potential lies within
    1e-4 of the threshold; what follows from it later is not a difference of its own.
    """
    close: dict[tuple[int, int, str, tuple[int, ...]], RoundedSpike] = {}
    for trace in (expected, found):
        for start in range(0, len(frames), 32):
            rows = np.arange(start, min(start + 32, len(frames)))
            picked = as_scheduled(trace.take(rows.tolist()), network)
            setup = Setup(network=network, frames=frames[rows], schedule=picked.schedule)
            for own in contradictions(setup, picked).values():
                if not own.agrees:
                    return None
                for spike in own.close:
                    where = (start + spike.recording, spike.step, spike.layer, spike.neuron)
                    close[where] = replace(spike, recording=start + spike.recording)
    return tuple(close[where] for where in sorted(close))
