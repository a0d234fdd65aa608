"""From a float network to one on Loihi's integer grid, without torch; layer by layer, in order of execution."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import log2

import numpy as np

from deploy import grid
from deploy.errors import GridError, UnsupportedError
from deploy.grid.chips import find_chip
from deploy.network import Array, Input, Network, Neuron, Node, Output, reset_in_words
from deploy.passes.preparation import prepare_for_grid
from deploy.quantization.rounding import FloatLayer, GridLayer, clipping, collect_layer, largest_scale, round_layer
from deploy.runners import floating, integer
from deploy.traces.trace import Trace

METHODS = ("spike-error", "max", "percentile")
CLIPS = (1.0, 0.85, 0.93, 1.08, 1.17, 1.3, 1.5, 1.8, 2.2)
"""Scales that "spike-error" tries, as multiples of the largest at which no weight saturates; ties go to the first."""

WEIGHT_COST = 1e-3
"""What a change of all weights by their own size counts beside the error: it decides where few spikes arrive."""

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
        frames: (R, T, *input_shape) calibration recordings; at most 64, evenly spaced, are used.
        weight_bits: bits per weight, 1 to 8.
        method: how the scale of each layer is chosen: "max" (no weight saturates), "percentile" (99.9 % of them do
            not), or "spike-error" (the scale whose spikes differ least from the float network's).
        chip: its name (`deploy.grid.chips`); all share this arithmetic, some take binary frames only.

    Returns:
        A network on the grid whose `report` tells, parameter by parameter, what changed.

    Raises:
        UnsupportedError: something that the grid cannot express, by name.
        GridError: a value that the grid cannot hold.
    """
    return quantize_layers(network, frames, weight_bits=weight_bits, method=method, chip=chip).network


@dataclass(frozen=True, kw_only=True)
class Quantization:
    """A network on the grid and how it got there: its float form with everything linear folded, and each layer."""

    network: Network
    prepared: Network
    layers: tuple[GridLayer, ...]


