"""A NIR graph through everything that claims it, held against forward Euler in float64 straight from its nodes."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

import deploy
from deploy.formats.files import load, load_network, save
from deploy.network import Array, Network
from deploy.quantization.search import quantize
from deploy.runners import floating
from deploy.runners import onnx as onnx_runner
from deploy.traces.trace import Trace
from export.trainable.network import to_torch
from tests.deploy.formats.nir_graphs import reread
from tests.deploy.runners.nir_euler import Euler
from tests.differential import grid_routes
from tests.differential.tally import Tally
from tests.graphs.nodes import DT, NirGraph
from tests.graphs.same import same_nodes

UNDECIDED = 1e-5
"""A share of a potential. Nearer to the threshold, float32 sums of some hundred values decide by their order."""
CLOSE = 2e-5
"""How far float32 potentials of a few steps may lie from float64, as a share of the largest."""

Rows = dict[str, dict[str, list[Array]]]
"""By kind ("spikes", "u" or "v") and layer, one (T', ...) for each recording, up to what rounding decides."""


def follow(graph: NirGraph, frames: Array, tally: Tally) -> int:
    """Take a NIR graph along every route; gives its number of decided spikes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        if graph.refused or graph.odd:
            tally.must_refuse("read", lambda: reread(graph.nir, path).order)
            return 0
        network = tally.follow("read", lambda: reread(graph.nir, path))
    if network is None:
        return 0
    wanted = euler(graph, frames)
    routes: dict[str, Callable[[], Trace]] = {
        "float": lambda: floating.run(network, frames, states=len(frames)),
        "onnx": lambda: onnx_runner.run(network, frames, states=len(frames)),
        ".nir": lambda: through_file(network, frames, ".nir"),
        ".onnx": lambda: through_file(network, frames, ".onnx"),
    }
    for route, run in routes.items():
        tally.follow(f"float: {route}", lambda run=run: assert_trace(run(), wanted))
    tally.follow("float: torch", lambda: in_torch(network, frames, wanted))
    ready = tally.follow("quantize", lambda: quantize(network, frames))
    if ready is not None:
        # Its nodes are others: factors and pooling are folded, delays moved.
        grid_routes.follow(ready, frames, ready.recurrent_edges, tally)
    return sum(int(np.sum(rows)) for layers in wanted["spikes"].values() for rows in layers)


def euler(graph: NirGraph, frames: Array) -> Rows:
    """What the nodes' equations give, up to where a potential comes too near to its threshold to be decided."""
    found: Rows = {"spikes": {}, "u": {}, "v": {}}
    for recording in frames:
        simulation, decided = Euler(graph.nir, DT, graph.late), 0
        for frame in recording.astype(float):
            simulation.step(frame)
            decided += simulation.margin > UNDECIDED
        for kind, layers in found.items():
            for name, rows in simulation.rows(kind).items():
                layers.setdefault(name, []).append(rows[:decided])
    return found


def assert_trace(trace: Trace, wanted: Rows) -> None:
    """Spikes equal, potentials close. A readout that the reader put there has no node to be held against."""
    for kind, layers in wanted.items():
        for name, recordings in layers.items():
            for r, rows in enumerate(recordings):
                found = trace.layers[name][kind][r][: len(rows)].reshape(rows.shape)
                if kind == "spikes":
                    assert np.array_equal(found, rows), f"spikes of {name}"
                else:
                    scale = max(1.0, float(np.abs(rows).max(initial=0)))
                    np.testing.assert_allclose(found, rows, rtol=0, atol=CLOSE * scale, err_msg=f"{kind} of {name}")


def through_file(network: Network, frames: Array, ending: str) -> Trace:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"network{ending}"
        save(network, path)
        if ending == ".onnx":
            return deploy.run(load(path), frames, on="onnx", states=len(frames))
        read = load_network(path)
    return floating.run(read, frames, states=len(frames))


def in_torch(network: Network, frames: Array, wanted: Rows) -> None:
    """The module's spikes, and the network that it gives back."""
    module = to_torch(network)
    given: dict[str, Array] = {}
    module(
        torch.from_numpy(frames).transpose(0, 1),
        observe=lambda name, output: given.update({name: output.detach().transpose(0, 1).numpy()}),
    )
    for name, recordings in wanted["spikes"].items():
        for r, rows in enumerate(recordings):
            assert np.array_equal(given[name][r][: len(rows)].reshape(rows.shape), rows), f"spikes of {name}"
    assert same_nodes(module.network(), network)
