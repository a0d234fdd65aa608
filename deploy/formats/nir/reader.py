"""`read_nir`: any NIR graph as a `Network`."""

from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import nir
import numpy as np

from deploy.errors import ModelError, UnsupportedError, shown
from deploy.formats.binning import binning_of
from deploy.formats.metadata import FileInfo, from_metadata
from deploy.formats.nir import fields, neurons, nodes, on_grid, resets, scales
from deploy.formats.nir.connect import check_connections, ensure_readout, fit_shapes
from deploy.formats.nir.tree import FlatGraph, load_graph
from deploy.network import Array, Conv, Dense, Edge, FloatNeuron, Network, Node, Shape
from deploy.network.idioms import mean_name
from deploy.passes.synapses import synapses_into

Parsed = dict[str, nir.NIRNode]
TIMED = (*(kind for kind in get_args(neurons.NirNeuron) if kind is not nir.Threshold), nir.Delay)
"""NIR nodes whose parameters are in seconds."""


def read_nir(
    path: Path,
    *,
    dt: float | None = None,
    step_us: int | None = None,
    steps: int | None = None,
    reset: str | None = None,
    reset_delay: bool = False,
) -> Network:
    """Read a .nir file.

    A file that `write_nir` made from a network on the grid gives the same integers back. Any other gives a float
    network: nested graphs become flat ("block" with node "lif" gives "block.lif"), AvgPool2d becomes a sum "name" and
    a `Scale` "name_mean", a Conv1d is a convolution of height 1 over frames (C, 1, L), a parameter with one value
    holds for all neurons. A graph that does not end in a neuron has neither potential nor spikes to predict from: an
    integrator without leak, "readout", is put before its output, and its final potential gives the prediction.

    A recurrent edge (one that closes a cycle) carries the step before, in addition to any Delay in the cycle. No order
    of nodes or edges in the file decides which edges those are (`deploy.network.recurrence`).

    Args:
        path: the file.
        dt: the step in seconds; needed where the file does not say it.
        step_us: the length of a step in microseconds; also the dt of a file that does not say its own.
        steps: the number of steps of a recording. With `step_us` it gives a file that has no binning one.
        reset: what a spike does, one of `RESET_MECHANISMS`, where the file does not say it; NIR itself knows "zero".
        reset_delay: whether that comes in the step after the spike.

    Raises:
        ModelError: missing, damaged, hostile or inconsistent.
        UnsupportedError: something that cannot be run as it stands, with the way out.
    """
    path = Path(path)
    graph = load_graph(path)
    info = from_metadata(graph.metadata)
    order = [name for name in info.node_order if name in graph.nodes]
    order += sorted(name for name in graph.nodes if name not in order)
    if not info.node_order:
        # Other tools write edges in any order, some in another one each time; sums of floats depend on it.
        graph.edges.sort()
    parsed = {name: fields.parse(name, graph.nodes[name]) for name in order}
    _one_end_each(path, parsed)
    check_connections(parsed, graph.edges)
    coded = any(on_grid.is_coded(node.metadata) for node in parsed.values())
    step = _step(path, info, parsed, dt, step_us)
    converted, edges = _convert(parsed, graph.edges, step)
    converted = _with_resets(converted, parsed, graph, resets.asked(reset, reset_delay))
    output = next(node.output_type["output"] for node in parsed.values() if isinstance(node, nir.Output))
    network = fit_shapes(Network(nodes=converted, edges=edges, dt=step), nodes.type_shape(output), _lifts(parsed))
    network = _decode_grid(network, parsed) if coded else ensure_readout(network)
    if set(info.node_order) == set(network.nodes):
        network = network.replace(nodes={name: network.nodes[name] for name in info.node_order})
    binning = binning_of(path, info.binning, network.input_shape, step_us, steps)
    said = {"classes": info.classes, "report": info.report, "exit_margin": info.exit_margin if coded else None}
    return network.replace(chip=info.chip if coded else None, binning=binning, **said)


def _one_end_each(path: Path, parsed: Parsed) -> None:
    for kind in (nir.Input, nir.Output):
        found = [name for name, node in parsed.items() if isinstance(node, kind)]
        if len(found) != 1:
            raise UnsupportedError(
                f"{path}: {len(found)} {kind.__name__} nodes {found} where exactly one can be run; "
                "join or cut the others before writing the file"
            )


