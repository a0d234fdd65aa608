"""From a run folder to a model file and the trace that proves it: what `export.export` does, in order."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from ckd.data.stored import AnyFrames, largest_count
from ckd.models.student import Student
from ckd.runs.folder import Run, load_run, require_run, share_folder
from deploy.commands.outputs import claimed
from deploy.errors import DeployError
from deploy.network import Array, Network
from deploy.quantization.search import CALIBRATION, quantize_layers, require_counts
from deploy.traces.trace import Trace
from export.content import Content
from export.exits import with_exit, worth_of
from export.exported import Exported
from export.fold import student_to_network
from export.modules.api import following
from export.modules.proof import require_spikes
from export.plan import Plan
from export.recording import float_parts, quantized_parts, spool
from export.refusals import refuse_early, refuse_foreign_trace
from export.tuning.finetune import finetune

TOGETHER = 64
"""Recordings over which a student from outside is held against its network at a time."""
Stage = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]
"""Entered with the title and size of a long stage; what it gives is told how much of it is done."""


@contextmanager
def silent(title: str, total: int) -> Iterator[Callable[[int], None]]:
    """A stage that shows nothing."""
    yield lambda done: None


def export(plan: Plan, *, stage: Stage = silent) -> Exported:
    """Write the model file of a trained student, and its trace beside it.

    Args:
        plan: what is asked for.
        stage: shows progress.

    Raises:
        DeployError: options that cannot work, or a student that the chip or the format cannot hold.
        CkdError: a run folder, or its recordings, that cannot be read, or that a training is at.
    """
    require_run(Path(plan.run))
    refuse_early(plan)
    with share_folder(Path(plan.run)):
        run = load_run(plan.run, factories=plan.factories)
        with claimed(plan.model):
            return _export(plan, run, stage)


def _export(plan: Plan, run: Run, stage: Stage) -> Exported:
    content = _content(plan, run, stage)
    if content.network.on_grid or not plan.format.floats_apart:
        refuse_foreign_trace(plan.model, content.trace)
    files = plan.format.write(content, plan.model)
    return Exported(
        model=next(file for file in reversed(files) if file.suffix == plan.format.ending),
        trace=files[-1],
        files=tuple(files),
        chip=plan.chip,
        recordings=content.trace.recordings,
        steps=content.trace.steps,
        float_accuracy=content.float_trace.accuracy or 0.0,
        accuracy=content.trace.accuracy or 0.0,
        rates={name: layer.rate() for name, layer in content.trace.spiking.items()},
        overflows=content.trace.overflows,
        parameters=content.network.report,
        exit_margin=content.network.exit_margin,
        exit=worth_of(content.network, content.trace),
    )


def calibration(run: Run) -> Array:
    """Frames (R, T, 2, H, W) that decide the scales: evenly of those that trained and validated, never of those that
    test."""
    first, total = len(run.split.validation), len(run.split.validation) + len(run.split.train)
    chosen = np.arange(0, total, max(1, -(-total // CALIBRATION)))
    rows = {"validation": chosen[chosen < first], "train": chosen[chosen >= first] - first}
    return np.concatenate([run.frames(part, some)[:] for part, some in rows.items()])


def _content(plan: Plan, run: Run, stage: Stage) -> Content:
    frames, labels, names = run.recordings("test")
    path = plan.model.with_suffix(".trace")
    floating, float_trace = _as_trained(plan, run, frames, path)
    network, trace = floating, float_trace
    if plan.chip != "none":
        network = plan.format.fit(_on_grid(plan, run, floating, stage))
        if plan.exit_loss is not None:
            network = with_exit(network, run, plan.exit_loss, device=plan.device)
        trace = spool(quantized_parts(network, frames, device=plan.device), path, frames)
    float_trace, trace = (each.labeled(labels, names) for each in (float_trace, trace))
    return Content(run=run, floating=floating, float_trace=float_trace, network=network, trace=trace)


def _as_trained(plan: Plan, run: Run, frames: AnyFrames, path: Path) -> tuple[Network, Trace]:
    """The student as a network of floats, and what it gave on these frames; one from outside is followed."""
    if isinstance(run.student, Student):
        floating = student_to_network(run.student, binning=run.binning, classes=run.classes)
        return floating, spool(float_parts(run.student, floating, frames, device=plan.device), path, frames)
    if plan.finetune:
        raise DeployError(f"--finetune trains students of ckd alone, not {run.config.student.student}; leave it out")
    with following(run.student.network, frames[:TOGETHER], dt=None, layout="time-first") as found:
        parts = (found.run(frames[first : first + TOGETHER]) for first in range(0, len(frames), TOGETHER))
        trace = spool(parts, path, frames)
    require_spikes(trace, found.places)
    floating = found.network.replace(binning=run.binning, classes=run.classes)
    return floating, replace(trace, binning=run.binning, classes=run.classes)


def _on_grid(plan: Plan, run: Run, floating: Network, stage: Stage) -> Network:
    if run.binning.max_count > 1:
        for part in ("validation", "train"):
            require_counts(largest_count(run.recordings(part)[0]), plan.chip)
    quantization = quantize_layers(
        floating, calibration(run), weight_bits=plan.weight_bits, method="spike-error", chip=plan.chip
    )
    if not plan.finetune:
        return quantization.network
    with stage("training on the grid", plan.finetune) as advance:
        return finetune(
            run,
            quantization,
            iterations=plan.finetune,
            weight_bits=plan.weight_bits,
            activity=plan.activity,
            synaptic_operations=plan.synaptic_operations,
            device=plan.device,
            advance=advance,
        )
