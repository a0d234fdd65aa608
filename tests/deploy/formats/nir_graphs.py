"""Graphs as other tools write them, for the tests of the reader and the float runner."""

import itertools
from pathlib import Path
from typing import Any

import nir
import numpy as np

from deploy.formats.nir import read_nir
from deploy.network import Array, Network

DT = 1e-4


def full(shape: tuple[int, ...], value: float) -> Array:
    return np.full(shape, value, np.float32)


def lif(shape: tuple[int, ...], beta: float = 0.9, threshold: float = 1.0, **changes: Any) -> nir.LIF:
    """A snnTorch-like LIF: the input is not scaled by 1 - beta."""
    tau = full(shape, DT / (1 - beta))
    parameters: dict[str, Any] = {"tau": tau, "r": tau / DT, "v_leak": full(shape, 0)}
    parameters["v_threshold"] = full(shape, threshold)
    return nir.LIF(**parameters | changes)


def if_(shape: tuple[int, ...], threshold: float = 1.0, **changes: Any) -> nir.IF:
    parameters: dict[str, Any] = {"r": full(shape, 1 / DT), "v_threshold": full(shape, threshold)}
    return nir.IF(**parameters | changes)


def cuba(shape: tuple[int, ...], **changes: Any) -> nir.CubaLIF:
    """Time constants as in the Braille networks of the NIR paper."""
    parameters: dict[str, Any] = {
        "tau_syn": full(shape, 4e-4),
        "tau_mem": full(shape, 1e-3),
        "r": full(shape, 10),
        "v_leak": full(shape, 0),
        "v_threshold": full(shape, 1),
        "w_in": full(shape, 4),
    }
    return nir.CubaLIF(**parameters | changes)


def conv2d(weight: Array, size: tuple[int, int], **changes: Any) -> nir.Conv2d:
    options = {"stride": 1, "padding": 0, "dilation": 1, "groups": 1, "bias": full((len(weight),), 0)}
    node = nir.Conv2d(input_shape=size, weight=weight, **options)
    # Set afterwards: the constructor infers a shape, wrongly for some of these and with an error for others.
    for name, value in changes.items():
        setattr(node, name, value)
    return node


def chain(shape: tuple[int, ...], nodes: dict[str, nir.NIRNode], outputs: tuple[int, ...]) -> nir.NIRGraph:
    """Input, the nodes one after the other, Output."""
    everything = {"input": nir.Input({"input": np.array(shape)}), **nodes}
    everything["output"] = nir.Output({"output": np.array(outputs)})
    names = list(everything)
    return graph(everything, list(itertools.pairwise(names)))


def graph(nodes: dict[str, nir.NIRNode], edges: list[tuple[str, str]], metadata: Any = None) -> nir.NIRGraph:
    return nir.NIRGraph(nodes=nodes, edges=edges, metadata=metadata or {}, type_check=False)


def ends(inputs: tuple[int, ...], outputs: tuple[int, ...]) -> dict[str, nir.NIRNode]:
    return {"input": nir.Input({"input": np.array(inputs)}), "output": nir.Output({"output": np.array(outputs)})}


def reread(written: nir.NIRGraph, folder: Path, **options: Any) -> Network:
    """Write with the nir package, read with ours."""
    path = folder / "graph.nir"
    nir.write(path, written)
    chosen: dict[str, Any] = {"dt": DT} | options
    return read_nir(path, **chosen)


def spikes(rng: np.random.Generator, *shape: int, rate: float = 0.3) -> Array:
    return (rng.random(shape) < rate).astype(np.uint8)


def every_kind() -> nir.NIRGraph:
    """A node of nearly every kind, one after the other: 2 x 6 x 6 inputs, 4 outputs."""
    rng = np.random.default_rng(0)
    nodes = {
        "conv": conv2d(rng.normal(size=(2, 2, 3, 3)).astype(np.float32), (6, 6), stride=(1, 1), dilation=(1, 1)),
        "lif": lif((2, 4, 4)),
        "pool": nir.SumPool2d(kernel_size=np.array([2, 2]), stride=np.array([2, 2]), padding=np.array([0, 0])),
        "flat": nir.Flatten({"input": np.array([2, 2, 2])}, 0, -1),
        "delay": nir.Delay(np.full(8, DT, np.float32)),
        "scale": nir.Scale(np.ones(8, np.float32)),
        "fc": nir.Affine(np.ones((4, 8), np.float32), np.ones(4, np.float32)),
        "cuba": cuba((4,)),
    }
    return chain((2, 6, 6), nodes, (4,))