def quantize_layers(network: Network, frames: Array, *, weight_bits: int, method: str, chip: str) -> Quantization:
    """What `quantize` does, with the steps in between; takes and raises the same."""
    if network.on_grid:
        raise UnsupportedError("this network is on the grid already")
    if not 1 <= weight_bits <= grid.WEIGHT_BITS:
        raise GridError(
            f"weight_bits (={weight_bits}) must lie between 1, or 2 for weights of both signs, and {grid.WEIGHT_BITS}"
        )
    if method not in METHODS:
        raise GridError(f"method {method!r} is not known; use one of {METHODS}")
    limits = find_chip(chip)
    if 0 in frames.shape[:2]:
        raise GridError(f"frames of shape {frames.shape} hold nothing to calibrate on; give at least one recording")
    require_counts(np.max(frames), chip)
    for name, neuron in network.neurons.items():
        if not (limits.programmable_neurons or neuron.resets_at_once):
            raise GridError(
                f"{name}: has {reset_in_words(neuron)}; {chip} resets to 0 in the step of the spike alone. Train with "
                "that (snnTorch: reset_mechanism='zero', reset_delay=False), or use --chip loihi2"
            )
    prepared = prepare_for_grid(network)
    frames = frames[:: -(-len(frames) // CALIBRATION)]
    wanted = floating.run(prepared, frames, states=len(frames))
    current, layers = prepared, []
    given = {prepared.input: frames}
    """What nodes of the network so far send on: the input, and each layer that is on the grid."""
    for name in prepared.neurons:
        layer = collect_layer(prepared, name)
        base = largest_scale(layer, weight_bits, _largest_state(wanted, name))
        tried = [
            _Candidate.of(current, round_layer(layer, base * clip, weight_bits, clip=clip), given, wanted)
            for clip in _clips(layer, method)
        ]
        best = min(tried, key=lambda candidate: candidate.cost)
        current, given[name] = best.network, best.spikes
        layers.append(best.layer)
    report = tuple(change for layer in layers for change in layer.changes)
    return Quantization(
        network=current.replace(chip=chip, report=report, exit_margin=None), prepared=prepared, layers=tuple(layers)
    )


def require_counts(largest: float, chip: str) -> None:
    """Raises GridError where frames hold counts, up to `largest`, that a chip does not take."""
    if largest > 1 and not find_chip(chip).graded_spikes:
        raise GridError(
            f"{chip} takes spikes of 0 or 1, these frames hold counts up to {largest}; bin with max_count=1"
        )


@dataclass(frozen=True)
class _Candidate:
    """A layer at one scale, and how far it is from the float network, given what the layers before really send it.

    The error is the share of differing spikes; for a readout, the mean squared difference of the potentials relative
    to the mean square.
    """

    network: Network
    layer: GridLayer
    spikes: Array
    error: float

    @property
    def cost(self) -> float:
        changes = [change.relative_change for change in self.layer.changes if change.parameter == "weight"]
        return self.error + WEIGHT_COST * max(changes)

    @classmethod
    def of(cls, before: Network, layer: GridLayer, given: Mapping[str, Array], wanted: Trace) -> "_Candidate":
        name = layer.name
        network = _put(before, layer)
        part, start = _part(network, name)
        frames = given[start]
        if not layer.neuron.is_readout:
            spikes = integer.run(part, frames).layers[name].output
            return cls(network, layer, spikes.view(np.uint8), float(np.mean(spikes != wanted.output(name))))
        v = integer.run(part, frames).layers[name].output / (layer.scale * (1 << grid.STATE_BITS))
        error = float(np.mean((v - wanted.output(name)) ** 2) / max(float(np.mean(wanted.output(name) ** 2)), 1e-30))
        return cls(network, layer, np.zeros(v.shape, np.uint8), error)


def _clips(layer: FloatLayer, method: str) -> tuple[float, ...]:
    return {"max": (1.0,), "percentile": (clipping(layer),), "spike-error": CLIPS}[method]


def _largest_state(wanted: Trace, name: str) -> float:
    return max(float(np.abs(wanted.layers[name][kind]).max(initial=0)) for kind in ("u", "v"))


def _put(network: Network, layer: GridLayer) -> Network:
    """Replace a layer by its grid version; `scale_bits` places the file's numbers near the float ones."""
    return network.replace(
        nodes={**network.nodes, **layer.synapses, layer.name: layer.neuron},
        scale_bits={**network.scale_bits, layer.name: round(log2(layer.scale))},
    )


def _part(network: Network, name: str) -> tuple[Network, str]:
    """The part of the network that decides what neuron `name` does, and the node whose values are its frames.

    Where one earlier layer alone feeds it, that is the layer itself; else everything from the input on. What comes
    later and feeds back is left out.
    """
    before: dict[str, None] = {}
    waiting = network.sources(name)
    while waiting:
        node = waiting.pop()
        if node in before:
            continue
        before[node] = None
        if not isinstance(network.nodes[node], Neuron | Input):
            waiting += network.sources(node)
    starts = [node for node in before if isinstance(network.nodes[node], Neuron | Input)]
    if len(starts) == 1 and starts != [name]:
        start = starts[0]
        kept = {name, *before}
    else:
        start = network.input
        kept = _up_to(network, name)
    nodes: dict[str, Node] = {node: network.nodes[node] for node in network.nodes if node in kept}
    nodes |= {start: Input(shape=network.shapes[start]), network.output: Output()}
    edges = tuple(edge for edge in network.edges if set(edge) <= kept and edge[1] != start)
    return network.replace(nodes=nodes, edges=(*edges, (name, network.output))), start


def _up_to(network: Network, name: str) -> set[str]:
    """Neuron `name`, the neurons before it in order of execution, and what lies between them, from the input on."""
    layers = list(network.neurons)
    later = set(layers[layers.index(name) + 1 :])
    kept, waiting = {name}, [name]
    while waiting:
        new = [source for source in network.sources(waiting.pop()) if source not in kept | later]
        kept.update(new)
        waiting += new
    while True:  # what later neurons alone feed goes with them
        unfed = {node for node in kept - {network.input} if not kept.intersection(network.sources(node))}
        if not unfed:
            return kept
        kept -= unfed
