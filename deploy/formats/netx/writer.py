"""`write_netx`: a chain of layers on the grid as lava-dl's HDF5 network, read from lava-dl 0.6.0 (`netx/hdf5.py`).

The file keeps PyTorch's layout: shapes (C, H, W), kernels (out, in, kernel_h, kernel_w); netx turns them to (X, Y, F)
and flips the kernels itself. Every layer gets its neuron written out, because netx gives one without it du = -1.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np

from deploy import grid
from deploy.errors import GridError, UnsupportedError, shown
from deploy.formats.metadata import to_metadata
from deploy.formats.netx.limits import BIAS_UNIT, WAY_OUT, refuse_bias
from deploy.hdf5 import new_hdf5
from deploy.network import Array, Conv, Dense, Flatten, GridNeuron, Input, Network, Node, Output, exactly
from deploy.passes.fold_pooling import fold_pooling


def write_netx(network: Network, path: Path) -> None:
    """Write a network on the grid; pooling is folded. A crash leaves no half-written file behind.

    The file's attributes carry the metadata of a .nir file, which netx ignores. `read` gives the same integers back.

    Raises:
        UnsupportedError: something that netx cannot say, by name and with the way out.
        GridError: a number that netx would change.
    """
    if not network.on_grid:
        raise UnsupportedError("netx holds integers and this network floats; quantize it first: ckd-deploy compile")
    network = fold_pooling(network)
    layers = _layers(network)
    # Names are those of the chain, in its order: `read` has nothing else to go by.
    network = network.replace(nodes={name: network.nodes[name] for name in network.order})
    with new_hdf5(Path(path)) as file:
        file.attrs["scale_bits"] = json.dumps({name: int(k) for name, k in network.scale_bits.items()})
        for key, value in to_metadata(network).items():
            if key != "report":  # HDF5 attributes end at 64 kB
                file.attrs[key] = value
        for index, (kind, values) in enumerate(layers):
            group = file.create_group(f"layer/{index}")
            for key, value in {"type": np.bytes_(kind), **values}.items():
                group.create_dataset(key, data=value)


def _layers(network: Network) -> list[tuple[str, dict[str, Any]]]:
    """The layers of the file: each a type and its datasets."""
    chain = _chain(network)
    layers: list[tuple[str, dict[str, Any]]] = []
    for place, name in enumerate(chain):
        node = network.nodes[name]
        before = network.nodes[chain[place - 1]]
        match node:
            case Input():
                layers.append(("input", {"shape": np.array(node.shape)}))
            case Flatten():
                if not isinstance(before, GridNeuron | Input):
                    raise UnsupportedError(f"{name}: netx flattens what neurons give; put a neuron layer before it")
                layers.append(("flatten", {}))
            case Dense() | Conv():
                cells = chain[place + 1]
                neuron = network.nodes[cells]
                if not isinstance(neuron, GridNeuron):
                    raise UnsupportedError(f"{name} -> {cells}: in netx neurons follow every synapse at once")
                layers.append(_layer(name, node, cells, exactly(cells, neuron, "netx", GridNeuron)))
                if cells == network.output_layer and layers[-1][1]["neuron/vThMant"] == grid.VTH_MAX:
                    raise UnsupportedError(
                        f"{cells}: a threshold of {grid.VTH_MAX} is a readout's in netx; use a lower one"
                    )
            case GridNeuron():
                if not isinstance(before, Dense | Conv):
                    raise UnsupportedError(f"{name}: netx has no neurons without a synapse; add one of weight 1")
            case Output():
                pass
            case _:
                raise UnsupportedError(f"{name}: netx has no {type(node).__name__}; {_without(node)}")
    return layers


def _chain(network: Network) -> list[str]:
    """The nodes from input to output, one after the other."""
    for name in network.nodes:
        for what, others in (("fed by", network.sources(name)), ("feeds", network.targets(name))):
            if len(others) > 1:
                raise UnsupportedError(
                    f"{name}: {what} {shown(others)}, and netx has chains alone; run branches with --on lava from "
                    "a .nir file"
                )
    return list(network.order)


def _layer(name: str, node: Dense | Conv, cells: str, neuron: GridNeuron) -> tuple[str, dict[str, Any]]:
    weight = _weight(name, node)
    values: dict[str, Any] = {"shape": np.array(neuron.shape), "weight": weight, "bias": _bias(cells, neuron)}
    if isinstance(node, Conv):
        values |= {"stride": node.stride, "padding": node.padding, "dilation": node.dilation, "groups": node.groups}
    threshold = np.array(grid.UNREACHABLE) if neuron.vth is None else neuron.vth
    values |= {
        "neuron/type": np.bytes_("CUBA"),
        "neuron/iDecay": _one(cells, "du", neuron.du) + 1,
        "neuron/vDecay": _one(cells, "dv", neuron.dv),
        "neuron/vThMant": _one(cells, "vth", threshold),
        "neuron/refDelay": 1,
        "neuron/gradedSpike": False,
    }
    return "conv" if isinstance(node, Conv) else "dense", values


def _weight(name: str, node: Dense | Conv) -> Array:
    """The weights with their exponent in them, which netx has no place for."""
    if node.weight_exp < 0:
        raise UnsupportedError(f"{name}: netx has no weight exponent, this layer has {node.weight_exp}; {WAY_OUT}")
    weight = node.weight.astype(np.int64) << node.weight_exp
    if not grid.weights_on_grid(weight):
        low, high = int(weight.min()), int(weight.max())
        raise GridError(f"{name}: weights from {low} to {high} are not on the grid, and netx would round them")
    if isinstance(node, Dense) and not weight.any():
        raise GridError(f"{name}: all weights are 0, which netx cannot read; drop the layer")
    return weight.astype(np.int32)


def _bias(name: str, neuron: GridNeuron) -> Array:
    """Mantissas: one a channel where that says it, else one a neuron, in netx's order (X, Y, F)."""
    refuse_bias(name, neuron.bias)
    mantissa = np.broadcast_to(neuron.bias // BIAS_UNIT, neuron.shape).astype(np.int32)
    by_channel = mantissa.reshape(len(mantissa), -1)
    return by_channel[:, 0] if np.all(by_channel == by_channel[:, :1]) else mantissa.transpose()


def _one(name: str, parameter: str, value: Array) -> int:
    if np.ptp(value):
        raise UnsupportedError(
            f"{name}: {parameter} differs between neurons, netx has one a layer; run it with --on lava from a .nir file"
        )
    return int(np.ravel(value)[0])


def _without(node: Node) -> str:
    return {
        "Delay": "run it with --on lava from a .nir file",
        "SumPool": "and this one does not fold into the layer behind it; pool evenly, without padding",
    }.get(type(node).__name__, "fold it before quantizing")