def _step(path: Path, info: FileInfo, parsed: Parsed, dt: float | None, step_us: int | None) -> float:
    """The step in seconds that the neurons' constants refer to."""
    if dt is not None and not 0 < dt < float("inf"):
        raise ModelError(f"dt (={dt}) must be a positive number of seconds")
    coded = any(on_grid.is_coded(node.metadata) for node in parsed.values())
    if coded and info.dt is not None and dt not in (None, info.dt):
        raise ModelError(
            f"{path}: lies on a grid made for dt = {info.dt:g} s, so dt = {dt:g} does not fit; leave it out"
        )
    for candidate in (dt, info.dt, step_us and step_us * 1e-6):
        if candidate:
            return candidate
    if not any(isinstance(node, TIMED) for node in parsed.values()):
        return 1.0
    raise ModelError(
        f"{path}: does not say how long a step is; give dt in seconds (--dt; files of snnTorch and spikingjelly are "
        "for 1e-4, of norse 1.1 for 1e-6, of sinabs and other tools that count in steps for 1) or the step of the "
        "recordings (--step-us) to ckd-deploy run or compile; check takes what compile wrote"
    )


def _lifts(parsed: Parsed) -> bool:
    return any(isinstance(node, nir.Conv1d) for node in parsed.values())


def _convert(parsed: Parsed, edges: list[Edge], dt: float) -> tuple[dict[str, Node], tuple[Edge, ...]]:
    """Each NIR node as one node of ours, an average as two."""
    lift = _lifts(parsed)
    converted: dict[str, Node] = {}
    last: dict[str, str] = {}
    chains: list[Edge] = []
    for name, node in parsed.items():
        if isinstance(node, neurons.NirNeuron):
            first, *rest = [neurons.from_nir(name, node, dt, lift=lift)]
        else:
            first, *rest = nodes.convert(name, node, dt, lift=lift)
        converted[name] = first
        last[name] = name
        if rest:
            last[name] = mean_name(name)
            if last[name] in parsed:
                raise ModelError(f"{last[name]}: this name is needed for the mean of {name}; rename the node")
            converted[last[name]] = rest[0]
            chains.append((name, last[name]))
    return converted, (*((last[source], target) for source, target in edges), *chains)


def _with_resets(
    converted: dict[str, Node], parsed: Parsed, graph: FlatGraph, of_caller: resets.Reset | None
) -> dict[str, Node]:
    """The neurons with the resets that their own metadata, those of the graphs around them, or the caller say."""
    found = dict(converted)
    around = {"": resets.said("graph", graph.metadata)}
    around |= {name: resets.said(name, metadata) for name, metadata in graph.inner_metadata.items()}
    for name, node in converted.items():
        if not isinstance(node, FloatNeuron):
            continue
        metadata = parsed[name].metadata
        inside = [graph for graph in around if around[graph] and (not graph or name.startswith(f"{graph}."))]
        of_graph = around[max(inside, key=len)] if inside else None
        reset = resets.choose(name, resets.said(name, metadata), of_graph, of_caller)
        # A Threshold keeps nothing from step to step that could be reset.
        found[name] = node if isinstance(parsed[name], nir.Threshold) else resets.apply(name, node, reset, metadata)
    return found


def _decode_grid(network: Network, parsed: Parsed) -> Network:
    """The integers of a network that was written from the grid, in place of its floats."""
    decoded = dict(network.nodes)
    biases: dict[str, Array] = {}
    for name, node in network.nodes.items():
        if not isinstance(node, Dense | Conv):
            continue
        metadata = _grid_metadata(name, parsed, "scale_bits", "weight_exp")
        raw = parsed[name]
        weight, exponent, biases[name] = on_grid.decode_synapse(name, node.weight, getattr(raw, "bias", None), metadata)
        decoded[name] = replace(node, weight=weight, weight_exp=exponent, bias=None)
    scale_bits: dict[str, int] = {}
    for name, node in network.neurons.items():
        scale_bits[name] = int(_grid_metadata(name, parsed, "scale_bits")["scale_bits"])
        bias = np.zeros(node.shape, np.int64)
        for synapse in synapses_into(network, name, through_time=False):
            bias = bias + _per_output(biases[synapse], network.shapes[synapse]).reshape(node.shape)
        decoded[name] = on_grid.decode_neuron(name, parsed[name], bias, network.dt)
    return network.replace(nodes=decoded, scale_bits=scale_bits)


def _grid_metadata(name: str, parsed: Parsed, *numbers: str) -> dict[str, Any]:
    """The metadata of a node on the grid, after a look at the exponents that it must have."""
    metadata = parsed[name].metadata
    if not on_grid.is_coded(metadata):
        raise ModelError(f"{name}: other nodes of this file lie on the grid, this one does not; export it again")
    for key in numbers:
        value = metadata.get(key)
        if not isinstance(value, int | np.integer) or abs(int(value)) > scales.LARGEST_EXPONENT:
            raise ModelError(f"{name}: its metadata is damaged ({key} is {shown(value)}); export the network again")
    return metadata


def _per_output(bias: Array, shape: Shape) -> Array:
    """A bias per output (Dense) or channel (Conv) at the full shape."""
    return np.broadcast_to(bias.reshape(-1, *(1,) * (len(shape) - 1)), shape)
