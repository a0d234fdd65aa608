"""ckd-deploy check: does a simulator give, spike by spike, what the trained network gave?"""

import json
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from deploy.commands import DIFFERENT, EQUAL
from deploy.commands._shared import Model, recording_limit
from deploy.compare import Verdict, compare
from deploy.errors import RunnerError
from deploy.nir_io import read_nir
from deploy.recordings import from_trace
from deploy.runners import GRID_RUNNERS, run
from deploy.trace import Trace, load_trace


@dataclass(frozen=True, kw_only=True)
class Check:
    """Check a model against its trace, spike by spike. Exit code 0: equal, 1: different, 2: cannot run.

    Example: ckd-deploy check student.nir --on lava
    """

    model: Model
    """A .nir file."""
    on: str = "integer"
    """The simulator: integer, float, lava or lava-float."""
    trace: Path | None = None
    """What the trained network gave. Default: the .trace beside the model."""
    recordings: int | None = None
    """How many recordings; default all, for Lava 10."""
    json: bool = False
    """Print a program's view of the result."""

    def execute(self) -> int:
        network = read_nir(self.model)
        if self.on in GRID_RUNNERS and not network.on_grid:
            raise RunnerError(
                f"{self.model} holds floats, {self.on} runs integers, and a trace of one is not equal to the other; "
                "check it --on float, or export it with --grid loihi2"
            )
        path = self.trace or self.model.with_suffix(".trace")
        expected = load_trace(path)
        frames = from_trace(path, recording_limit(self.recordings, self.on)).frames
        states = max((len(expected.v[layer]) for layer in expected.spikes if layer in expected.v), default=0)
        found = run(network, frames, on=self.on, keep_states=min(states, len(frames)))
        verdict = compare(expected, found)
        if self.json:
            print(json.dumps(verdict.as_dict() | {"on": self.on}))
        else:
            _show(verdict, expected, found)
        return EQUAL if verdict else DIFFERENT


def _show(verdict: Verdict, expected: Trace, found: Trace) -> None:
    console = Console()
    table = Table(
        title=f"{expected.runner} ({expected.device}) against {found.runner}: {verdict.recordings} recordings"
    )
    for heading in ("layer", "spikes expected", "found", "differing", "rate", "u, v compared", "differing"):
        table.add_column(heading, justify="left" if heading == "layer" else "right")
    for layer in verdict.layers:
        spikes = (f"{layer.expected_spikes:,}", f"{layer.found_spikes:,}", f"{layer.differing:,}", f"{layer.rate:.2%}")
        states = (f"{layer.states:,} steps", f"{layer.states_differing:,}") if layer.states else ("-", "-")
        table.add_row(layer.layer, *(spikes if layer.spiking else ("readout", "", "", "")), *states)
    console.print(table)
    for problem in verdict.problems:
        console.print(problem, style="red", highlight=False)
    if verdict:
        console.print(
            f"EQUAL: 0 of {verdict.spikes:,} spikes differ, over {verdict.neuron_steps:,} neuron-steps",
            style="green",
            highlight=False,
        )
        return
    console.print(
        f"DIFFERENT: {verdict.differing:,} of {verdict.neuron_steps:,} neuron-steps", style="red", highlight=False
    )
    if verdict.first is not None:
        console.print(f"first: {verdict.first}", highlight=False)
    if verdict.predictions_differing:
        console.print(f"{verdict.predictions_differing} of {verdict.recordings} predictions differ", highlight=False)
