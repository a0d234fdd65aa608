"""The table of NIR nodes in the docs comes from trying every node."""

import numpy as np

from benchmarks.nir_support import example_graphs, support_table
from deploy.errors import UnsupportedError
from deploy.formats.nir.fields import KNOWN
from deploy.network import Array, Delay, Network


def _without_delays(network: Network, frames: Array) -> None:
    assert frames.shape[2:] == network.input_shape
    if any(isinstance(node, Delay) for node in network.nodes.values()):
        raise UnsupportedError("no delays here")


def _rows(table: str) -> dict[str, list[str]]:
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.strip().split("\n")]
    return {cells[0]: cells[1:] for cells in lines if not cells[0].startswith("---")}


def test_every_node_has_a_row_and_what_was_tried_stands_in_it() -> None:
    rows = _rows(support_table({"elsewhere": _without_delays}))
    heads = rows.pop("NIR node")
    assert heads == ["read", "written", "on the grid", "integer runner", "in Lava", "elsewhere"]
    assert set(rows) == KNOWN - {"Input", "Output"} | {"NIRGraph"}
    assert all(cells[0].startswith("yes") for cells in rows.values())
    assert rows["Conv1d"][1] == "as Conv2d"
    assert rows["Threshold"][1] == "as LIF"
    assert rows["SumPool2d"][2] == "yes, folded"
    assert rows["Delay"][-1] == "no"
    assert all(cells[-1] == "yes" for kind, cells in rows.items() if kind != "Delay")


def test_every_example_spikes() -> None:
    """A graph in which nothing spikes would let any runner pass."""
    import tempfile
    from pathlib import Path

    import nir

    from deploy.formats.nir import read_nir
    from deploy.runners import floating

    for kind, graph in example_graphs().items():
        with tempfile.TemporaryDirectory() as folder:
            nir.write(Path(folder) / "n.nir", graph)
            network = read_nir(Path(folder) / "n.nir", dt=1e-3)
        frames = (np.random.default_rng(1).random((4, 20, *network.input_shape)) < 0.5).astype(np.uint8)
        trace = floating.run(network, frames)
        assert trace.spiking, kind
        assert all(spikes.any() for spikes in (layer.output for layer in trace.spiking.values())), kind
