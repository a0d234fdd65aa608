"""`write_nir`: a `Network` as a flat .nir file that any NIR reader can take."""

from io import BytesIO
from pathlib import Path
from typing import Any

import nir
import numpy as np

from ckd.files import fill, write_then_rename
from deploy.errors import ModelError, UnsupportedError
from deploy.formats.metadata import to_metadata
from deploy.formats.nir import neurons, on_grid
from deploy.formats.nir.biases import Biases, place_biases
from deploy.formats.nir.idioms import find_idioms
from deploy.network import (
    Array,
    Conv,
    Delay,
    Dense,
    Flatten,
    FloatNeuron,
    GridNeuron,
    Input,
    Network,
    Output,
    Scale,
    Shape,
    SumPool,
)
from deploy.passes.synapses import synapse_scales


def write_nir(network: Network, path: Path) -> None:
    """Write a network, whose nodes keep their names; a crash leaves no half-written file behind.

    A network on the grid is written as the floats w / 2^k, which are exact (`scales`), and is read back without
    loss. A float `SumPool` "name" with its mean "name_mean" becomes AvgPool2d, and a float "readout" that
    `read_nir` would add again is left out, so that readers without these nodes can take the file. Threshold nodes
    become LIF nodes with tau = dt, which do the same.

    Raises:
        UnsupportedError: something that NIR cannot say, with the way out.
        GridError: a number of a network on the grid that is not exact in float32.
        ModelError: nodes that do not fit together, or a name that HDF5 cannot hold.
    """
    content = BytesIO()  # HDF5's library crashes the process where a disk fills while it writes
    nir.write(content, to_graph(network))  # pyright: ignore[reportArgumentType]
    with write_then_rename(Path(path)) as temporary:
        fill(temporary, content.getbuffer())


def to_graph(network: Network) -> nir.NIRGraph:
    """The network as a graph of the nir package."""
    for name in network.nodes:
        if "/" in name or name in ("", "."):
            raise ModelError(f"node name {name!r}: HDF5 cannot hold it; rename the node")
    coded = any(isinstance(node, GridNeuron) for node in network.nodes.values())
    if coded and not network.on_grid:
        odd = [name for name, node in network.neurons.items() if isinstance(node, FloatNeuron)]
        raise UnsupportedError(f"neurons {odd} are not on the grid, the others are; quantize the whole network")
    biases = place_biases(network)
    scales = synapse_scales(network) if coded else {}
    idioms = find_idioms(network)
    nodes = {name: _encode(network, name, biases, scales) for name in network.nodes if name not in idioms.left_out}
    nodes |= {name: _average(nodes[name]) for name in idioms.averages}
    return nir.NIRGraph(nodes=nodes, edges=list(idioms.edges), metadata=to_metadata(network), type_check=False)


def _encode(network: Network, name: str, biases: Biases, scales: dict[str, int]) -> nir.NIRNode:
    node, shape = network.nodes[name], network.shapes[name]
    source_shape = network.shapes[network.sources(name)[0]] if network.sources(name) else shape
    match node:
        case Input():
            return nir.Input(input_type={"input": np.array(shape)})
        case Output():
            return nir.Output(output_type={"output": np.array(shape)})
        case Dense() | Conv():
            return _synapse(name, node, biases.of_synapse(name), scales.get(name), source_shape)
        case SumPool():
            return nir.SumPool2d(
                kernel_size=np.array(node.kernel), stride=np.array(node.stride), padding=np.array(node.padding)
            )
        case Scale():
            return nir.Scale(scale=np.broadcast_to(node.factor.astype(np.float32), shape).copy())
        case Flatten():
            return nir.Flatten(input_type={"input": np.array(source_shape)}, start_dim=0, end_dim=-1)
        case Delay():
            return nir.Delay(delay=np.full(shape, node.steps * network.dt, np.float32))
        case FloatNeuron():
            return neurons.to_nir(name, node, network.dt, bias_on_synapse=name in biases.moved)
        case GridNeuron():
            k = network.scale_bits[name]
            return on_grid.encode_neuron(name, node, k, network.dt, bias_in_leak=name not in biases.moved)
        case _:
            raise UnsupportedError(f"{name}: NIR has no {type(node).__name__}")


def _average(pool: nir.NIRNode) -> nir.AvgPool2d:
    assert isinstance(pool, nir.SumPool2d)
    return nir.AvgPool2d(kernel_size=pool.kernel_size, stride=pool.stride, padding=pool.padding)


def _synapse(name: str, node: Dense | Conv, bias: Array | None, k: int | None, source_shape: Shape) -> nir.NIRNode:
    weight, metadata = np.asarray(node.weight, np.float32), {}
    if k is not None:
        weight, metadata = on_grid.encode_synapse(name, node, k)
    extra: dict[str, Any] = {"metadata": metadata}
    if isinstance(node, Dense):
        return nir.Linear(weight=weight, **extra) if bias is None else nir.Affine(weight=weight, bias=bias, **extra)
    return nir.Conv2d(
        input_shape=(source_shape[1], source_shape[2]),
        weight=weight,
        stride=node.stride,
        padding=node.padding,
        dilation=node.dilation,
        groups=node.groups,
        bias=np.zeros(weight.shape[0], np.float32) if bias is None else bias,
        **extra,
    )
