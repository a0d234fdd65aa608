"""What cannot be exported, refused before it costs time or replaces a file. Messages name the command's options."""

from pathlib import Path

import torch

from ckd.config import Method
from ckd.config.bounds import check_numbers
from ckd.models.student import Student
from ckd.runs.folder import Run
from deploy.commands.outputs import require_file_name
from deploy.errors import DeployError, listed
from deploy.formats.proven import proves_the_same
from deploy.grid import WEIGHT_BITS
from deploy.grid.chips import CHIPS
from deploy.traces.trace import Trace
from export.formats import FORMATS
from export.plan import CHIP_NAMES, Plan


def refuse_early(plan: Plan) -> None:
    """Look at a plan alone, whatever the run holds.

    Raises:
        DeployError: options that contradict each other or lie out of range, a path that can be no file, a device that
            this machine does not have, a package that is not installed. ConfigError: a budget out of range.
    """
    form, model = plan.format, plan.model
    if plan.chip not in CHIP_NAMES:
        raise DeployError(f"--chip {plan.chip}: not known; use one of {', '.join(CHIP_NAMES)}")
    if plan.chip == "none" and not form.holds_floats:
        raise DeployError(f"{form.name} holds integers: give --to {form.name} a chip, --chip {listed(CHIPS)}")
    if plan.chip == "none" and plan.finetune:
        raise DeployError(f"--finetune trains on the grid: give --chip {listed(CHIPS)}")
    if plan.finetune < 0:
        raise DeployError(f"--finetune (={plan.finetune}) must be a number of iterations, 0 for none")
    for option, budget in (("activity", plan.activity), ("synaptic-operations", plan.synaptic_operations)):
        if budget is not None and not plan.finetune:
            raise DeployError(f"--{option} is a budget that training keeps to: give --finetune N, or train with it")
    check_numbers(Method(activity=plan.activity, synaptic_operations=plan.synaptic_operations))
    if plan.exit_loss is not None and not 0 <= plan.exit_loss <= 1:
        raise DeployError(f"--exit-loss (={plan.exit_loss}) must lie between 0 and 1: a share of the recordings")
    if plan.exit_loss is not None and plan.chip == "none":
        raise DeployError(f"--exit-loss chooses a margin in grid units: give --chip {listed(CHIPS)}")
    if not 1 <= plan.weight_bits <= WEIGHT_BITS:
        raise DeployError(
            f"--weight-bits (={plan.weight_bits}) must lie between 1, or 2 for weights of both signs, and {WEIGHT_BITS}"
        )
    if model.suffix != form.ending:
        raise DeployError(f"--out {model}: a model of --to {plan.to} ends in {form.ending}; its trace lies beside it")
    require_file_name(model, model.suffix)
    require_file_name(model.with_suffix(".trace"), ".trace")
    form.refuse(model)
    _require_device(plan.device)


def graph_of(run: Run) -> Student:
    """The student of a run as a graph. Raises DeployError where it is a module from outside."""
    if isinstance(run.student, Student):
        return run.student
    raise DeployError(
        f"{run.path}: its student is a module from outside ({run.config.student.student}); only students of ckd are "
        "taken here, ckd-export takes both"
    )


def _require_device(device: str) -> None:
    try:
        torch.empty(0, device=device)
    except (AssertionError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise DeployError(f"--device {device}: not on this machine ({reason}); cpu is always there") from None


def refuse_foreign_trace(model: Path, trace: Trace) -> None:
    """A trace proves every model of its name: an export with other options must not take it from another format.

    Raises:
        DeployError: a model of this name in another format has a trace with other spikes.
    """
    path = model.with_suffix(".trace")
    if _other_formats(model) and path.is_file() and not proves_the_same(path, trace):
        refuse_proven_model(model)


def refuse_proven_model(model: Path) -> None:
    """The same for whatever trace will lie beside `model`: that of a network yet to be trained proves no other file.

    Raises:
        DeployError: a model of this name in another format has a trace.
    """
    path, others = model.with_suffix(".trace"), _other_formats(model)
    if others and path.is_file():
        raise DeployError(
            f"{path}: proves {others[0].name}, which was exported with other options; give --out another name, or "
            f"remove {others[0].name}"
        )


def _other_formats(model: Path) -> list[Path]:
    """The files of other formats that share the model's trace."""
    same_name = [model.with_suffix(form.ending) for form in FORMATS.values()]
    return [other for other in same_name if other != model and other.is_file()]
