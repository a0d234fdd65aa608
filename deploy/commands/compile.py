"""ckd-deploy compile: a float network from any framework, onto the grid."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro

from deploy.commands.outputs import claimed, refuse_to_replace, trace_beside
from deploy.commands.recordings import Recordings
from deploy.commands.shared import ChipName, OnRecordings, warn_of_silence
from deploy.errors import DeployError
from deploy.formats.files import load_network, save
from deploy.formats.proven import save_with_trace
from deploy.grid import WEIGHT_BITS
from deploy.network import Network
from deploy.report.console import PlainConsole, show_parameters, warn_of_overflows
from deploy.runners.table import run
from deploy.traces.trace import Trace

KEEP_STATES = 8
"""Recordings whose u and v the trace keeps whole."""


@dataclass(frozen=True, kw_only=True)
class Compile(OnRecordings):
    """Put a float model on the integer grid, scales chosen on recordings, and show what became of each parameter.

    Writes the model and, beside it, the trace of the integer simulator, so that `check --on lava` has its reference.
    A model that is on the grid already, say a .net file, is written as it is; it needs recordings for the trace alone.

    Example: ckd-deploy compile other.nir --events recordings/ -o ready.nir --step-us 1000 --steps 300

    Example: ckd-deploy compile pilotnet.net -o pilotnet.nir
    """

    out: Annotated[Path, tyro.conf.arg(aliases=["-o"])]
    """Where the model on the grid goes."""
    weight_bits: int = WEIGHT_BITS
    """Bits per weight."""
    chip: ChipName = "loihi2"
    json: bool = False
    """Print a program's view of the result."""

    def execute(self) -> int:
        if self.out.suffix != ".nir":
            raise DeployError(f"-o {self.out}: a model on the grid is a .nir file; give a name that ends so")
        inputs = self.model, trace_beside(self.model), self.frames
        refuse_to_replace(self.out, ".nir", *inputs)
        with claimed(self.out):
            return self._compile()

    def _compile(self) -> int:
        network = load_network(self.model, **self.said)
        if network.on_grid:
            return self._write_as_it_is(network)
        refuse_to_replace(trace_beside(self.out), ".trace", self.model, trace_beside(self.model), self.frames)
        given = self.choose(network)
        network = network.replace(classes=network.classes or given.classes)
        from deploy.quantization.search import quantize  # --help waits for no compiler

        ready = quantize(network, given.frames, weight_bits=self.weight_bits, chip=self.chip)
        wanted = run(network, given.frames, on="float").labeled(given.labels, given.names)
        found = _recorded(ready, given)
        for trace in (wanted, found):
            warn_of_silence(network, trace)
        save_with_trace(ready, found, self.out)
        figures = _figures(wanted, found)
        if self.json:
            print(json.dumps(figures | {"parameters": [change.as_dict() for change in ready.report]}))
        else:
            _show(ready, figures, found, self.out)
        return 0

    def _write_as_it_is(self, network: Network) -> int:
        """A network on the grid, and its trace where there are recordings; that of the model is never replaced."""
        if self.weight_bits != WEIGHT_BITS:
            raise DeployError(f"--weight-bits {self.weight_bits}: {self.model} is on the grid already; leave it out")
        network = network.replace(chip=network.chip or self.chip)
        beside, trace = self.model.with_suffix(".trace"), self.out.with_suffix(".trace")
        found = None
        if trace.resolve() != beside.resolve() and (self.events or self.frames or beside.is_file()):
            refuse_to_replace(trace, ".trace", self.model, self.frames)
            given = self.choose(network)
            network = network.replace(classes=network.classes or given.classes)
            found = _recorded(network, given)
        if found is None:
            save(network, self.out)
        else:
            save_with_trace(network, found, self.out)
        written = [str(self.out)] if found is None else [str(self.out), str(trace)]
        if self.json:
            print(json.dumps({"on_grid": True, "wrote": written}))
            return 0
        if found is not None:
            warn_of_overflows(PlainConsole(), found.overflows)
        PlainConsole().print(f"on the grid already; wrote {' and '.join(written)}", soft_wrap=True, highlight=False)
        return 0


def _recorded(ready: Network, given: Recordings) -> Trace:
    """What the integer simulator gives: the reference for other simulators."""
    found = run(ready, given.frames, on="integer", states=min(KEEP_STATES, len(given.frames)), digests=True)
    return found.labeled(given.labels, given.names)


def _figures(wanted: Trace, found: Trace) -> dict[str, Any]:
    differing = {layer: float(np.mean(wanted.output(layer) != found.output(layer))) for layer in wanted.spiking}
    return {
        "recordings": found.recordings,
        "float_accuracy": wanted.accuracy,
        "accuracy": found.accuracy,
        "same_predictions": float(np.mean(wanted.predictions == found.predictions)),
        "differing": differing,
        "overflows": found.overflows,
    }


def _show(ready: Network, figures: dict[str, Any], found: Trace, out: Path) -> None:
    console = PlainConsole()
    show_parameters(console, ready.report)
    if figures["accuracy"] is not None:
        accuracies = f"accuracy: float {figures['float_accuracy']:.2%}, on the grid {figures['accuracy']:.2%}; "
        console.print(accuracies, end="", highlight=False)
    console.print(
        f"same prediction for {figures['same_predictions']:.2%} of {found.recordings} recordings of {found.steps} "
        "steps",
        highlight=False,
    )
    differing = ", ".join(f"{layer} {share:.2%}" for layer, share in figures["differing"].items())
    console.print(f"neuron-steps that differ: {differing}", highlight=False)
    warn_of_overflows(console, found.overflows)
    console.print(f"wrote {out} and {out.with_suffix('.trace')}", soft_wrap=True, highlight=False)
