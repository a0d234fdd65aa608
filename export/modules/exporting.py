"""From one's own module to a model file and the trace that proves it: what `export.export_module` does, in order."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np

from ckd.events import Binning, find_recordings
from deploy.commands.outputs import claimed
from deploy.commands.recordings import Recordings, class_names, from_events, from_frames
from deploy.errors import DeployError
from deploy.network import Input, Network, Output
from deploy.network.parameters import ParameterChange
from deploy.quantization.search import quantize
from export.content import Content
from export.modules.api import follow
from export.modules.factory import load_weights, make_module
from export.modules.layout_names import LAYOUTS, Layout
from export.modules.plan import ModulePlan
from export.recording import record_quantized
from export.refusals import refuse_early, refuse_foreign_trace


@dataclass(frozen=True, kw_only=True)
class ExportedModule:
    """The result of `export.export_module`.

    model, trace, files: what was written; the trace is that of the network in the model.
    chip: whose integers the model holds; "none" where it holds floats.
    layout: how the module takes frames.
    recordings, steps: how many recordings the trace has, and of how many steps.
    layers: by spiking layer, how many neuron-steps of the module were compared, all of them equal.
    float_accuracy, accuracy: of the module and of the exported network; None without labels.
    same_predictions: the share of recordings for which both say the same.
    rates, overflows, parameters: as of `Exported`.
    """

    model: Path
    trace: Path
    files: tuple[Path, ...]
    chip: str
    layout: str
    recordings: int
    steps: int
    layers: Mapping[str, int]
    float_accuracy: float | None
    accuracy: float | None
    same_predictions: float
    rates: Mapping[str, float]
    overflows: Mapping[str, int]
    parameters: tuple[ParameterChange, ...]

    def as_dict(self) -> dict[str, Any]:
        """All of it as JSON takes it."""
        paths = {"model": str(self.model), "trace": str(self.trace), "files": [str(file) for file in self.files]}
        changes = {"parameters": [change.as_dict() for change in self.parameters]}
        plain = {name: dict(getattr(self, name)) for name in ("layers", "rates", "overflows")}
        return {**vars(self), **paths, **plain, **changes}


def export_module(plan: ModulePlan) -> ExportedModule:
    """Follow a module, prove the network, put it on the grid and write it.

    Args:
        plan: what is asked for.

    Raises:
        DeployError: options that cannot work, a module that no network says, or one that the chip or the format cannot
            hold. Nothing is written then.
    """
    _refuse(plan)
    with claimed(plan.model):
        return _export_module(plan)


def _export_module(plan: ModulePlan) -> ExportedModule:
    given = _recordings(plan)
    module = make_module(str(plan.run))
    if plan.weights is not None:
        load_weights(module, plan.weights)
    binning = _binning(plan)
    dt = plan.dt if plan.dt is not None or plan.step_us is None else plan.step_us * 1e-6
    followed = follow(module, given.frames, dt=dt, layout=cast(Layout | None, plan.layout))
    classes = _classes(plan, followed.network)
    floating = followed.network.replace(binning=binning, classes=classes)
    frames = followed.trace.frames
    assert frames is not None
    float_trace = replace(followed.trace, classes=classes, binning=binning).labeled(given.labels, given.names)
    network, trace = floating, float_trace
    if plan.chip != "none":
        network = plan.format.fit(quantize(floating, frames, weight_bits=plan.weight_bits, chip=plan.chip))
        trace = record_quantized(network, frames, device=plan.device).labeled(given.labels, given.names)
    if network.on_grid or not plan.format.floats_apart:
        refuse_foreign_trace(plan.model, trace)
    content = Content(run=None, floating=floating, float_trace=float_trace, network=network, trace=trace)
    files = plan.format.write(content, plan.model)
    return ExportedModule(
        model=next(file for file in reversed(files) if file.suffix == plan.format.ending),
        trace=files[-1],
        files=tuple(files),
        chip=plan.chip,
        layout=followed.layout,
        recordings=trace.recordings,
        steps=trace.steps,
        layers={name: layer.output.size for name, layer in float_trace.spiking.items()},
        float_accuracy=float_trace.accuracy,
        accuracy=trace.accuracy,
        same_predictions=float(np.mean(float_trace.predictions == trace.predictions)),
        rates={name: float(layer.output.mean()) for name, layer in trace.spiking.items()},
        overflows=trace.overflows,
        parameters=network.report,
    )


def _refuse(plan: ModulePlan) -> None:
    refuse_early(plan)
    if plan.finetune:
        raise DeployError("--finetune trains a run's student on its own recordings; leave it out for a module")
    if plan.factories:
        raise DeployError(
            f"{plan.run}: a module has no student and no data set of a run; leave out --student, --dataset"
        )
    if plan.layout is not None and plan.layout not in LAYOUTS:
        raise DeployError(f"--layout {plan.layout}: not known; use one of {', '.join(LAYOUTS)}")
    if (plan.frames is None) == (plan.events is None):
        raise DeployError(
            "a module needs frames that it spikes on: give --frames FILE.npy or --events DIR, one of them"
        )
    binned = {"--step-us": plan.step_us, "--steps": plan.steps, "--height": plan.height, "--width": plan.width}
    if plan.events is not None and None in binned.values():
        missing = [name for name, value in binned.items() if value is None]
        raise DeployError(f"--events needs to know how recordings become frames; add {', '.join(missing)}")
    if plan.frames is not None:
        said = [name for name, value in binned.items() if value is not None and name != "--step-us"]
        if said:
            raise DeployError(f"{said[0]} says how recordings become frames, and --frames gives frames; leave it out")


def _binning(plan: ModulePlan) -> Binning | None:
    if plan.events is None:
        return None
    assert plan.step_us and plan.steps and plan.height and plan.width
    try:
        return Binning(step_us=plan.step_us, steps=plan.steps, height=plan.height, width=plan.width)
    except ValueError as error:
        raise DeployError(str(error)) from None


def _recordings(plan: ModulePlan) -> Recordings:
    if plan.frames is not None:
        return from_frames(plan.frames, plan.recordings)
    assert plan.events is not None
    binning = _binning(plan)
    assert binning is not None
    classes = tuple(sorted(set(find_recordings(plan.events)[1])))
    # The module is not followed yet: all that is known of the network is what goes in.
    ends = {"input": Input(shape=binning.frame_shape), "output": Output()}
    network = Network(nodes=ends, edges=(("input", "output"),), binning=binning, classes=classes)
    return from_events(network, plan.events, plan.recordings)


def _classes(plan: ModulePlan, network: Network) -> tuple[str, ...]:
    """The folders of the recordings, one for each output."""
    return () if plan.events is None else class_names(network, plan.events, find_recordings(plan.events)[1])
