"""Random NIR graphs, made of the nir package's own nodes as other tools write them: cases for every reader."""

from typing import Any

import nir
import numpy as np
from hypothesis import strategies as st

from deploy.network import RESET_MECHANISMS, Array
from tests.graphs.choices import Choices, Drawn
from tests.graphs.skeleton import Geometry, Shape, Skeleton

DT = 1e-4
ODD = 0.03
"""How often a node gets something that must be refused."""


@st.composite
def nir_cases(draw: st.DrawFn) -> tuple["NirGraph", Array]:
    """A graph and frames (R, T, ...) for it."""
    choices = Drawn(draw)
    graph = NirGraph(choices)
    shape = (choices.one_of([1, 3]), choices.one_of([9, 2, 1, 16]), *graph.shapes["input"])
    counts = choices.rng.integers(1, choices.one_of([1, 1, 4]) + 1, shape)
    return graph, (counts * (choices.rng.random(shape) < choices.one_of([0.3, 0.1, 0.9]))).astype(np.uint8)


class NirGraph(Skeleton[nir.NIRNode]):
    """`odd`: what in it must be refused, by the node's name or kind."""

    def __init__(self, choices: Choices, *, stages: int = 3) -> None:
        self.odd: list[str] = []
        self.plain = choices.one_of([True, False])
        super().__init__(choices, stages=stages)
        self.nir = nir.NIRGraph(nodes=self.nodes, edges=list(self.edges), type_check=False)

    def input(self, shape: Shape) -> nir.NIRNode:
        return nir.Input({"input": np.array(shape)})

    def output(self, shape: Shape) -> nir.NIRNode:
        return nir.Output({"output": np.array(shape)})

    def flatten(self, shape: Shape) -> nir.NIRNode:
        return nir.Flatten({"input": np.array(shape)}, self.one_of(0, 1) if shape[0] == 1 else 0, -1)

    def delay(self, steps: int, shape: Shape) -> nir.NIRNode:
        seconds = np.full(shape, steps * DT, np.float32)
        if self.is_odd("delay"):
            seconds.flat[0] *= 1.37
        return nir.Delay(seconds)

    def pooling(self, geometry: Geometry) -> list[nir.NIRNode]:
        kind = self.one_of(nir.SumPool2d, nir.AvgPool2d)
        return [kind(*(np.array(pair) for pair in (geometry.kernel, geometry.stride, geometry.padding)))]

    def dense(self, outputs: int, inputs: int) -> nir.NIRNode:
        weight = self.weights(outputs, inputs)
        if self.one_of(False, True):
            return nir.Affine(weight, self.numbers((outputs,), -0.1, 0.2))
        return nir.Linear(weight)

    def convolution(self, outputs: int, channels: int, size: Shape, geometry: Geometry) -> nir.NIRNode:
        padding: Any = geometry.padding
        if geometry.after(size) == size and geometry.stride == (1, 1) and self.one_of(False, True):
            padding = "same"
        if geometry.padding == (0, 0) and self.one_of(False, True):
            padding = "valid"
        return nir.Conv2d(
            input_shape=(size[0], size[1]),
            weight=self.weights(outputs, channels // geometry.groups, *geometry.kernel),
            stride=geometry.stride,
            padding=padding,
            dilation=geometry.dilation,
            groups=geometry.groups,
            bias=self.numbers((outputs,), -0.1, 0.2) if self.one_of(False, True) else np.zeros(outputs, np.float32),
        )

    def factor(self, shape: Shape) -> nir.NIRNode:
        return nir.Scale(self.numbers(shape, 0.5, 2))

    def neurons(self, shape: Shape, *, readout: bool = False) -> nir.NIRNode:
        kinds = (nir.LI, nir.I, nir.CubaLI) if readout else (nir.LIF, nir.IF, nir.CubaLIF, nir.LIF, nir.Threshold)
        kind = self.one_of(*kinds)
        tau, syn = self.numbers(shape, 2 * DT, 40 * DT), self.numbers(shape, 2 * DT, 9 * DT)
        if kind not in (nir.IF, nir.I, nir.Threshold) and self.is_odd("tau"):
            tau = tau / np.float32(50)
        unscaled = self.one_of(True, False)
        values = {
            "tau": tau,
            "tau_mem": tau,
            "tau_syn": syn,
            "r": self.numbers(shape, 1 / DT, 1.5 / DT) if kind in (nir.IF, nir.I) else self.gain(tau, shape, unscaled),
            "v_leak": np.zeros(shape, np.float32) if self.plain else self.numbers(shape, -0.3, 0.3),
            "v_threshold": self.numbers(shape, 0.2, 1.5),
            "v_reset": np.zeros(shape, np.float32) if self.plain else self.numbers(shape, -0.5, 0.1),
            "w_in": self.gain(syn, shape, unscaled),
            "threshold": self.numbers(shape, 0.2, 1.5),
        }
        fields = kind.__dataclass_fields__
        resets = self.resets(kind, values["v_reset"])
        return kind(**{name: value for name, value in values.items() if name in fields}, metadata=resets)

    def resets(self, kind: type[nir.NIRNode], v_reset: Array) -> dict[str, Any]:
        """Metadata of a node: what its spikes do to the potential, in the words that this toolchain and others use."""
        if kind not in (nir.LIF, nir.IF, nir.CubaLIF) or not self.plain:
            return {}
        return {"reset_mechanism": self.one_of(*RESET_MECHANISMS), "reset_delay": int(self.one_of(False, True))}

    def gain(self, tau: Array, shape: Shape, unscaled: bool) -> Array:
        """tau / dt, so that the input is not scaled by the leak, or something between."""
        return tau / np.float32(DT) if unscaled else self.numbers(shape, 5, 20)

    def weights(self, *shape: int) -> Array:
        spread = 1 / np.sqrt(np.prod(shape[1:]))
        return self.rng.normal(0.5 * spread, spread, shape).astype(np.float32)

    def numbers(self, shape: Shape, low: float, high: float) -> Array:
        """One number everywhere, or each its own."""
        alike = self.one_of(True, False)
        return np.broadcast_to(self.rng.uniform(low, high, () if alike else shape), shape).astype(np.float32)

    def is_odd(self, what: str) -> bool:
        if self.chance(ODD):
            self.odd.append(what)
            return True
        return False
