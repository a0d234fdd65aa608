"""The graphs that we write for the other tools to read: one row of the board each."""

from typing import Any

import nir
import numpy as np

from benchmarks.nir_forms import DT, all_forms, chain, conv, flatten, small, synapse, uniform, weights
from deploy.network import Shape

ROWS = {
    "Affine": ("before neurons", "on a recurrent edge"),
    "Linear": ("before neurons",),
    "Scale": ("before a synapse",),
    "Conv1d": ("before neurons",),
    "Conv2d": ("before neurons", "stride 2", "groups"),
    "SumPool2d": ("before a convolution",),
    "AvgPool2d": ("before a convolution",),
    "Flatten": ("behind neurons",),
    "IF": ("behind a dense layer", "constants a neuron", "reset to another value"),
    "LIF": ("behind a dense layer", "constants a neuron", "one constant for all", "reset to another value"),
    "CubaLIF": ("behind a dense layer", "recurrent", "constants a neuron"),
    "LI": ("at the end",),
    "I": ("at the end",),
    "CubaLI": ("at the end",),
    "Threshold": ("behind a dense layer",),
    "Delay": ("before a synapse",),
    "NIRGraph": ("a cycle in it",),
}
TIMES = ("tau", "tau_mem", "tau_syn", "delay")


def graphs_for(tool: str, dt: float) -> dict[str, nir.NIRGraph]:
    """By "node, place", graphs whose constants are those of `nir_forms` in steps of `dt`; for nirtorch, without."""
    if tool == "nirtorch":
        return stateless_graphs()
    forms = all_forms()
    return {f"{kind}, {place}": rescaled(forms[kind][place], dt) for kind, places in ROWS.items() for place in places}


def rescaled(graph: nir.NIRGraph, dt: float) -> nir.NIRGraph:
    """The same graph for another step."""
    factor = np.float32(dt / DT)
    for node in graph.nodes.values():
        if isinstance(node, nir.NIRGraph):
            rescaled(node, dt)
        for name in TIMES:
            if hasattr(node, name):
                setattr(node, name, getattr(node, name) * factor)
        if isinstance(node, nir.IF | nir.I):
            node.r = node.r / factor
    return graph


def stateless_graphs() -> dict[str, nir.NIRGraph]:
    """One node each: what it gives is added up by the readout that our reader puts behind it."""
    pools: dict[str, Any] = {"kernel_size": np.array([2, 2]), "stride": np.array([2, 2]), "padding": np.array([0, 0])}
    line = nir.Conv1d(6, weights(3, 2, 3), stride=1, padding=0, dilation=1, groups=1, bias=small(3))
    alone: dict[str, tuple[Shape, nir.NIRNode, Shape]] = {
        "Affine": ((4,), synapse("Affine"), (4,)),
        "Linear": ((4,), synapse(), (4,)),
        "Linear, not square": ((7,), synapse(inputs=7), (4,)),
        "Scale": ((4,), nir.Scale(uniform(1, 2, 4)), (4,)),
        "Conv1d": ((2, 6), line, (3, 4)),
        "Conv2d": ((2, 4, 4), conv(), (3, 4, 4)),
        "Conv2d, groups": ((4, 4, 4), nir.Conv2d((4, 4), weights(4, 1, 3, 3), 1, 1, 1, 4, small(4)), (4, 4, 4)),
        "SumPool2d": ((2, 4, 4), nir.SumPool2d(**pools), (2, 2, 2)),
        "AvgPool2d": ((2, 4, 4), nir.AvgPool2d(**pools), (2, 2, 2)),
        "Flatten": ((2, 2, 2), flatten((2, 2, 2)), (8,)),
    }
    return {name: chain(shape, outputs=given, node=node) for name, (shape, node, given) in alone.items()}
