"""Which NIR nodes are read, written, put on the grid and run where: tables that are tried out, not claimed.

    python -m benchmarks.nir_support

Around each node graphs are built with the nir package, one for each place where it may stand (`benchmarks.nir_forms`);
they are read, written and quantized, and each runner is asked to take them. An answer is what happened; a refusal is
counted as such only where the code refuses by name. On the grid the spikes must be close to those of the floats.
"""

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import nir
import numpy as np

from benchmarks.nir_forms import DT, all_forms
from deploy.errors import DeployError
from deploy.formats.nir.reader import read_nir
from deploy.formats.nir.writer import write_nir
from deploy.network import Array, Network

Column = Callable[[Network, Array], object]
"""Takes the network of a node and frames for it, or refuses."""

MOST_DIFFERING = 0.1
"""Of neuron-steps, between floats and the grid, in 20 steps of a small graph; its first steps weigh much."""


@dataclass
class Tried:
    """One node in all its forms: what each column said of each, and what was refused why."""

    answers: dict[str, list[str]] = field(default_factory=dict)
    refusals: dict[str, dict[str, str]] = field(default_factory=dict)
    """By column and form."""

    def ask(self, column: str, form: str, what: Callable[[], str | None]) -> bool:
        """Whether it was taken."""
        try:
            answer = what()
        except DeployError as error:
            self.refusals.setdefault(column, {})[form] = str(error)
            return False
        self.answers.setdefault(column, []).append(answer or "yes")
        return True

    def cell(self, column: str) -> str:
        given = self.answers.get(column, [])
        refused = self.refusals.get(column, {})
        said = max(given, key=given.count) if given else "no"
        return said if not refused or not given else f"{said}, {len(given)} of {len(given) + len(refused)}"


def support_table(columns: Mapping[str, Column] | None = None) -> str:
    """A Markdown table: one row a NIR node, with what the reader, the writer, the quantizer and each runner make of it.

    Below it stands what each node was tried in and, line by line, what was refused.

    Args:
        columns: further columns by heading; each gets the network on the grid and frames, and raises DeployError where
            it cannot take it. A column that needs what is not installed here belongs to who calls this.
    """
    runners = {"integer runner": _integer, "in Lava": _lava, **(columns or {})}
    heads = ["read", "written", "on the grid", *runners]
    lines = [f"| NIR node | {' | '.join(heads)} |", f"|{'---|' * (len(heads) + 1)}"]
    forms, refused = ["| NIR node | tried |", "|---|---|"], ["| NIR node | where | what | says |", "|---|---|---|---|"]
    with tempfile.TemporaryDirectory() as name:
        for kind, graphs in all_forms().items():
            tried = _try(kind, graphs, Path(name), runners)
            lines.append(f"| {kind} | {' | '.join(tried.cell(head) for head in heads)} |")
            forms.append(f"| {kind} | {'; '.join(graphs)} |")
            for column, found in tried.refusals.items():
                refused += [f"| {kind} | {form} | {column} | {says} |" for form, says in found.items()]
    return "\n".join([*lines, "", *forms, "", *refused]) + "\n"


def _try(kind: str, graphs: Mapping[str, nir.NIRGraph], folder: Path, runners: Mapping[str, Column]) -> Tried:
    tried, networks = Tried(), {}
    for form, graph in graphs.items():
        nir.write(folder / "in.nir", graph)

        def read(form: str = form) -> str:
            networks[form] = read_nir(folder / "in.nir", dt=DT)
            return "yes, flattened" if kind == "NIRGraph" else "yes"

        if not tried.ask("read", form, read):
            continue
        network = networks[form]
        frames = (np.random.default_rng(1).random((4, 20, *network.input_shape)) < 0.5).astype(np.uint8)
        tried.ask("written", form, lambda network=network: _written(kind, network, folder))
        ready: list[Network] = []
        if tried.ask("on the grid", form, lambda n=network, f=frames, r=ready: _quantized(kind, n, f, r)):
            for heading, column in runners.items():
                tried.ask(heading, form, lambda c=column, r=ready, f=frames: _taken(c, r[0], f))
    return tried


def _written(kind: str, network: Network, folder: Path) -> str:
    write_nir(network, folder / "out.nir")
    nodes = nir.read(folder / "out.nir", type_check=False).nodes
    if "node" not in nodes:
        return "flat" if kind == "NIRGraph" else "no node needed"
    written = type(nodes["node"]).__name__
    return "yes" if written == kind else f"as {written}"


def _quantized(kind: str, network: Network, frames: Array, ready: list[Network]) -> str:
    from deploy.quantization.search import quantize
    from deploy.runners import floating, integer

    on_grid = quantize(network, frames)
    wanted, found = floating.run(network, frames), integer.run(on_grid, frames)
    for name in wanted.spiking:
        differing = float(np.mean(wanted.output(name) != found.output(name)))
        assert differing < MOST_DIFFERING, f"{kind}: {name} differs in {differing:.0%} of its neuron-steps"
    ready.append(on_grid)
    return "yes" if "node" in on_grid.nodes or kind == "NIRGraph" else "yes, folded"


def _taken(column: Column, network: Network, frames: Array) -> str:
    column(network, frames)
    return "yes"


def _integer(network: Network, frames: Array) -> None:
    from deploy.runners import integer

    integer.run(network, frames)


def _lava(network: Network, frames: Array) -> None:
    """Everything but the run itself: the plan that Lava's worker would carry out."""
    from deploy.runners.lava import fixed as lava

    with tempfile.TemporaryDirectory() as folder:
        lava.prepare(network, frames, Path(folder))


def _onnx(network: Network, frames: Array) -> None:
    from deploy.runners import onnx

    onnx.run(network, frames)


if __name__ == "__main__":
    print(support_table({"in ONNX": _onnx}))
