"""From a float network to one on Loihi's integer grid, without torch; layer by layer, in order of execution."""

from collections.abc import Callable
from math import log2

import numpy as np

from deploy import grid
from deploy.chips import GRIDS
from deploy.errors import GridError, UnsupportedError
from deploy.network import Array, Network, Output
from deploy.preparation import prepare_for_grid
from deploy.rounding import FloatLayer, GridLayer, collect_layer, largest_scale, percentile_scale, round_layer
from deploy.runners import floating, integer
from deploy.trace import Trace

METHODS = ("spike-error", "max", "percentile")
CLIPPING = (0.75, 0.85, 0.93, 1.0, 1.08, 1.17, 1.3, 1.5, 1.8, 2.2)
"""Scales that "spike-error" tries, as multiples of the largest at which no weight saturates."""

CALIBRATION = 64
"""Recordings that decide a scale; more change little and cost time."""


def quantize(
    network: Network,
    frames: Array,
    *,
    weight_bits: int = grid.WEIGHT_BITS,
    method: str = "spike-error",
    chip: str = "loihi2",
) -> Network:
    """Put a network on the grid.

    Args:
        network: float; pooling and scaling are folded here.
        frames: (R, T, *input_shape) calibration recordings; the first 64 are used.
        weight_bits: bits per weight, 1 to 8.
        method: how the scale of each layer is chosen: "max" (no weight saturates), "percentile" (99.9 % of them do
            not), or "spike-error" (the scale whose spikes differ least from the float network's).
        chip: the grid's name, "loihi1" or "loihi2"; they share this arithmetic, and loihi1 takes binary frames only.

    Returns:
        A network on the grid whose `report` tells, parameter by parameter, what changed.

    Raises:
        UnsupportedError: something that the grid cannot express, by name.
        GridError: a value that the grid cannot hold.
    """
    if network.on_grid:
        raise UnsupportedError("this network is on the grid already")
    if not 1 <= weight_bits <= grid.WEIGHT_BITS:
        raise GridError(f"weight_bits (={weight_bits}) must lie between 1 and {grid.WEIGHT_BITS}")
    if method not in METHODS:
        raise GridError(f"method {method!r} is not known; use one of {METHODS}")
    if chip not in GRIDS:
        raise GridError(f"grid {chip!r} is not known; use one of {sorted(GRIDS)}")
    if np.max(frames) > 1 and not GRIDS[chip].graded_spikes:
        raise GridError(
            f"{chip} takes spikes of 0 or 1, these frames hold counts up to {np.max(frames)}; bin with max_count=1"
        )
    prepared = prepare_for_grid(network)
    frames = frames[:CALIBRATION]
    wanted = floating.run(prepared, frames, keep_states=len(frames))
    current, report = prepared, []
    for name in prepared.neurons:
        layer = collect_layer(prepared, name)

        def error(scale: float, layer: FloatLayer = layer, before: Network = current) -> float:
            return _error(before, layer, scale, weight_bits, frames, wanted)

        scale = _choose_scale(layer, weight_bits, method, error)
        rounded = round_layer(layer, scale, weight_bits)
        current = _put(current, name, rounded, scale)
        report.extend(rounded.changes)
    return current.replace(grid=chip, report=tuple(report))


def _choose_scale(layer: FloatLayer, bits: int, method: str, error: Callable[[float], float]) -> float:
    base = largest_scale(layer, bits)
    if method == "max":
        return base
    if method == "percentile":
        return percentile_scale(layer, bits)
    return min((base * factor for factor in CLIPPING), key=error)


def _error(network: Network, layer: FloatLayer, scale: float, bits: int, frames: Array, wanted: Trace) -> float:
    """How far the layer is from the float network's, given what the layers before it really send it.

    The share of differing spikes; for a readout, the mean squared difference of the potentials relative to the square.
    """
    name, rounded = layer.name, round_layer(layer, scale, bits)
    until = _until(_put(network, name, rounded, scale), name)
    if rounded.neuron.vth is not None:
        return float(np.mean(integer.run(until, frames).spikes[name] != wanted.spikes[name]))
    got = integer.run(until, frames, keep_states=len(frames)).v[name] / (scale * (1 << grid.STATE_BITS))
    return float(np.mean((got - wanted.v[name]) ** 2) / np.mean(wanted.v[name] ** 2))


def _put(network: Network, name: str, rounded: GridLayer, scale: float) -> Network:
    """Replace a layer by its grid version; `scale_bits` places the file's numbers near the float ones."""
    return network.replace(
        nodes={**network.nodes, **rounded.synapses, name: rounded.neuron},
        scale_bits={**network.scale_bits, name: round(log2(scale))},
    )


def _until(network: Network, name: str) -> Network:
    """The network up to neuron `name`, whose output becomes the network's; what comes later feeds nothing back."""
    kept = set(network.order[: network.order.index(name) + 1])
    kept |= {synapse for synapse in network.sources(name) if set(network.sources(synapse)) <= kept}
    kept.discard(network.output)
    edges = tuple(edge for edge in network.edges if set(edge) <= kept)
    nodes = {node: network.nodes[node] for node in network.nodes if node in kept} | {network.output: Output()}
    return network.replace(nodes=nodes, edges=(*edges, (name, network.output)))
