"""A check from start to end: what stands against what, the runs, the verdict, and why they differ."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from deploy.checking.divergence import Explanation, explain
from deploy.checking.divergence.evidence import Close, as_scheduled, own_differences, pick
from deploy.checking.divergence.replay import Setup
from deploy.commands.recordings import require_some
from deploy.errors import DeployError, RunnerError
from deploy.formats.load import load_model
from deploy.formats.model_file import ModelFile
from deploy.network import Array, Network
from deploy.runners import FLOAT_RUNNERS, GRID_RUNNERS, require_known, run
from deploy.traces.compare import Verdict, compare
from deploy.traces.trace import Trace, load_trace

WHOLE = 512
"""Up to so many recordings u and v of all are compared at every step."""
SAMPLE = 128
"""Of more, u and v of so many, and all spikes and the readout's potential of the rest: the cost stays within twice that
of the simulation (python -m benchmarks.checking)."""


@dataclass(frozen=True, kw_only=True)
class Checked:
    """Everything a check found out. `rounded` holds the float spikes too close to the threshold to be decided."""

    expected: Trace
    found: Trace
    reference: Network | None
    tested: Network | None
    verdict: Verdict
    explanation: Explanation | None
    rounded: tuple[Close, ...] | None = None

    @property
    def equal(self) -> bool:
        """Bit for bit, or for floats up to the spikes that rounding decides."""
        return bool(self.verdict) or self.rounded is not None


def check(
    first: Path,
    second: Path | None = None,
    *,
    on: str = "integer",
    against: str | None = None,
    trace: Path | None = None,
    recordings: int | None = None,
    why: bool = True,
) -> Checked:
    """Check that `second` on a simulator gives what `first` gave.

    Args:
        first: the reference, a model whose trace lies beside it, or a trace.
        second: what is checked, a model or a trace; default the model of `first`.
        on: the simulator that runs `second`.
        against: a simulator that runs `first`, on the frames of its trace, in place of its trace.
        trace: the trace of `first`, where it does not lie beside it.
        recordings: how many of them, the first ones; None: all.
        why: look for the cause of a difference.

    Raises:
        DeployError: something is missing or cannot be run.
    """
    for name in filter(None, (on, against)):
        require_known(name)  # before a trace of gigabytes is read
    require_some(recordings)
    trace_path = trace or (first if first.suffix == ".trace" else first.with_suffix(".trace"))
    expected = load_trace(trace_path)
    model = _model(first)
    reference = _network(model)
    frames = None if expected.frames is None else expected.frames[:recordings]
    if against is not None:
        expected = _run(_needed(model, first), _given(frames, trace_path), against, expected)
    if second is not None and second.suffix == ".trace":
        found, tested = load_trace(second), _network(_model(second)) or reference
    else:
        runs = _needed(_model(second) if second is not None else model, second or first)
        if why and runs.on_grid and on in FLOAT_RUNNERS and _holds_integers(expected):
            raise RunnerError(
                f"{trace_path}: holds integers, {on} gives floats, and a trace of one is not equal to the other; "
                "check it --on integer or lava, or judge by likeness with --statistical"
            )
        found, tested = _run(runs, _given(frames, trace_path), on, expected), _network(runs) or reference
    verdict = compare(expected, found, recordings=recordings)
    rounded = None
    apart = verdict.first is not None and not verdict.problems
    if apart and tested is not None and frames is not None and not tested.on_grid:
        rounded = _decided_by_rounding(tested, expected, found, frames[: verdict.recordings])
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
    )


def _model(path: Path) -> Network | ModelFile | None:
    """The model of a path: itself, or the one beside a trace; None where there is none."""
    model = path.with_suffix(".nir") if path.suffix == ".trace" else path
    return load_model(model) if model.is_file() or model is path else None


def _network(model: Network | ModelFile | None) -> Network | None:
    """What explains a difference: the network itself, for a model file the .nir of its name beside it."""
    if isinstance(model, ModelFile):
        beside = model.path.with_suffix(".nir")
        return _network(load_model(beside)) if beside.is_file() else None
    return model


def _holds_integers(trace: Trace) -> bool:
    """Whether a trace is of a network on the grid: its potentials are integers."""
    held = next((trace.v[layer] for layer in reversed(trace.layers) if layer in trace.v), None)
    return held is not None and np.issubdtype(held.dtype, np.integer)


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
    if on in GRID_RUNNERS and not network.on_grid:
        raise RunnerError(
            f"the model holds floats, {on} runs integers, and a trace of one is not equal to the other; "
            "check it --on float, or export it with --chip loihi2"
        )
    states = max((len(like.v[layer]) for layer in like.spikes if layer in like.v), default=0)
    watched = len(frames) if len(frames) <= WHOLE else SAMPLE
    found = run(network, frames[:watched], on=on, keep_states=min(states, watched))
    if watched < len(frames):
        found = _append(found, run(network, frames[watched:], on=on), frames)
    return replace(found, labels=None if like.labels is None else like.labels[: len(frames)])


def _append(first: Trace, rest: Trace, frames: Array) -> Trace:
    """Both parts as one trace; states that only the first part holds stay those of its recordings."""

    def both(kind: str) -> dict[str, Array]:
        one, other = getattr(first, kind), getattr(rest, kind)
        return {
            name: np.concatenate([values, other[name]]) if name in other and len(other[name]) else values
            for name, values in one.items()
        }

    return replace(
        first,
        spikes=both("spikes"),
        v=both("v"),
        predictions=np.concatenate([first.predictions, rest.predictions]),
        frames=frames,
        overflows={layer: count + rest.overflows[layer] for layer, count in first.overflows.items()},
        seconds=first.seconds + rest.seconds,
    )


def _decided_by_rounding(network: Network, expected: Trace, found: Trace, frames: Array) -> tuple[Close, ...] | None:
    """The spikes that rounding decides, of either trace, where nothing else differs; None where something does.

    Each trace is held against the network along its own spikes. A spike is excused where its potential lies within
    1e-4 of the threshold; what follows from it later is not a difference of its own.
    """
    close: dict[tuple[int, int, str, tuple[int, ...]], Close] = {}
    for trace in (expected, found):
        for start in range(0, len(frames), 32):
            rows = np.arange(start, min(start + 32, len(frames)))
            picked = as_scheduled(pick(trace, rows.tolist()), network)
            setup = Setup(network=network, frames=frames[rows], schedule=picked.schedule)
            for own in own_differences(setup, picked).values():
                if not own.agrees:
                    return None
                for spike in own.close:
                    where = (start + spike.recording, spike.step, spike.layer, spike.neuron)
                    close[where] = replace(spike, recording=start + spike.recording)
    return tuple(close[where] for where in sorted(close))
