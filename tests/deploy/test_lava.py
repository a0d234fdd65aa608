"""Lava against a plain layer-synchronous reference: the same spikes, u and v, after the shift of each layer.

The reference below is slow and obvious on purpose, and shares no code with any runner.
"""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from deploy.errors import RunnerError
from deploy.network import (
    Conv,
    Delay,
    Dense,
    Flatten,
    GridNeuron,
    Input,
    Network,
    Neuron,
    Node,
    Output,
    Scale,
)
from deploy.runners import lava
from deploy.runners.python310 import find_python310, find_uv
from deploy.trace import Trace

Array = NDArray[Any]
State = dict[str, Array]


def _why_not() -> str | None:
    try:
        find_uv()
        find_python310()
    except RunnerError as error:
        return str(error)
    return None


MISSING = _why_not()
needs_lava = [pytest.mark.lava, pytest.mark.skipif(MISSING is not None, reason=f"Lava cannot run here: {MISSING}")]


# The reference.


def correlate(x: Array, node: Conv) -> Array:
    """Cross-correlation of (C, H, W), one output at a time."""
    out, per_group, kh, kw = node.weight.shape
    (sh, sw), (ph, pw), (dh, dw) = node.stride, node.padding, node.dilation
    x = np.pad(x, ((0, 0), (ph, ph), (pw, pw)))
    height = (x.shape[1] - dh * (kh - 1) - 1) // sh + 1
    width = (x.shape[2] - dw * (kw - 1) - 1) // sw + 1
    y = np.zeros((out, height, width), np.result_type(x, node.weight))
    for o in range(out):
        first = o // (out // node.groups) * per_group
        for i in range(height):
            for j in range(width):
                rows = slice(i * sh, i * sh + dh * (kh - 1) + 1, dh)
                columns = slice(j * sw, j * sw + dw * (kw - 1) + 1, dw)
                y[o, i, j] = (x[first : first + per_group, rows, columns] * node.weight[o]).sum()
    return y


def shifted(a: Array, exponent: int) -> Array:
    return a << exponent if exponent >= 0 else a >> -exponent


def grid_step(node: GridNeuron, state: State, a: Array) -> Array:
    """One step of spec'd integers; u is kept after a spike."""
    tz = lambda x: np.sign(x) * (np.abs(x) >> 12)  # noqa: E731
    u = tz(state["u"] * (4096 - (node.du + 1))) + (a << 6)
    assert np.abs(u).max() < 1 << 23, "the test network wraps; choose smaller weights"
    v = np.clip(tz(state["v"] * (4096 - node.dv)) + u + node.bias, 1 - (1 << 23), (1 << 23) - 1)
    spike = np.zeros(node.shape, bool) if node.vth is None else v > (node.vth << 6)
    state["u"], state["v"] = u, np.where(spike, 0, v)
    return spike


def float_step(node: Neuron, state: State, x: Array) -> Array:
    current_gain = 1.0 if node.current_gain is None else node.current_gain
    u = x if node.current_keep is None else node.current_keep * state["u"] + current_gain * x
    v = node.keep * state["v"] + node.gain * u + node.bias
    spike = np.zeros(node.shape, bool) if node.threshold is None else v > node.threshold
    state["u"], state["v"] = u, np.where(spike, node.reset, v)
    return spike


def apply(node: Node, x: Array, step: int, past: list[Array]) -> Array:
    match node:
        case Dense():
            y = shifted(node.weight @ x, node.weight_exp) if node.weight_exp else node.weight @ x
            return y if node.bias is None else y + node.bias
        case Conv():
            y = shifted(correlate(x, node), node.weight_exp) if node.weight_exp else correlate(x, node)
            return y if node.bias is None else y + node.bias[:, None, None]
        case Flatten():
            return x.ravel()
        case Scale():
            return x * node.factor
        case Delay():
            past.append(x)
            return past[step - node.steps] if step >= node.steps else np.zeros_like(x)
        case _:
            return x


