"""ckd-deploy run: a model on recordings, on a simulator."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from deploy import cluster
from deploy.commands._console import warn_of_overflows
from deploy.commands._shared import Model, fit_to_runner, recording_limit
from deploy.models import load_model
from deploy.recordings import choose_recordings
from deploy.runners import run
from deploy.trace import Trace


@dataclass(frozen=True, kw_only=True)
class Run:
    """Run a model on recordings and show accuracy, speed and spikes.

    Example: ckd-deploy run student.nir --on integer --events recordings/
    """

    model: Model
    """A .nir file, or an .onnx or .net file for its own simulator."""
    on: str = "integer"
    """The simulator: integer, float, lava, lava-float, loihi2, onnx or netx."""
    events: Path | None = None
    """Recordings, one folder per class. Default: the frames in the trace beside the model."""
    frames: Path | None = None
    """Frames instead of recordings: a .npy of shape (R, T, ...)."""
    recordings: int | None = None
    """How many recordings; default all, for Lava 10."""
    step_us: int | None = None
    """Step length in microseconds, where the file does not say it."""
    steps: int | None = None
    """Steps per recording, where the file does not say it."""
    cluster: str | None = None
    """Share the recordings out over the Ray cluster at this address, say auto or host:6379."""
    trace: Path | None = None
    """Write the spikes to this trace file."""
    json: bool = False
    """Print a program's view of the result."""

    def execute(self) -> int:
        network = load_model(self.model, step_us=self.step_us, steps=self.steps)
        limit = recording_limit(self.recordings, self.on)
        recordings = choose_recordings(network, self.model, self.events, self.frames, limit)
        network = fit_to_runner(network, self.on, recordings.frames)
        if self.cluster is None:
            trace = run(network, recordings.frames, on=self.on)
        else:
            trace = cluster.run(network, recordings.frames, address=self.cluster, on=self.on)
        trace = replace(trace, labels=recordings.labels, names=recordings.names)
        if self.trace is not None:
            trace.save(self.trace)
        if self.json:
            print(json.dumps(_figures(trace)))
        else:
            _show(trace, recordings.origin)
        return 0


def _figures(trace: Trace) -> dict[str, Any]:
    return {
        "on": trace.runner,
        "accuracy": trace.accuracy,
        "recordings": trace.recordings,
        "steps": trace.steps,
        "seconds": trace.seconds,
        "steps_per_second": trace.recordings * trace.steps / trace.seconds,
        "layers": [
            {"name": name, "shape": list(s.shape[2:]), "spikes": int(s.sum()), "rate": float(s.mean())}
            for name, s in trace.spikes.items()
        ],
        "overflows": dict(trace.overflows),
    }


def _show(trace: Trace, origin: str) -> None:
    figures = _figures(trace)
    table = Table(title=f"{trace.recordings} recordings of {origin} on {trace.runner}")
    for heading in ("layer", "neurons", "spikes", "per neuron and step"):
        table.add_column(heading, justify="left" if heading == "layer" else "right")
    for layer in figures["layers"]:
        shape = " x ".join(str(n) for n in layer["shape"])
        table.add_row(layer["name"], shape, f"{layer['spikes']:,}", f"{layer['rate']:.2%}")
    console = Console()
    console.print(table)
    if trace.accuracy is not None:
        console.print(f"accuracy {trace.accuracy:.2%}", highlight=False)
    console.print(f"{trace.seconds:.2f} s, {figures['steps_per_second']:,.0f} steps per second", highlight=False)
    warn_of_overflows(console, trace.overflows)
