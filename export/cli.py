"""ckd-export: from a run folder to a model file and the trace that proves it."""

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from ckd.console import RichReporter, run_command
from deploy.commands.shared import ResetName
from deploy.errors import DeployError
from deploy.report.console import PlainConsole, show_parameters, warn_of_overflows
from export.exported import Exported
from export.formats import FORMATS
from export.plan import CHIP_NAMES, Plan

if TYPE_CHECKING:
    To = str
    Chip = str
else:
    To, Chip = (tyro.extras.literal_type_from_choices(list(names)) for names in (FORMATS, CHIP_NAMES))

CHIP = "The chip whose integers the student gets; none keeps its floats."
TO = "The format. " + "; ".join(f"{form.name}: {form.help}" for form in FORMATS.values()) + "."
OUT = (
    "Where the model file goes; its trace lies beside it. Default: "
    + ", ".join(f"{form.stem}{form.ending}" for form in FORMATS.values())
    + " in the run folder. With --to onnx the float student is written beside it, at NAME_float."
)


@dataclass(frozen=True, kw_only=True)
class WhatFilesLeaveOut:
    """What a model file of another tool may not say."""

    dt: float | None = None
    """What its time constants take for a step, in seconds; default: step_us."""
    step_us: int | None = None
    """Step length in microseconds."""
    steps: int | None = None
    """Steps per recording."""
    reset: ResetName | None = None
    """What a spike does to the potential: zero, subtract or none."""
    reset_delay: bool = False
    """The reset comes in the step after the spike, as snnTorch's default has it."""


@dataclass(frozen=True, kw_only=True)
class Command:
    """Export a trained student.

    Example: ckd-export --to nir runs/digits-seed0
    Example: ckd-export other.nir --finetune 200 --events recordings/ -o ready.nir --step-us 20000 --steps 15
    """

    run: Annotated[Path, tyro.conf.Positional]
    """The run folder that python -m ckd.train wrote; or any model file, to be trained on the grid (--finetune)."""
    to: Annotated[To, tyro.conf.arg(help=TO)] = "nir"
    out: Annotated[Path | None, tyro.conf.arg(help=OUT, aliases=["-o"])] = None
    chip: Annotated[Chip, tyro.conf.arg(help=CHIP)] = "loihi2"
    weight_bits: int = 8
    """Bits per weight on the grid."""
    finetune: int = 0
    """Iterations of training on the grid after quantizing: a run on its own recordings and with its teacher, a model
    file on those of --events, by their labels."""
    events: Path | None = None
    """Recordings that a model file is fine-tuned and tested on, as <class>/<file>."""
    said: Annotated[WhatFilesLeaveOut, tyro.conf.arg(name="")] = field(default_factory=WhatFilesLeaveOut)
    device: str = "cpu"
    """Where PyTorch runs the student for the trace, and trains it on the grid."""
    student: str | None = None
    """PACKAGE.MODULE:FACTORY of a run whose student is from outside, said again: its code runs."""
    dataset: str | None = None
    """The same of its data set."""
    json: bool = False
    """Print a program's view of the result."""

    @property
    def plan(self) -> Plan:
        """What is asked of the library."""
        return Plan(**{field.name: getattr(self, field.name) for field in fields(Plan)})

    @property
    def factories(self) -> tuple[str, ...]:
        return tuple(name for name in (self.student, self.dataset) if name is not None)


def main(args: list[str] | None = None) -> int:
    """The command; returns its exit code."""
    return run_command(lambda: _main(args), DeployError)


def _main(args: list[str] | None) -> int:
    command = tyro.cli(Command, args=args, description=Command.__doc__)
    # PyTorch's threads spin while they wait for each other. On a busy machine that doubles an export's time; sleeping
    # costs little on an idle one. It is read once, when PyTorch is first imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    exported = _exported(command)
    if command.json:
        print(json.dumps(exported.as_dict()))
    else:
        _print_report(exported)
    return 0


def _exported(command: Command) -> Exported:
    from export.foreign import finetune_file, is_model_file
    from export.pipeline import export

    if is_model_file(command.run):
        return finetune_file(command.plan, events=command.events, stage=_progress_bar, **vars(command.said))
    if command.events is not None or command.said != WhatFilesLeaveOut():
        raise DeployError(f"{command.run}: a run says itself what its recordings are; leave out --events and --step-us")
    return export(command.plan, stage=_progress_bar)


@contextmanager
def _progress_bar(title: str, total: int) -> Iterator[Callable[[int], None]]:
    with RichReporter() as reporter:
        reporter.stage(title, total)
        yield reporter.advance


def _print_report(exported: Exported) -> None:
    console = PlainConsole()
    if exported.parameters:
        show_parameters(console, exported.parameters)
    rates = ", ".join(f"{layer} {rate:.1%}" for layer, rate in exported.rates.items())
    before = exported.quantized_accuracy
    console.print(
        f"accuracy on {exported.recordings} test recordings: float {exported.float_accuracy:.2%}, "
        + ("" if before is None else f"on the grid {before:.2%}, fine-tuned there ")
        + ("" if before is not None else "exported ")
        + f"({exported.chip}) {exported.accuracy:.2%}"
    )
    console.print(f"spikes per neuron and step: {rates}", highlight=False)
    warn_of_overflows(console, exported.overflows)
    console.print(f"wrote {', '.join(map(str, exported.files))}", soft_wrap=True)


if __name__ == "__main__":
    sys.exit(main())
