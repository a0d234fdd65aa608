"""Options that several commands have, and what they mean: which model, recordings, simulators and chip."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from deploy.commands import CANNOT, DIFFERENT, EQUAL
from deploy.commands.recordings import Recordings, choose_recordings
from deploy.errors import DeployError, listed
from deploy.formats.files import load
from deploy.formats.model_file import ModelFile
from deploy.grid.chips import CHIPS
from deploy.network import RESET_MECHANISMS, Array, Network
from deploy.network.time_step import suggested_step
from deploy.runners.table import RUNNERS
from deploy.traces.trace import Trace
from deploy.zoo import zoo_path

if TYPE_CHECKING:
    from deploy.checking.check import Checked

SLOW_RECORDINGS = 10
"""Recordings that a slow simulator gets unless the user says how many."""


def _said(path: Path) -> list[str]:
    return [str(path)]


_MODEL = tyro.constructors.PrimitiveConstructorSpec(
    nargs=1,
    metavar="PATH",
    instance_from_str=lambda words: zoo_path(words[0]),
    is_instance=lambda value: isinstance(value, Path),
    str_from_instance=_said,
)
"""A model file, or the name of one that comes with the package."""
Model = Annotated[Path, _MODEL, tyro.conf.Positional]
Simulator = Annotated[
    str,
    tyro.conf.arg(
        metavar="NAME",
        help="The simulator: " + "; ".join(f"{runner.name} ({runner.help})" for runner in RUNNERS.values()),
    ),
]
ChipName = Annotated[str, tyro.conf.arg(metavar="NAME", help=f"The chip: {listed(CHIPS)}.")]
ResetName = Annotated[str, tyro.conf.arg(metavar="NAME", help=f"What a spike does: {listed(RESET_MECHANISMS)}.")]
SLOW = ", ".join(runner.name for runner in RUNNERS.values() if runner.slow)
"""The simulators of which this holds, for help texts."""
Exit = Annotated[
    str | None,
    tyro.conf.arg(
        metavar="MARGIN",
        help="End every recording where the leading class is this far ahead: in grid units of a readout's potential, "
        "or in spikes. model: the margin that ckd-export --exit-loss left in the file.",
    ),
]
Count = Annotated[
    int | None,
    tyro.conf.arg(
        metavar="N",
        help="How many recordings: of --events the first of every class, else the first ones. Default: all, "
        f"on {SLOW} {SLOW_RECORDINGS}.",
    ),
]
CountOfTrace = Annotated[
    int | None,
    tyro.conf.arg(
        metavar="N",
        help=f"How many recordings of the trace, the first ones. Default: all, on {SLOW} {SLOW_RECORDINGS}.",
    ),
]


@dataclass(frozen=True, kw_only=True)
class OnRecordings:
    """A command that takes recordings, and a model file that may not say how they become frames."""

    model: Model
    """A model file, or zoo:NAME for one that comes with the package."""
    events: Path | None = None
    """Recordings, one folder per class, or one file. Default: the frames in the trace beside the model."""
    frames: Path | None = None
    """Frames instead of recordings: a .npy of shape (R, T, ...)."""
    recordings: Count = None
    dt: float | None = None
    """What the file's time constants take for a step, in seconds, where the file does not say it; default: step_us."""
    step_us: int | None = None
    """Step length in microseconds, where the file does not say it."""
    steps: int | None = None
    """Steps per recording, where the file does not say it."""
    reset: ResetName | None = None
    """What a spike does to the potential, where the file does not say it (NIR: zero)."""
    reset_delay: bool = False
    """The reset comes in the step after the spike, as snnTorch's default has it."""

    @property
    def said(self) -> dict[str, Any]:
        """What the options say of a file that does not say it itself."""
        names = ("dt", "step_us", "steps", "reset", "reset_delay")
        return {name: getattr(self, name) for name in names}

    def load_model(self) -> Network | ModelFile:
        return load(self.model, **self.said)

    def choose(self, network: Network | ModelFile, *simulators: str) -> Recordings:
        """The recordings that the options name, as many as are right for these simulators."""
        limit = recording_limit(self.recordings, *simulators)
        return choose_recordings(network, self.model, self.events, self.frames, limit)


@dataclass(frozen=True, kw_only=True)
class OfTwoRuns:
    """A command that holds one run against another."""

    model: Model
    """The reference: a model file with its .trace beside it, or a .trace file."""
    other: Annotated[Annotated[Path, _MODEL] | None, tyro.conf.Positional] = None
    """What is checked: a model file or a .trace file. Default: the reference model."""
    on: Simulator = "integer"
    against: str | None = None
    """Run the reference on this simulator too, in place of its recorded trace."""
    trace: Path | None = None
    """What the trained network gave. Default: the .trace beside the model."""
    recordings: CountOfTrace = None
    partial: bool = False
    """Be content with the layers, recordings, steps and potentials that both hold; what is left out is said."""


def exit_margin(said: str, network: Network | ModelFile) -> float:
    """The margin that --exit says, a number or that of the model.

    Raises:
        DeployError: neither a number from 0 on nor a model that says one.
    """
    if isinstance(network, ModelFile):
        raise DeployError(f"--exit reads the layers of a network, and {network.path} runs as a whole; give a .nir file")
    if said == "model":
        if network.exit_margin is None:
            raise DeployError("--exit model: this model holds no margin; export it with --exit-loss, or give a number")
        return network.exit_margin
    try:
        margin = float(said)
    except ValueError:
        margin = -1.0
    if not 0 <= margin < float("inf"):
        raise DeployError(f"--exit {said}: allowed is a number from 0 on, or model, for the margin in the file")
    return margin


def exit_code(checked: "Checked") -> int:
    """0 for equal, 2 where nothing differs but not all was compared, else 1."""
    if checked.equal:
        return EQUAL
    return CANNOT if checked.verdict.word == "NOT ALL COMPARED" else DIFFERENT


def recording_limit(asked: int | None, *runners: str | None) -> int | None:
    """How many recordings to take on these simulators; None: all."""
    slow = any(RUNNERS[on].slow for on in runners if on in RUNNERS)
    return SLOW_RECORDINGS if asked is None and slow else asked


def warn_of_silence(network: Network | ModelFile, trace: Trace) -> None:
    """Say on stderr which layers never spike, and which step the constants of the file fit if it is another one."""
    silent = [name for name, layer in trace.spiking.items() if not layer.output.any()]
    if not silent:
        return
    step = suggested_step(network) if isinstance(network, Network) else None
    advice = "look at the thresholds, the constants and the recordings"
    if isinstance(network, Network) and step is not None:
        advice = (
            f"a step of {network.dt:g} s was taken, and the constants of this file fit {step:g} s: try --dt {step:g}"
        )
    what = "no layer spikes" if len(silent) == len(trace.spiking) else f"{listed(silent)} never spikes"
    print(f"warning: {what} on {trace.runner}, so these results say nothing; {advice}", file=sys.stderr)


def fit_to_runner(network: Network | ModelFile, on: str, frames: Array) -> Network | ModelFile:
    """The network as the runner takes it: a float network for a chip is put on the grid here and now, and says so."""
    if isinstance(network, ModelFile) or RUNNERS[on].takes != "grid" or network.on_grid:
        return network
    from deploy.quantization.search import quantize

    print("this model holds floats: putting it on the grid, calibrated on the same recordings", file=sys.stderr)
    return quantize(network, frames)
