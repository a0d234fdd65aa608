"""A plain layer-synchronous simulation of a network, slow and obvious on purpose.

It shares no code with any runner.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from deploy.network import Conv, Delay, Dense, FloatNeuron, GridNeuron, Input, Network, Neuron
from tests.deploy.oracles import apply, current, saturated, voltage
from tests.deploy.runners.reference import after_reset

Array = NDArray[Any]
State = dict[str, Array]


def grid_step(node: GridNeuron, state: State, a: Array) -> Array:
    """One step of spec'd integers; u is kept after a spike."""
    u = current(state["u"], a, node.du)
    assert np.abs(u).max() < 1 << 23, "the test network wraps; choose smaller weights"
    driven = voltage(state["v"], u, node.bias, node.dv)
    if node.vth is None:
        state["u"], state["v"] = u, saturated(driven)
        return np.zeros(node.shape, bool)
    limit = node.vth << 6
    if node.reset_delay:
        driven = after_reset(node.reset_mechanism, driven, state["v"] > limit, limit)
    v = saturated(driven)
    spike = v > limit
    state["u"], state["v"] = u, v if node.reset_delay else after_reset(node.reset_mechanism, v, spike, limit)
    return spike


def float_step(node: FloatNeuron, state: State, x: Array) -> Array:
    current_gain = 1.0 if node.current_gain is None else node.current_gain
    u = x if node.current_keep is None else node.current_keep * state["u"] + current_gain * x
    v = node.keep * state["v"] + node.gain * u + node.bias
    spike = np.zeros(node.shape, bool) if node.threshold is None else v > node.threshold
    state["u"], state["v"] = u, np.where(spike, node.reset, v)
    return spike


def delayed(steps: int, x: Array, past: list[Array]) -> Array:
    past.append(x)
    return past[-1 - steps] if len(past) > steps else np.zeros_like(x)


def reference(network: Network, frames: Array, dtype: type = np.int64) -> dict[str, State]:
    """Spikes, u and v (R, T, ...) of every neuron, layer-synchronous."""
    kept: dict[str, dict[str, list[Array]]] = {n: {"spikes": [], "u": [], "v": []} for n in network.neurons}
    for recording in frames:
        states = {n: {k: np.zeros(c.shape, dtype) for k in "uv"} for n, c in network.neurons.items()}
        past: dict[str, list[Array]] = {name: [] for name in network.nodes}
        before = {name: np.zeros(shape, dtype) for name, shape in network.shapes.items()}
        for name, node in network.nodes.items():
            if isinstance(node, Dense | Conv):  # in these networks only neurons feed what closes a cycle
                before[name] = apply(node, before[network.sources(name)[0]][None])[0].astype(dtype)
        for frame in recording:
            now: dict[str, Array] = {}
            for name in network.order:
                node = network.nodes[name]
                late = {source: (source, name) in network.recurrent_edges for source in network.sources(name)}
                x = sum((before if late[s] else now)[s] for s in network.sources(name)) + np.zeros((), dtype)
                if isinstance(node, Input):
                    now[name] = frame.astype(dtype)
                elif isinstance(node, Neuron):
                    advance = grid_step if isinstance(node, GridNeuron) else float_step
                    now[name] = advance(node, states[name], x).astype(dtype)  # pyright: ignore
                    for kind, value in (("spikes", now[name] > 0), *states[name].items()):
                        kept[name][kind].append(value)
                elif isinstance(node, Delay):
                    now[name] = delayed(node.steps, x, past[name])
                else:
                    now[name] = apply(node, x[None])[0]
            before = now
    shape = frames.shape[:2]
    return {
        name: {kind: np.stack(values).reshape(*shape, *values[0].shape) for kind, values in kinds.items()}
        for name, kinds in kept.items()
    }
