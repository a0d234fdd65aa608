"""NIR graphs stepped by forward Euler in plain numpy, float64, straight from the nodes of the nir package.

Slow and obvious on purpose: no reader, no network, no flattening of subgraphs. It shares no code with the product.
"""

from typing import Any

import nir
import numpy as np
from numpy.typing import NDArray

from tests.deploy.oracles import correlate

Array = NDArray[Any]
Edge = tuple[str, str]


class Euler:
    """A graph in the middle of a run. `late` names the edges, by dotted names, that carry the step before.

    `rows` gives spikes, u and v, one for each step of every neuron, by dotted name. `margin` is how near a potential
    has come to its threshold, as a share of it: nearer than rounding, nobody can say who is right.
    """

    def __init__(self, graph: nir.NIRGraph, dt: float, late: set[Edge] = frozenset(), prefix: str = "") -> None:  # pyright: ignore
        self.graph, self.dt, self.prefix, self.late = graph, dt, prefix, late
        self.inner = {
            name: Euler(node, dt, late, f"{prefix}{name}.")
            for name, node in graph.nodes.items()
            if isinstance(node, nir.NIRGraph)
        }
        self.margin = np.inf
        self.before: dict[str, Array] = {}
        self.past: dict[str, list[Array]] = {}
        self.state: dict[str, tuple[Any, Any]] = {}
        self._spikes: dict[str, list[Array]] = {}
        self._u: dict[str, list[Array]] = {}
        self._v: dict[str, list[Array]] = {}

    def step(self, x: Array) -> Array:
        now: dict[str, Array] = {}
        waiting = list(self.graph.nodes)
        while waiting:
            name = waiting.pop(0)
            sources = [a for a, b in self.graph.edges if b == name]
            early = [a for a in sources if (self.prefix + a, self.prefix + name) not in self.late]
            if any(a not in now for a in early):
                waiting.append(name)
                continue
            arriving: list[Any] = [now[a] if a in early else self.before.get(a, self.at_rest(a)) for a in sources]
            node = self.graph.nodes[name]
            now[name] = x if isinstance(node, nir.Input) else self.node(name, node, sum(arriving))
        self.before = now
        self.margin = min([self.margin, *(inner.margin for inner in self.inner.values())])
        return next(now[name] for name, node in self.graph.nodes.items() if isinstance(node, nir.Output))

    def at_rest(self, name: str) -> Any:
        """What a node gives before the first step: zero, or what its bias makes of zeros."""
        match self.graph.nodes[name]:
            case nir.Affine() as node:
                return self.node(name, node, np.zeros(node.weight.shape[1]))
            case nir.Conv2d() as node:
                size = node.input_shape or (1, 1)
                return self.node(name, node, np.zeros((node.weight.shape[1] * node.groups, *size)))
            case nir.Delay() as node:
                return np.zeros(np.shape(node.delay))
            case _:
                return np.zeros(())

    def node(self, name: str, node: Any, x: Any) -> Array:
        match node:
            case nir.NIRGraph():
                return self.inner[name].step(x)
            case nir.Affine():
                return node.weight.astype(float) @ x + node.bias
            case nir.Linear():
                return node.weight.astype(float) @ x
            case nir.Scale():
                return node.scale * x
            case nir.Conv1d():
                weight, stride, dilation = node.weight[:, :, None, :], (1, one(node.stride)), (1, one(node.dilation))
                padding = node.padding if isinstance(node.padding, str) else (0, one(node.padding))
                return convolve(x[:, None], weight, stride, dilation, padding, node.groups, node.bias)[:, 0]
            case nir.Conv2d():
                stride, dilation = pair(node.stride), pair(node.dilation)
                padding = node.padding if isinstance(node.padding, str) else pair(node.padding)
                return convolve(x, node.weight, stride, dilation, padding, node.groups, node.bias)
            case nir.SumPool2d() | nir.AvgPool2d():
                kernel = pair(node.kernel_size)
                ones, channels = np.ones((len(x), 1, *kernel)), len(x)
                total = convolve(x, ones, pair(node.stride), (1, 1), pair(node.padding), channels, np.zeros(channels))
                return total / (kernel[0] * kernel[1]) if isinstance(node, nir.AvgPool2d) else total
            case nir.Flatten():
                return x.ravel()
            case nir.Delay():
                steps = round(float(np.max(node.delay)) / self.dt)
                self.past.setdefault(name, []).append(x)
                return self.past[name][-1 - steps] if len(self.past[name]) > steps else np.zeros_like(x)
            case nir.Output():
                return x
            case _:
                return self.neuron(name, node, x)

    def neuron(self, name: str, node: Any, x: Array) -> Array:
        """tau dv/dt = v_leak - v + r I, tau_syn dI/dt = -I + w_in S; fires above the threshold, then v = v_reset."""
        x = x.astype(float)
        current, v = self.state.get(name, (np.zeros_like(x), np.zeros_like(x)))
        rate = lambda tau: self.dt / tau.astype(float)  # noqa: E731
        if isinstance(node, nir.Threshold):
            current, v = x, x
        elif isinstance(node, nir.IF | nir.I):
            current, v = x, v + self.dt * node.r.astype(float) * x
        elif isinstance(node, nir.LIF | nir.LI):
            current, v = x, v + rate(node.tau) * (node.v_leak - v + node.r.astype(float) * x)
        elif isinstance(node, nir.CubaLIF | nir.CubaLI):
            current = current + rate(node.tau_syn) * (-current + node.w_in.astype(float) * x)
            v = v + rate(node.tau_mem) * (node.v_leak - v + node.r.astype(float) * current)
        else:
            raise AssertionError(f"{name}: {type(node).__name__} is missing here")
        full, out = self.prefix + name, v
        if isinstance(node, nir.Threshold):
            fired = v > node.threshold
            self.margin = min(self.margin, _margin(v, node.threshold))
            v, out = np.where(fired, 0.0, v), fired.astype(float)
            self._spikes.setdefault(full, []).append(fired)
        if isinstance(node, nir.IF | nir.LIF | nir.CubaLIF):
            late = bool(node.metadata.get("reset_delay", False))
            if late:
                v = reset(node, v, self.state.get(name, (0, np.zeros_like(v)))[1] > node.v_threshold)
            fired = v > node.v_threshold
            self.margin = min(self.margin, _margin(v, node.v_threshold))
            v, out = v if late else reset(node, v, fired), fired.astype(float)
            self._spikes.setdefault(full, []).append(fired)
        self._u.setdefault(full, []).append(current)
        self._v.setdefault(full, []).append(v)
        self.state[name] = (current, v)
        return out

    def rows(self, kind: str) -> dict[str, Array]:
        """`kind` ("spikes", "u" or "v") of every neuron, subgraphs included: (T, ...)."""
        found = {name: np.stack(rows) for name, rows in getattr(self, f"_{kind}").items()}
        for inner in self.inner.values():
            found |= inner.rows(kind)
        return found


