"""ckd-export: from a run folder to a model file and the trace that proves it."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
import tyro
from rich.console import Console

from ckd.console import RichReporter, run_command
from ckd.runs.folder import Run, load_run
from ckd.training.engine import Hooks
from deploy.commands.shared import require_file_name
from deploy.errors import DeployError
from deploy.extras import require_onnx
from deploy.formats.netx import fit_to_netx
from deploy.grid import WEIGHT_BITS
from deploy.network import Network
from deploy.network.parameters import ParameterChange
from deploy.quantization.search import quantize_layers
from deploy.report.console import show_parameters, warn_of_overflows
from export import to_netx, to_nir, to_onnx
from export.finetune import finetune
from export.fold import student_to_network
from export.made import Made, refuse_foreign_trace
from export.record import record_float, record_quantized

FORMATS = {"nir": to_nir, "onnx": to_onnx, "netx": to_netx}


@dataclass(frozen=True, kw_only=True)
class Export:
    """Export a trained student.

    Example: ckd-export --to nir runs/digits-seed0
    """

    run: Annotated[Path, tyro.conf.Positional]
    """The run folder that python -m ckd.train wrote."""
    to: Literal["nir", "onnx", "netx"] = "nir"
    """The format. onnx also writes the teacher and the float student."""
    out: Path | None = None
    """Where the model file goes; its trace lies beside it. Default: student.nir, student.onnx or student_netx.net in
    the run folder. With --to onnx the float student is written beside it, at NAME_float."""
    grid: Literal["loihi1", "loihi2", "none"] = "loihi2"
    """The integer grid; none keeps the float student."""
    weight_bits: int = 8
    """Bits per weight on the grid."""
    finetune: int = 0
    """Steps of training on the grid after quantising, on the run's own recordings and with its teacher."""
    device: str = "cpu"
    """Where PyTorch runs the student for the trace, and trains it on the grid."""
    json: bool = False
    """Print a program's view of the result."""


def main(args: list[str] | None = None) -> int:
    """The command; returns its exit code."""
    return run_command(lambda: _main(args), DeployError)


def _main(args: list[str] | None) -> int:
    plan = tyro.cli(Export, args=args, description=Export.__doc__)
    result, changes = export(plan)
    if plan.json:
        print(json.dumps(result | {"parameters": [change.as_dict() for change in changes]}))
    else:
        _print_report(result, changes)
    return 0


def export(plan: Export) -> tuple[dict[str, Any], tuple[ParameterChange, ...]]:
    """Write the model file and its trace; gives the figures and what became of each parameter."""
    form = FORMATS[plan.to]
    model = plan.out or plan.run / f"{form.STEM}{form.ENDING}"
    refuse_early(plan, model)
    run = load_run(plan.run)
    floating = student_to_network(run.student, binning=run.binning, classes=run.classes)
    frames, labels, names = run.recordings("test")
    float_trace = record_float(run.student, floating, frames, device=plan.device)
    network, trace = floating, float_trace
    if plan.grid != "none":
        network = _on_grid(plan, run, floating)
        trace = record_quantized(network, frames, device=plan.device)
    float_trace, trace = (each.labelled(labels, names) for each in (float_trace, trace))
    if plan.grid != "none" or plan.to != "onnx":
        refuse_foreign_trace(model, trace)
    made = Made(run=run, floating=floating, float_trace=float_trace, network=network, trace=trace)
    files = form.write(made, model)
    return _figures(made, files, form.ENDING), network.report


def refuse_early(plan: Export, model: Path) -> None:
    """What cannot work is refused before anything costs time. Raises DeployError."""
    ending = FORMATS[plan.to].ENDING
    if plan.grid == "none" and plan.to == "netx":
        raise DeployError("netx holds integers: give --to netx a grid, loihi1 or loihi2")
    if plan.grid == "none" and plan.finetune:
        raise DeployError("--finetune trains on the grid: give --grid loihi1 or loihi2")
    if plan.finetune < 0:
        raise DeployError(f"--finetune (={plan.finetune}) must be a number of steps, 0 for none")
    if not 1 <= plan.weight_bits <= WEIGHT_BITS:
        raise DeployError(f"--weight-bits (={plan.weight_bits}) must lie between 1 and {WEIGHT_BITS}")
    if model.suffix != ending:
        raise DeployError(f"--out {model}: a model of --to {plan.to} ends in {ending}; its trace lies beside it")
    require_file_name(model)
    if plan.to == "onnx":
        require_onnx()
        if model.stem == "teacher":
            raise DeployError(f"--out {model}: the teacher is written to this name; give another one")
    try:
        torch.empty(0, device=plan.device)
    except (AssertionError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise DeployError(f"--device {plan.device}: not on this machine ({reason}); cpu is always there") from None


def _on_grid(plan: Export, run: Run, floating: Network) -> Network:
    network = _quantised(plan, run, floating)
    return fit_to_netx(network) if plan.to == "netx" else network


def _quantised(plan: Export, run: Run, floating: Network) -> Network:
    quantisation = quantize_layers(
        floating, calibration(run), weight_bits=plan.weight_bits, method="spike-error", chip=plan.grid
    )
    if not plan.finetune:
        return quantisation.network
    with RichReporter() as reporter:
        reporter.stage("training on the grid", plan.finetune)
        hooks = Hooks(advance=reporter.advance)
        return finetune(
            run, quantisation, iterations=plan.finetune, bits=plan.weight_bits, hooks=hooks, device=plan.device
        )


def calibration(run: Run) -> np.ndarray:
    """Recordings that decide the scales: those that trained and validated, never those that test."""
    return np.concatenate([run.recordings(part)[0] for part in ("validation", "train")])


def _figures(made: Made, files: list[Path], ending: str) -> dict[str, Any]:
    trace = made.trace
    return {
        "model": str(next(file for file in reversed(files) if file.suffix == ending)),
        "trace": str(files[-1]),
        "files": [str(file) for file in files],
        "chip": made.network.chip or "none",
        "recordings": trace.recordings,
        "float_accuracy": made.float_trace.accuracy,
        "accuracy": trace.accuracy,
        "rates": {layer: float(record.output.mean()) for layer, record in trace.spiking.items()},
        "overflows": dict(trace.overflows),
    }


def _print_report(result: dict[str, Any], changes: tuple[ParameterChange, ...]) -> None:
    console = Console()
    if changes:
        show_parameters(console, changes)
    rates = ", ".join(f"{layer} {rate:.1%}" for layer, rate in result["rates"].items())
    console.print(f"accuracy on {result['recordings']} test recordings: float {result['float_accuracy']:.2%}, ", end="")
    console.print(f"exported ({result['chip']}) {result['accuracy']:.2%}")
    console.print(f"spikes per neuron and step: {rates}", highlight=False)
    warn_of_overflows(console, result["overflows"])
    console.print(f"wrote {', '.join(result['files'])}", soft_wrap=True)


if __name__ == "__main__":
    sys.exit(main())
