"""Run a network and stop every recording where its answer is clear (`deploy.traces.exits`)."""

import time

import numpy as np

from deploy.errors import RunnerError
from deploy.network import Array, Delay, GridNeuron, Network
from deploy.network.frames import require_frames
from deploy.runners.integer.prepared import Prepared
from deploy.runners.integer.simulator import Simulator, joined
from deploy.runners.table import find_runner, run
from deploy.traces.exits import exit_steps, leads, stopped
from deploy.traces.layers import record_layers
from deploy.traces.prediction import running_votes
from deploy.traces.trace import Trace

BATCH = 64
"""Recordings that are stepped together."""


def run_until_clear(network: Network, frames: Array, margin: float, *, on: str = "integer") -> tuple[Trace, Array]:
    """Run a network over recordings, each until the leading class is `margin` ahead.

    The integer simulator steps no further than that. Other simulators run all steps, which are then cut: no step sees a
    later one, so the answers are the same.

    Args:
        network: any that `on` takes.
        frames: (R, T, *input_shape) counts.
        margin: in grid units of a readout's potential, or in spikes.
        on: the simulator.

    Returns:
        the trace, silent behind the exits, and how many steps every recording took, (R,).

    Raises:
        RunnerError, FramesError, UnsupportedError: as `run`; of a network on the grid, `on` gives potentials in
        floats. TraceError: the output has one class.
    """
    if network.on_grid and find_runner(on).gives == "floats" and network.neurons[network.output_layer].is_readout:
        raise RunnerError(
            f"--on {on}: its potentials are floats, and this model's margin is in grid units; give --on integer or onnx"
        )
    if on != "integer" or not network.on_grid:
        trace = run(network, frames, on=on)
        steps = exit_steps(running_votes(trace.layers[network.output_layer], trace.steps), margin)
        return stopped(trace, network.output_layer, steps), steps
    require_frames(frames, network.input_shape)
    started = time.perf_counter()
    prepared = Prepared.of(network)
    parts = [_stepped(network, prepared, frames[i : i + BATCH], margin) for i in range(0, len(frames), BATCH)]
    return joined([part for part, _ in parts], network, started), np.concatenate([steps for _, steps in parts])


def _stepped(network: Network, prepared: Prepared, frames: Array, margin: float) -> tuple[Trace, Array]:
    simulator = Simulator(network, len(frames), prepared=prepared)
    output, steps = network.output_layer, frames.shape[1]
    readout = network.neurons[output].is_readout
    can_leave = _can_leave(network)
    votes = np.zeros((len(frames), *network.shapes[output]), np.int64)
    took = np.full(len(frames), steps)
    kept = {name: _nothing(node, frames.shape[:2]) for name, node in network.neurons.items()}
    inside = running = np.arange(len(frames))  # in the simulator; of them, those that still go on
    for t in range(steps):
        gave = simulator.advance(frames[inside, t : t + 1])
        places = np.searchsorted(inside, running)
        for name, values in kept.items():
            values[running, t] = gave["v" if network.neurons[name].is_readout else "spikes"][name][places, 0]
        votes[running] = kept[output][running, t] if readout else votes[running] + kept[output][running, t]
        clear = leads(votes[running].reshape(len(running), 1, -1))[:, 0] >= margin
        took[running[clear]] = t + 1
        running = running[~clear]
        if not len(running):
            break
        if can_leave and clear.any():
            simulator.keep(np.searchsorted(inside, running))
            inside = running
    given: dict[str, dict[str, Array]] = {"spikes": {}, "v": {}}
    for name, values in kept.items():
        given["v" if network.neurons[name].is_readout else "spikes"][name] = values
    layers = record_layers(dict.fromkeys(network.neurons, 0), given, simulator.overflows)
    predictions = votes.reshape(len(frames), -1).argmax(axis=1)
    return stopped(Trace(layers=layers, predictions=predictions, frames=frames), output, took), took


def _nothing(node: object, size: tuple[int, ...]) -> Array:
    assert isinstance(node, GridNeuron)
    return np.zeros((*size, *node.shape), np.int32 if node.is_readout else bool)


def _can_leave(network: Network) -> bool:
    """Whether all state of a recording lies in its neurons, and these are of the kind that the kernels step."""
    delays = any(isinstance(node, Delay) for node in network.nodes.values())
    return not delays and not network.recurrent_edges and all(type(n) is GridNeuron for n in network.neurons.values())
