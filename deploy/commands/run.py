"""ckd-deploy run: a model on recordings, on a simulator."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from deploy.commands.outputs import claimed, refuse_to_replace, refuse_to_replace_proof, trace_beside
from deploy.commands.recordings import Recordings
from deploy.commands.shared import Exit, OnRecordings, Simulator, exit_margin, fit_to_runner, warn_of_silence
from deploy.errors import DeployError
from deploy.formats.model_file import ModelFile
from deploy.network import Array, Network
from deploy.report.console import PlainConsole, warn_of_overflows
from deploy.runners import cluster
from deploy.runners.exits import run_until_clear
from deploy.runners.table import RUNNERS, find_runner, run
from deploy.traces.compare import compare
from deploy.traces.trace import Trace
from deploy.traces.verdict import Verdict


@dataclass(frozen=True, kw_only=True)
class Run(OnRecordings):
    """Run a model on recordings and show accuracy, speed and spikes.

    Example: ckd-deploy run student.nir --on integer --events recordings/

    Example: ckd-deploy run other.nir --on integer --against float --events recordings/ --step-us 20000 --steps 15
    """

    on: Simulator = "integer"
    against: str | None = None
    """A second simulator that runs the same recordings; shows its accuracy and how far the two agree."""
    cluster: str | None = None
    """Share the recordings out over the Ray cluster at this address, say auto or host:6379."""
    exit: Exit = None
    trace: Path | None = None
    """Write the spikes to this trace file."""
    json: bool = False
    """Print a program's view of the result."""

    def execute(self) -> int:
        if self.exit is not None and self.cluster is not None:
            raise DeployError("--exit runs here, and --cluster elsewhere; give one of them")
        for on in self._simulators:
            find_runner(on)  # before the other one has run for an hour
        refuse_to_replace(self.trace, ".trace", self.model, trace_beside(self.model), self.frames)
        refuse_to_replace_proof(self.trace)
        with claimed(self.trace):
            return self._execute()

    def _execute(self) -> int:
        network = self.load_model()
        margin = None if self.exit is None else exit_margin(self.exit, network)
        recordings = self.choose(network, *self._simulators)
        traces, took = self._run(network, recordings, margin)
        for trace in traces:
            warn_of_silence(network, trace)
        if self.trace is not None:
            traces[0].save(self.trace)
        verdict = compare(traces[1], traces[0]) if self.against else None
        if self.json:
            other = {} if verdict is None else {"against": _agreement(traces[1], verdict)}
            print(json.dumps(_figures(traces[0], took) | other))
        else:
            _show(traces[0], took, recordings.origin)
            if verdict is not None:
                _show_agreement(traces[1], verdict)
        return 0

    @property
    def _simulators(self) -> list[str]:
        return [self.on] if self.against is None else [self.on, self.against]

    def _run(
        self, network: Network | ModelFile, given: Recordings, margin: float | None
    ) -> tuple[list[Trace], Array | None]:
        """One trace a simulator, and the steps that recordings took on the first, where they may end early.

        A float network is put on the grid at most once.
        """
        ready, traces, took = network, [], None
        for on in self._simulators:
            on_grid = RUNNERS[on].takes == "grid"
            if on_grid:
                ready = fit_to_runner(ready, on, given.frames)
            chosen = ready if on_grid else network
            if margin is not None:
                assert isinstance(chosen, Network)
                trace, steps = run_until_clear(chosen, given.frames, margin, on=on)
                took = steps if took is None else took
            elif self.cluster is None:
                trace = run(chosen, given.frames, on=on)
            else:
                trace = cluster.run(chosen, given.frames, address=self.cluster, on=on)
            traces.append(trace.labeled(given.labels, given.names))
        return traces, took


def _figures(trace: Trace, took: Array | None) -> dict[str, Any]:
    return {
        "on": trace.runner,
        "accuracy": trace.accuracy,
        "recordings": trace.recordings,
        "steps": trace.steps,
        "seconds": trace.seconds,
        "steps_per_second": trace.recordings * trace.steps / trace.seconds,
        "layers": [
            {"name": name, "shape": list(s.shape[2:]), "spikes": int(s.sum()), "rate": float(s.mean())}
            for name, s in ((name, layer.output) for name, layer in trace.spiking.items())
        ],
        "overflows": trace.overflows,
    } | ({} if took is None else {"steps_taken": took.tolist(), "predictions": trace.predictions.tolist()})


def _show(trace: Trace, took: Array | None, origin: str) -> None:
    figures = _figures(trace, took)
    table = Table(title=f"{trace.recordings} recordings of {trace.steps} steps, {origin}, on {trace.runner}")
    for heading in ("layer", "neurons", "spikes", "per neuron and step"):
        table.add_column(heading, justify="left" if heading == "layer" else "right")
    for layer in figures["layers"]:
        shape = " x ".join(str(n) for n in layer["shape"])
        table.add_row(layer["name"], shape, f"{layer['spikes']:,}", f"{layer['rate']:.2%}")
    console = PlainConsole()
    console.print(table)
    if trace.accuracy is not None:
        console.print(f"accuracy {trace.accuracy:.2%}", highlight=False)
    if took is not None:
        console.print(f"recordings took {took.mean():.2f} of {trace.steps} steps in the mean", highlight=False)
    console.print(f"{trace.seconds:.2f} s, {figures['steps_per_second']:,.0f} steps per second", highlight=False)
    warn_of_overflows(console, trace.overflows)


def _agreement(other: Trace, verdict: Verdict) -> dict[str, Any]:
    return {
        "on": other.runner,
        "accuracy": other.accuracy,
        "same_predictions": 1 - verdict.predictions_differing / verdict.recordings,
        "spikes": verdict.spikes,
        "differing": {layer.layer: layer.differing for layer in verdict.layers if layer.spiking},
        "neuron_steps": {layer.layer: layer.neuron_steps for layer in verdict.layers if layer.spiking},
    }


def _show_agreement(other: Trace, verdict: Verdict) -> None:
    figures = _agreement(other, verdict)
    differing, total = figures["differing"], figures["neuron_steps"]
    listed = ", ".join(f"{layer} {count / total[layer]:.2%}" for layer, count in differing.items() if count)
    accuracy = "" if other.accuracy is None else f" accuracy {other.accuracy:.2%};"
    console = PlainConsole()
    console.print(
        f"{other.runner}:{accuracy} same prediction for {figures['same_predictions']:.2%} of {verdict.recordings}; "
        f"{verdict.differing:,} of {verdict.neuron_steps:,} neuron-steps differ, with {verdict.spikes:,} spikes"
        + (f" ({listed})" if listed else ""),
        highlight=False,
    )
