"""The tables of NIR nodes in the docs come from trying every node in every place."""

from pathlib import Path

import nir
import numpy as np
import pytest

from benchmarks.nir_forms import DT, all_forms
from benchmarks.nir_support import support_table
from deploy.errors import UnsupportedError
from deploy.formats.nir import read_nir
from deploy.formats.nir.fields import KNOWN
from deploy.network import Array, Delay, Network
from deploy.runners import floating


def _without_delays(network: Network, frames: Array) -> None:
    assert frames.shape[2:] == network.input_shape
    if any(isinstance(node, Delay) for node in network.nodes.values()):
        raise UnsupportedError("no delays here")


def _rows(table: str) -> dict[str, list[str]]:
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.strip().split("\n")]
    return {cells[0]: cells[1:] for cells in lines if not cells[0].startswith("---")}


def test_every_node_has_a_row_and_what_was_tried_stands_in_it() -> None:
    table, forms, refused = support_table({"elsewhere": _without_delays}).split("\n\n")
    rows, tried = _rows(table), _rows(forms)
    heads = rows.pop("NIR node")
    assert heads == ["read", "written", "on the grid", "integer runner", "in Lava", "elsewhere"]
    assert set(rows) == KNOWN - {"Input", "Output"} | {"NIRGraph"} == set(tried) - {"NIR node"}
    assert all(cells[0].startswith("yes") for cells in rows.values())
    assert rows["Conv1d"][1] == "as Conv2d"
    assert rows["Threshold"][1] == "as LIF"
    assert rows["SumPool2d"][2] == "yes, folded, 5 of 7"
    assert rows["Delay"][-1] == "no"
    assert all(cells[-1] == "yes" for kind, cells in rows.items() if kind != "Delay")
    assert "| Delay | in a cycle | elsewhere | no delays here |" in refused
    assert "constants a neuron behind a convolution" in tried["LIF"][0]


@pytest.mark.filterwarnings("ignore:Using padding='same'")
@pytest.mark.parametrize("kind", sorted(KNOWN - {"Input", "Output"} | {"NIRGraph"}))
def test_every_example_spikes(tmp_path: Path, kind: str) -> None:
    """A graph in which nothing spikes, or everything does, would let any runner pass."""
    forms = all_forms()[kind]
    assert len(forms) >= 3
    for form, graph in forms.items():
        nir.write(tmp_path / "n.nir", graph)
        network = read_nir(tmp_path / "n.nir", dt=DT)
        frames = (np.random.default_rng(1).random((4, 20, *network.input_shape)) < 0.5).astype(np.uint8)
        trace = floating.run(network, frames)
        assert trace.spiking, form
        assert all(0.01 < layer.output.mean() < 0.98 for layer in trace.spiking.values()), form