def reference(network: Network, frames: Array, dtype: type = np.int64) -> dict[str, State]:
    """Spikes, u and v (R, T, ...) of every neuron, layer-synchronous."""
    kept: dict[str, dict[str, list[Array]]] = {n: {"spikes": [], "u": [], "v": []} for n in network.neurons}
    for recording in frames:
        states = {n: {k: np.zeros(c.shape, dtype) for k in "uv"} for n, c in network.neurons.items()}
        past: dict[str, list[Array]] = {name: [] for name in network.nodes}
        before = {name: np.zeros(shape, dtype) for name, shape in network.shapes.items()}
        for step, frame in enumerate(recording):
            now: dict[str, Array] = {}
            for name in network.order:
                node = network.nodes[name]
                late = {source: (source, name) in network.recurrent_edges for source in network.sources(name)}
                x = sum((before if late[s] else now)[s] for s in network.sources(name)) + np.zeros((), dtype)
                if isinstance(node, Input):
                    now[name] = frame.astype(dtype)
                elif isinstance(node, GridNeuron | Neuron):
                    advance = grid_step if isinstance(node, GridNeuron) else float_step
                    now[name] = advance(node, states[name], x).astype(dtype)  # pyright: ignore
                    for kind, value in (("spikes", now[name] > 0), *states[name].items()):
                        kept[name][kind].append(value)
                else:
                    now[name] = apply(node, x, step, past[name])
            before = now
    shape = frames.shape[:2]
    return {
        name: {kind: np.stack(values).reshape(*shape, *values[0].shape) for kind, values in kinds.items()}
        for name, kinds in kept.items()
    }


def assert_same(network: Network, frames: Array, trace: Trace, *, spiking: float = 0.01) -> None:
    """Every spike, and u and v where kept, equal; every spiking layer spikes in more than `spiking` of its steps."""
    expected = reference(network, frames)
    assert trace.steps == frames.shape[1]
    for name, node in network.neurons.items():
        assert isinstance(node, GridNeuron)
        if node.vth is not None:
            spikes = trace.aligned("spikes", name)
            assert spiking < spikes.mean() < 0.9, f"{name}: {spikes.mean():.4f} of its steps spike; that proves little"
            np.testing.assert_array_equal(spikes, expected[name]["spikes"], err_msg=f"{name}: spikes")
        for kind, kept in (("u", trace.u), ("v", trace.v)):
            if name in kept:
                states = trace.aligned(kind, name)
                assert states.dtype == np.int32
                np.testing.assert_array_equal(states, expected[name][kind][: len(states)], err_msg=f"{name}: {kind}")


# Networks.


def even(rng: np.random.Generator, *shape: int, largest: int = 120) -> Array:
    """Weights of mixed sign on the grid, a little more excitation than inhibition."""
    return rng.integers(-largest // 3, largest // 2, shape) * 2


def cells(
    *shape: int, vth: int | None = 100, du: int = 4095, dv: int = 400, bias: Array | int = 0, **changes: Any
) -> GridNeuron:
    values = {"du": du, "dv": dv, "bias": bias, "vth": vth} | changes
    arrays = {name: None if value is None else np.asarray(value) for name, value in values.items()}
    return GridNeuron(shape=shape, **arrays)  # pyright: ignore


def chain(**nodes: Node) -> Network:
    names = [name.replace("in_", "input") for name in nodes]
    return Network(nodes=dict(zip(names, nodes.values(), strict=True)), edges=tuple(pairwise(names)))


def events(rng: np.random.Generator, recordings: int, steps: int, shape: tuple[int, ...], rate: float = 0.15) -> Array:
    return (rng.random((recordings, steps, *shape)) < rate).astype(np.uint8)


def conv_conv_dense(rng: np.random.Generator) -> Network:
    """Biases everywhere, all of Conv's geometry, one layer without decay and one with a decaying current."""
    return chain(
        input=Input(shape=(2, 9, 11)),
        conv1=Conv(weight=even(rng, 4, 2, 3, 2), stride=(2, 1), padding=(1, 0)),
        lif1=cells(4, 5, 10, bias=rng.integers(-300, 900, (4, 1, 1)), dv=0),
        conv2=Conv(weight=even(rng, 6, 2, 2, 3), groups=2, dilation=(1, 2), padding=(0, 1)),
        lif2=cells(6, 4, 8, vth=180, du=2047, bias=rng.integers(-300, 500, (6, 4, 8))),
        flatten=Flatten(),
        fc=Dense(weight=even(rng, 5, 192, largest=40)),
        lif3=cells(5, vth=700, bias=rng.integers(-40, 60, 5) * 128),
        output=Output(),
    )


@pytest.mark.parametrize("_", [pytest.param(0, marks=needs_lava)])
def test_a_biased_network_of_convolutions_and_a_dense_layer_is_the_same_spike_by_spike(_: int) -> None:
    rng = np.random.default_rng(0)
    network = conv_conv_dense(rng)
    frames = events(rng, 3, 20, network.input_shape)
    trace = lava.run(network, frames, keep_states=2)
    assert_same(network, frames, trace)
    counts = trace.aligned("spikes", "lif3").sum(axis=1)
    np.testing.assert_array_equal(trace.predictions, counts.argmax(axis=1))
