"""Which NIR nodes are read, written, put on the grid and run where: a table that is tried out, not claimed.

For each node a tiny graph is built with the nir package, read, written and quantized, and each runner is asked to take
it. An answer is what happened; a refusal is counted as "no" only where the code refuses by name.
"""

import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import nir
import numpy as np

from deploy.errors import UnsupportedError
from deploy.formats.nir.reader import read_nir
from deploy.formats.nir.writer import write_nir
from deploy.network import Array, Network

DT = 1e-3
Column = Callable[[Network, Array], Network | None]
"""Takes the network of a node and frames for it; gives what became of the network, if that can be told, or refuses."""


def example_graphs() -> dict[str, nir.NIRGraph]:
    """A small spiking graph around every NIR node, which is called "node"; by the name of its type."""
    rng = np.random.default_rng(0)

    def full(value: float, *shape: int) -> Array:
        return np.full(shape or (4,), value, np.float32)

    def weight(*shape: int) -> Array:
        return rng.uniform(-0.5, 1, shape).astype(np.float32)

    def lif(*shape: int) -> nir.LIF:
        tau = full(5e-3, *shape)
        return nir.LIF(tau=tau, r=tau / np.float32(DT), v_leak=full(0, *shape), v_threshold=full(1, *shape))

    def pool(cls: Any) -> list[nir.NIRNode]:
        node = cls(kernel_size=np.array([2, 2]), stride=np.array([2, 2]), padding=np.array([0, 0]))
        return [node, conv((2, 2)), lif(3, 2, 2)]

    def conv(size: tuple[int, int]) -> nir.Conv2d:
        return nir.Conv2d(size, weight(3, 2, 3, 3), stride=1, padding=1, dilation=1, groups=1, bias=weight(3))

    dense = nir.Linear(weight(4, 4))
    leak: dict[str, Any] = {"tau": full(5e-3), "r": full(5), "v_leak": full(0)}
    cuba: dict[str, Any] = {
        "tau_mem": full(5e-3),
        "r": full(5),
        "v_leak": full(0),
        "tau_syn": full(3e-3),
        "w_in": full(3),
    }
    fire: dict[str, Any] = {"v_threshold": full(1), "v_reset": full(0)}
    conv1d = nir.Conv1d(6, weight(3, 2, 3), stride=1, padding=1, dilation=1, groups=1, bias=weight(3))
    inner = _chain((4,), [("lif", lif(4))])
    around: dict[str, tuple[tuple[int, ...], list[nir.NIRNode], int]] = {
        "Affine": ((4,), [nir.Affine(weight(4, 4), weight(4)), lif(4)], 0),
        "Linear": ((4,), [dense, lif(4)], 0),
        "Scale": ((4,), [nir.Scale(full(2)), dense, lif(4)], 0),
        "Conv1d": ((2, 6), [conv1d, lif(3, 6)], 0),
        "Conv2d": ((2, 4, 4), [conv((4, 4)), lif(3, 4, 4)], 0),
        "SumPool2d": ((2, 4, 4), pool(nir.SumPool2d), 0),
        "AvgPool2d": ((2, 4, 4), pool(nir.AvgPool2d), 0),
        "Flatten": ((1, 2, 2), [nir.Flatten({"input": np.array([1, 2, 2])}, 0, -1), dense, lif(4)], 0),
        "IF": ((4,), [dense, nir.IF(r=full(1 / DT), **fire)], 1),
        "LIF": ((4,), [dense, nir.LIF(**leak, **fire)], 1),
        "CubaLIF": ((4,), [dense, nir.CubaLIF(**cuba, **fire)], 1),
        "I": ((4,), [dense, lif(4), dense, nir.I(r=full(1 / DT))], 3),
        "LI": ((4,), [dense, lif(4), dense, nir.LI(**leak)], 3),
        "CubaLI": ((4,), [dense, lif(4), dense, nir.CubaLI(**cuba)], 3),
        "Threshold": ((4,), [dense, nir.Threshold(full(1))], 1),
        "Delay": ((4,), [dense, lif(4), nir.Delay(full(2 * DT)), dense, lif(4)], 2),
        "NIRGraph": ((4,), [dense, inner], 1),
    }
    return {
        kind: _chain(shape, [("node" if i == place else f"other{i}", node) for i, node in enumerate(nodes)])
        for kind, (shape, nodes, place) in around.items()
    }


def support_table(columns: Mapping[str, Column] | None = None) -> str:
    """A Markdown table: one row a NIR node, with what the reader, the writer, the quantizer and each runner make of it.

    Args:
        columns: further columns by heading; each gets the network on the grid and frames, and raises UnsupportedError
            where it cannot take it. A column that needs what is not installed here belongs to who calls this.
    """
    more = {"in Lava": _lava, **(columns or {})}
    heads = ["NIR node", "read", "written", "on the grid", "integer runner", *more]
    lines = [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
    with tempfile.TemporaryDirectory() as name:
        for kind, graph in example_graphs().items():
            cells = _row(kind, graph, Path(name), more)
            lines.append(f"| {' | '.join([kind, *cells])} |")
    return "\n".join(lines) + "\n"


def _row(kind: str, graph: nir.NIRGraph, folder: Path, more: Mapping[str, Column]) -> list[str]:
    nir.write(folder / "in.nir", graph)
    network = read_nir(folder / "in.nir", dt=DT)
    frames = (np.random.default_rng(1).random((4, 20, *network.input_shape)) < 0.5).astype(np.uint8)
    cells = ["yes, flattened" if kind == "NIRGraph" else "yes"]
    cells.append(_attempt(partial(_written, kind, network, folder)))
    quantized: list[Network] = []

    def quantize() -> str:
        from deploy.quantization.search import quantize

        quantized.append(quantize(network, frames))
        return "yes" if "node" in quantized[0].nodes or kind == "NIRGraph" else "yes, folded"

    cells.append(_attempt(quantize))
    for column in (_integer, *more.values()):
        cells.append(_attempt(partial(_taken, column, quantized[0], frames)) if quantized else "no")
    return cells


def _attempt(what: Callable[[], str]) -> str:
    try:
        return what()
    except UnsupportedError:
        return "no"


def _written(kind: str, network: Network, folder: Path) -> str:
    write_nir(network, folder / "out.nir")
    nodes = nir.read(folder / "out.nir", type_check=False).nodes
    if "node" not in nodes:
        return "flat" if kind == "NIRGraph" else "no node needed"
    written = type(nodes["node"]).__name__
    return "yes" if written == kind else f"as {written}"


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


def _chain(shape: tuple[int, ...], nodes: list[tuple[str, nir.NIRNode]]) -> nir.NIRGraph:
    last = nodes[-1][1].output_type
    ends = (nir.Input({"input": np.array(shape)}), nir.Output({"output": next(iter(last.values()))}))
    named = {"input": ends[0], **dict(nodes), "output": ends[1]}
    return nir.NIRGraph(nodes=named, edges=list(pairwise(named)), type_check=False)
