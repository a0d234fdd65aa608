"""ckd-deploy map: cores, memory and energy; does the network fit a chip?"""

import json
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table

from deploy.commands import DIFFERENT, EQUAL
from deploy.commands.shared import ChipName, Exit, Model, exit_margin
from deploy.errors import DeployError
from deploy.formats.files import load_network
from deploy.mapping.layout import Mapping, map_network
from deploy.mapping.steps import Worth, worth_by_step, worth_of_exit
from deploy.network import Network
from deploy.report.console import PlainConsole
from deploy.traces.trace import Trace, load_trace


@dataclass(frozen=True, kw_only=True)
class Map:
    """Lay a model out on a chip. Exit code 0: it fits, 1: it does not (and which limit), 2: cannot be done.

    Example: ckd-deploy map student.nir --chip loihi1

    Example: ckd-deploy map student.nir --by-step --exit model
    """

    model: Model
    """A .nir or .net file."""
    chip: ChipName = "loihi2"
    trace: Path | None = None
    """Spikes to estimate energy from. Default: the .trace beside the model, where there is one."""
    by_step: bool = False
    """Also show accuracy, operations, energy and time for recordings that end behind each step."""
    exit: Exit = None
    json: bool = False
    """Print a program's view of the result."""

    def execute(self) -> int:
        network = load_network(self.model)
        path = self.trace or self.model.with_suffix(".trace")
        trace = load_trace(path) if self.trace is not None or path.is_file() else None
        mapping = map_network(network, self.chip, trace)
        rows = self._worth(network, trace)
        if self.json:
            print(json.dumps(mapping.as_dict() | {name: [row.as_dict() for row in rows[name]] for name in rows}))
        else:
            _show(mapping)
            for name, worths in rows.items():
                _show_worth(name, worths)
        return EQUAL if mapping.fits else DIFFERENT

    def _worth(self, network: Network, trace: Trace | None) -> dict[str, list[Worth]]:
        """What `by_step` and `exit` ask for, by the names of the JSON."""
        if trace is None and (self.by_step or self.exit is not None):
            raise DeployError("--by-step and --exit count the spikes of a trace; give --trace FILE.trace")
        rows = {}
        if trace is not None and self.by_step:
            rows["by_step"] = worth_by_step(network, trace, self.chip)
        if trace is not None and self.exit is not None:
            rows["exit"] = [worth_of_exit(network, trace, exit_margin(self.exit, network), self.chip)]
        return rows


def _show_worth(name: str, rows: list[Worth]) -> None:
    table = Table(
        title={"by_step": "all recordings end behind a step", "exit": "each ends where its answer is clear"}[name]
    )
    for heading in ("steps", "accuracy", "synaptic operations", "energy, uJ", "time, us"):
        table.add_column(heading, justify="right")
    for row in rows:
        accuracy = "" if row.accuracy is None else f"{row.accuracy:.2%}"
        operations = f"{row.synaptic_operations:,.0f}"
        table.add_row(f"{row.steps:.4g}", accuracy, operations, f"{row.energy * 1e6:.2f}", f"{row.seconds * 1e6:.1f}")
    PlainConsole().print(table)


def _show(mapping: Mapping) -> None:
    console = PlainConsole()
    table = Table(title=f"{mapping.chip.name}: the fullest core of each layer")
    for heading in ("layer", "cores", "neurons", "synaptic memory", "axons in", "axons out"):
        table.add_column(heading, justify="left" if heading == "layer" else "right")
    for layer, count in mapping.cores_by_layer.items():
        table.add_row(layer, str(count), *(_share(*pair) for pair in mapping.fullest(layer).values()))
    console.print(table)
    for violation in mapping.violations:
        console.print(f"does not fit: {violation}", style="red", highlight=False, soft_wrap=True)
    if mapping.fits:
        text = f"FITS: {len(mapping.cores)} of {mapping.chip.cores} cores"
        console.print(text, style="green", highlight=False)
    if mapping.estimate is not None:
        guess = mapping.estimate
        parts = ", ".join(f"{name} {value * 1e6:.2f}" for name, value in guess.parts.items())
        label = "" if guess.published else " (UNPUBLISHED for this chip)"
        console.print(f"energy per recording{label}: {guess.energy * 1e6:.2f} uJ ({parts})", highlight=False)
        console.print(f"time per recording{label}: {guess.seconds * 1e6:.1f} us", highlight=False)
        operations = sum(guess.activity.synaptic_operations.values())
        console.print(f"synaptic operations per recording: {operations:,.0f}", highlight=False)
        console.print(guess.note, style="dim", highlight=False, soft_wrap=True)
    for note in (*mapping.notes, f"limits: {mapping.chip.source}"):
        console.print(note, style="dim", highlight=False, soft_wrap=True)


def _share(used: int, limit: int | None) -> str:
    return f"{used:,} ({used / limit:.0%})" if limit else f"{used:,}"
