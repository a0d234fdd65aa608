"""ckd-export: from a run folder, or a module of one's own, to a model file and the trace that proves it."""

import sys

if __name__ == "__main__":  # before anything that takes time to import, and may be interrupted
    from ckd.files import start_command

    sys.exit(start_command("export.cli"))

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from inspect import cleandoc
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from ckd.console import RichReporter, run_command
from ckd.files import read_arguments
from deploy.commands.shared import ResetName
from deploy.errors import DeployError
from deploy.report.console import PlainConsole, show_parameters, warn_of_overflows
from export.exported import Exported
from export.formats import FORMATS
from export.modules.layout_names import LAYOUTS
from export.modules.plan import ModulePlan, names_factory
from export.plan import CHIP_NAMES, Plan

if TYPE_CHECKING:
    from export.modules.exporting import ExportedModule

    To = str
    Chip = str
    Layout = str
else:
    To, Chip, Layout = (tyro.extras.literal_type_from_choices(list(names)) for names in (FORMATS, CHIP_NAMES, LAYOUTS))

CHIP = "The chip whose integers the student gets; none keeps its floats."
LAYOUT = "How it takes frames: " + "; ".join(f"{name}, {what}" for name, what in LAYOUTS.items())
LAYOUT += ". Default: found out, where only one is possible."
TO = "The format. " + "; ".join(f"{form.name}: {form.help}" for form in FORMATS.values()) + "."
OUT = (
    "Where the model file goes; its trace lies beside it. Default: "
    + ", ".join(f"{form.stem}{form.ending}" for form in FORMATS.values())
    + " in the run folder; of a module FACTORY and the ending. With --to onnx the floats are written beside it, at "
    + "NAME_float."
)


@dataclass(frozen=True, kw_only=True)
class WhatFilesLeaveOut:
    """What a model file of another tool may not say, and a module does not."""

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
class OfModule:
    """What concerns a module of one's own alone."""

    weights: Path | None = None
    """A module's state dict, a .pt or .safetensors file. Default: as FACTORY makes it."""
    frames: Path | None = None
    """Frames that calibrate and prove a module, a .npy of counts (R, T, ...), in place of --events."""
    recordings: int | None = None
    """How many of them a module gets. Default: all."""
    height: int | None = None
    """Rows of pixels of a module's --events."""
    width: int | None = None
    """Columns of pixels of a module's --events."""
    layout: Annotated[Layout | None, tyro.conf.arg(help=LAYOUT)] = None


@dataclass(frozen=True, kw_only=True)
class Command:
    """Export a trained student, or a torch module of one's own.

    Example: ckd-export --to nir runs/digits-seed0

    Example: ckd-export --to nir my_package.models:make --weights w.pt --frames in.npy

    Example: ckd-export other.nir --finetune 200 --events recordings/ -o ready.nir --step-us 20000 --steps 15
    """

    run: Annotated[Path, tyro.conf.Positional]
    """The run folder that python -m ckd.train wrote; or any model file, to be trained on the grid (--finetune);
    or PACKAGE.MODULE:FACTORY, a module of layers of PyTorch and neurons of snnTorch, spikingjelly, norse or sinabs."""
    to: Annotated[To, tyro.conf.arg(help=TO)] = "nir"
    out: Annotated[Path | None, tyro.conf.arg(help=OUT, aliases=["-o"])] = None
    chip: Annotated[Chip, tyro.conf.arg(help=CHIP)] = "loihi2"
    weight_bits: int = 8
    """Bits per weight on the grid."""
    finetune: int = 0
    """Iterations of training on the grid after quantizing: a run on its own recordings and with its teacher, a model
    file on those of --events, by their labels."""
    activity: float | None = None
    """Budget of spikes per neuron and step, kept to while a run is fine-tuned. Default: the run's own, if any."""
    synaptic_operations: float | None = None
    """The same of synaptic operations per recording, as ckd-deploy map counts them."""
    exit_loss: float | None = None
    """Choose an early exit that costs at most this share of the run's validation recordings, say 0.01, and keep its
    margin in the file, for ckd-deploy run --exit model."""
    events: Path | None = None
    """Recordings that a model file is fine-tuned and tested on, or a module calibrated and proven with, as
    <class>/<file>."""
    test: Path | None = None
    """Other recordings that a fine-tuned model file is tested on. Default: a fifth of --events, kept from training."""
    module: Annotated[OfModule, tyro.conf.arg(name="")] = field(default_factory=OfModule)
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
    command = read_arguments(Command, prog="ckd-export", args=args, description=cleandoc(str(Command.__doc__)))
    # PyTorch's threads spin while they wait for each other. On a busy machine that doubles an export's time; sleeping
    # costs little on an idle one. It is read once, when PyTorch is first imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    exported = _exported(command)
    if command.json:
        print(json.dumps(exported.as_dict()))
    else:
        _print_report(exported)
    return 0