def reset(node: nir.IF | nir.LIF | nir.CubaLIF, v: Array, spiked: Array) -> Array:
    """NIR's hard reset, or what the node's metadata says in its place."""
    mechanism = node.metadata.get("reset_mechanism", "zero")
    after: dict[str, Any] = {"zero": node.v_reset, "subtract": v - node.v_threshold, "none": v}
    return np.where(spiked, after[mechanism], v)


def _margin(v: Array, threshold: Array) -> float:
    return float(np.min(np.abs(v - threshold) / np.maximum(1, np.abs(v))))


def convolve(x: Array, weight: Array, stride: Any, dilation: Any, padding: Any, groups: int, bias: Array) -> Array:
    """A convolution of (C, H, W) and its bias; 'same' pads an odd rest at the end, as PyTorch does."""
    if isinstance(padding, str):
        spans = [d * (k - 1) for d, k in zip(dilation, weight.shape[2:], strict=True)]
        sides = [(s // 2, s - s // 2) if padding == "same" else (0, 0) for s in spans]
    else:
        sides = [(p, p) for p in padding]
    options: dict[str, Any] = {"stride": stride, "dilation": dilation, "sides": sides, "groups": groups}
    return correlate(x.astype(float)[None], weight.astype(float), **options)[0] + bias[:, None, None]


def pair(value: Any) -> tuple[int, int]:
    values = np.ravel(value)
    return int(values[0]), int(values[-1])


def one(value: Any) -> int:
    return int(np.ravel(value)[0])