def _exported(command: Command) -> "Exported | ExportedModule":
    if names_factory(command.run):
        _refuse_exit(command)
        return _exported_module(command)
    if command.module != OfModule():
        option = next(name for name, value in vars(command.module).items() if value is not None)
        raise DeployError(f"--{option} is for a module, PACKAGE.MODULE:FACTORY; {command.run} is none")
    from export.pipeline import export
    from export.tuning.foreign import finetune_file, is_model_file

    if is_model_file(command.run):
        _refuse_exit(command)
        return finetune_file(
            command.plan, events=command.events, test=command.test, stage=_progress_bar, **vars(command.said)
        )
    if not (command.events is command.test is None and command.said == WhatFilesLeaveOut()):
        raise DeployError(
            f"{command.run}: a run says itself what its recordings are; leave out --events, --test and --step-us"
        )
    return export(command.plan, stage=_progress_bar)


def _refuse_exit(command: Command) -> None:
    if command.exit_loss is not None:
        raise DeployError(f"--exit-loss chooses on the validation recordings of a run, and {command.run} is none")


def _exported_module(command: Command) -> "ExportedModule":
    from export.modules.exporting import export_module

    said = command.said
    if command.test is not None:
        raise DeployError(f"--test is for a model file that is fine-tuned; {command.run} is a module, leave it out")
    if said.reset is not None or said.reset_delay:
        raise DeployError(f"{command.run}: a module says itself how its neurons reset; leave out --reset")
    plan = {field.name: getattr(command.plan, field.name) for field in fields(Plan)}
    how = {"events": command.events, "dt": said.dt, "step_us": said.step_us, "steps": said.steps}
    return export_module(ModulePlan(**plan, **how, **vars(command.module)))


@contextmanager
def _progress_bar(title: str, total: int) -> Iterator[Callable[[int], None]]:
    with RichReporter() as reporter:
        reporter.stage(title, total)
        yield reporter.advance


def _print_report(exported: "Exported | ExportedModule") -> None:
    console = PlainConsole()
    if exported.parameters:
        show_parameters(console, exported.parameters)
    rates = ", ".join(f"{layer} {rate:.1%}" for layer, rate in exported.rates.items())
    for line in _accuracies(exported) if isinstance(exported, Exported) else _proof(exported):
        console.print(line, highlight=False)
    console.print(f"spikes per neuron and step: {rates}", highlight=False)
    warn_of_overflows(console, exported.overflows)
    console.print(f"wrote {', '.join(map(str, exported.files))}", soft_wrap=True)


def _accuracies(exported: Exported) -> list[str]:
    before, early = exported.quantized_accuracy, exported.exit
    lines = [
        f"accuracy on {exported.recordings} test recordings of {exported.steps} steps: "
        f"float {exported.float_accuracy:.2%}, "
        + ("" if before is None else f"on the grid {before:.2%}, fine-tuned there ")
        + ("" if before is not None else "exported ")
        + f"({exported.chip}) {exported.accuracy:.2%}"
    ]
    if early is not None:
        lines.append(
            f"with an exit at a margin of {exported.exit_margin:,}: {early.accuracy:.2%}, {early.steps:.2f} steps, "
            f"{early.synaptic_operations:,.0f} synaptic operations a recording"
        )
    return lines


def _proof(exported: "ExportedModule") -> list[str]:
    compared = ", ".join(f"{layer} {count:,}" for layer, count in exported.layers.items())
    lines = [f"equal to the module ({exported.layout}), neuron-steps compared: {compared}"]
    if exported.float_accuracy is not None and exported.accuracy is not None:
        lines.append(
            f"accuracy: module {exported.float_accuracy:.2%}, exported ({exported.chip}) {exported.accuracy:.2%}"
        )
    share = f"{exported.same_predictions:.2%} of {exported.recordings} recordings of {exported.steps} steps"
    return [*lines, f"same prediction ({exported.chip}) for {share}"]
