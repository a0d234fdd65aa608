"""One layer onto the grid at a given scale: its neurons, the synapses that feed them, and what each value became."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import ceil, log2

import numpy as np

from deploy import grid
from deploy.errors import GridError, UnsupportedError
from deploy.network import Array, Conv, Dense, FloatNeuron, GridNeuron, Network, Shape, exactly
from deploy.network.parameters import ParameterChange, compare_parameter
from deploy.passes.even_gain import input_factor, per_channel
from deploy.passes.synapses import synapses_into

STATE_MARGIN = 4.0
"""How many times larger than in calibration a state may become before it saturates."""


@dataclass(frozen=True, kw_only=True)
class FloatLayer:
    """Neurons with everything linear folded into the weights: v = keep v + sum over synapses + bias."""

    name: str
    neuron: FloatNeuron
    synapses: Mapping[str, Dense | Conv]
    """By name, without biases; the weights contain the neuron's gains."""
    bias: Array
    note: str

    @property
    def decays_current(self) -> bool:
        return self.neuron.current_keep is not None and bool(np.any(self.neuron.current_keep != 0))


@dataclass(frozen=True, kw_only=True)
class GridLayer:
    """What a `FloatLayer` became on the grid."""

    name: str
    scale: float
    neuron: GridNeuron
    synapses: Mapping[str, Dense | Conv]
    changes: tuple[ParameterChange, ...] = ()


def collect_layer(network: Network, name: str) -> FloatLayer:
    """Gather neuron `name` and its synapses, each of which feeds this neuron alone.

    Raises:
        UnsupportedError: gains that differ within a channel, which no convolution can absorb; a soft reset by
            something else than the threshold.
    """
    neuron = exactly(name, network.nodes[name], "the quantizer", FloatNeuron, every_reset=True)
    if neuron.reset_mechanism == "subtract" and not neuron.takes_off_threshold:
        raise UnsupportedError(
            f"{name}: a spike takes off {neuron.reset.flat[0]:g} and not its threshold, which is all that the grid can "
            "take off; train with a soft reset by the threshold"
        )
    factor = input_factor(neuron)
    bias, synapses, note = np.asarray(neuron.bias, np.float64), {}, ""
    arriving = np.zeros(())
    for source in synapses_into(network, name, through_time=False):
        node, shape = network.nodes[source], network.shapes[source]
        assert isinstance(node, Dense | Conv)
        gain = _per_channel(name, factor, shape[0])
        weight = node.weight.astype(np.float64) * gain.reshape(-1, *[1] * (node.weight.ndim - 1))
        synapses[source] = replace(node, weight=weight, bias=None)
        if node.bias is not None:
            brought = (node.bias * gain).reshape(-1, *[1] * (len(shape) - 1))
            arriving = arriving + (brought if shape == neuron.shape else _spread(brought, shape, neuron.shape))
    if neuron.current_keep is not None and np.any(neuron.current_keep != 0) and np.any(arriving != 0):
        arriving = arriving / (1 - neuron.current_keep)
        note = "a bias that passed the decaying current now enters the potential; the first steps differ"
    if np.any(neuron.rest_potential != 0):
        # v' = v - reset obeys the same equations with reset 0; only where it starts is different.
        bias = bias - (1 - neuron.keep) * neuron.rest_potential
        note = "a reset potential other than 0 was moved into bias and threshold; the first steps differ"
    return FloatLayer(name=name, neuron=neuron, synapses=synapses, bias=bias + arriving, note=note)


def largest_scale(layer: FloatLayer, bits: int, largest_state: float) -> float:
    """The largest scale at which weights fit `bits` bits, the threshold its 17 bits, and states their 24.

    Branches that meet in one neuron share a scale: the one of finest weights sets it, the others shift their sums
    (weight_exp). Where states would not fit, all branches shift to the right, which costs the sums low bits rather
    than the weights.

    Args:
        layer: the layer.
        bits: bits per weight.
        largest_state: the largest |current| or |potential| expected, in the layer's own units.
    """
    scale = max(_fitting_scales(layer, bits).values())
    if largest_state > 0:
        limit = grid.V_MAX / (1 << grid.STATE_BITS) / STATE_MARGIN / largest_state
        scale /= 2.0 ** max(0, ceil(log2(scale / limit)))
    threshold = layer.neuron.threshold
    highest = 0.0 if threshold is None else float(np.max(threshold - layer.neuron.rest_potential))
    return min(scale, grid.VTH_MAX / highest) if highest > 0 else scale


def clipping(layer: FloatLayer, percentile: float = 99.9) -> float:
    """How much larger the scale may be if only `percentile` percent of the weights must fit."""
    return 1 / min(
        max(float(np.percentile(np.abs(node.weight), percentile)) / float(np.abs(node.weight).max()), 0.1)
        for node in layer.synapses.values()
        if np.any(node.weight)
    )


def round_layer(layer: FloatLayer, scale: float, bits: int, *, clip: float = 1.0) -> GridLayer:
    """Put a layer onto the grid: weights round(w s), threshold round(threshold s), bias in 2^-6 of that.

    Args:
        layer: the layer.
        scale: s.
        bits: bits per weight.
        clip: s is this much larger than the scale at which all weights fit; the largest saturate.

    Raises:
        GridError: a value that the grid cannot hold.
    """
    fitting = _fitting_scales(layer, bits)
    synapses, saturated = {}, {}
    for name, node in layer.synapses.items():
        exponent = ceil(log2(scale / clip / fitting[name]) - 1e-9)
        wanted = node.weight * (scale / 2.0**exponent)
        low, high = grid.weight_range(float(node.weight.min()), float(node.weight.max()), bits)
        saturated[name, "weight"] = int(((wanted < low - 0.5) | (wanted > high + 0.5)).sum())
        rounded = grid.round_weights(wanted, bits).astype(np.int32)
        synapses[name] = replace(node, weight=rounded, weight_exp=exponent)
    neuron, beyond = _round_neuron(layer, scale)
    saturated |= {(layer.name, parameter): count for parameter, count in beyond.items()}
    rounded = GridLayer(name=layer.name, scale=scale, neuron=neuron, synapses=synapses)
    changes = tuple(
        compare_parameter(
            *which, *values, saturated=saturated.get(which, 0), note=layer.note if which[1] == "bias" else ""
        )
        for which, values in before_and_after(layer, rounded).items()
    )
    return replace(rounded, changes=changes)


def before_and_after(layer: FloatLayer, rounded: GridLayer) -> dict[tuple[str, str], tuple[Array, Array]]:
    """By node and parameter, its values before and on the grid, both in the units of the float network."""
    neuron, on_grid, state = layer.neuron, rounded.neuron, rounded.scale * (1 << grid.STATE_BITS)
    values: dict[tuple[str, str], tuple[Array, Array]] = {}
    for name, node in layer.synapses.items():
        synapse = rounded.synapses[name]
        values[name, "weight"] = node.weight, synapse.weight * 2.0**synapse.weight_exp / rounded.scale
    values[layer.name, "bias"] = layer.bias, on_grid.bias / state
    values[layer.name, "keep"] = neuron.keep, 1 - on_grid.dv / grid.DECAY_ONE
    if layer.decays_current and neuron.current_keep is not None:
        values[layer.name, "current_keep"] = neuron.current_keep, 1 - (on_grid.du + 1) / grid.DECAY_ONE
    if neuron.threshold is not None and on_grid.vth is not None:
        values[layer.name, "threshold"] = neuron.threshold - neuron.rest_potential, on_grid.vth / rounded.scale
    return values


def _round_neuron(layer: FloatLayer, scale: float) -> tuple[GridNeuron, dict[str, int]]:
    """The neurons, and by parameter how many of its values hit the end of their range."""
    neuron, name, saturated = layer.neuron, layer.name, {}
    bias = layer.bias * (scale * (1 << grid.STATE_BITS))
    mantissa, exponent = grid.split_bias(bias)
    saturated["bias"] = int((np.abs(bias) > grid.BIAS_MANTISSA_MAX << grid.BIAS_EXPONENT_MAX).sum())
    dv = _decay(name, "potential", neuron.keep, lowest=0)
    du = np.array(grid.DU_IMMEDIATE)
    if layer.decays_current:
        assert neuron.current_keep is not None
        du = _decay(name, "current", neuron.current_keep, lowest=1) - 1
    vth = None
    if neuron.threshold is not None:
        threshold = np.asarray(neuron.threshold - neuron.rest_potential, np.float64)
        if np.any(threshold < 0):
            raise GridError(f"{name}: threshold lies {-threshold.min():g} below the reset; the grid holds 0 and above")
        vth = np.asarray(np.minimum(np.rint(threshold * scale), grid.VTH_MAX), np.int32)
        saturated["threshold"] = int((threshold * scale > grid.VTH_MAX + 0.5).sum())
    du, dv, bias = (np.asarray(values, np.int32) for values in (du, dv, mantissa << exponent))
    resets = {"reset_mechanism": neuron.reset_mechanism, "reset_delay": neuron.reset_delay}
    return GridNeuron(shape=neuron.shape, du=du, dv=dv, vth=vth, bias=bias, **resets), saturated


def _decay(name: str, what: str, keep: Array, *, lowest: int) -> Array:
    decay = np.rint((1 - np.asarray(keep, np.float64)) * grid.DECAY_ONE)
    if np.any((decay < lowest) | (decay > grid.DECAY_ONE)):
        raise GridError(
            f"{name}: keeps {np.asarray(keep).ravel()[:3]} of its {what} in a step; the grid holds decays from "
            f"{lowest}/4096 to 1; change the time constant or dt"
        )
    return decay.astype(np.int64)


def _fitting_scales(layer: FloatLayer, bits: int) -> dict[str, float]:
    """By synapse, the scale at which its largest weight is the largest that `bits` bits hold."""
    scales = {}
    for name, node in layer.synapses.items():
        low, high = float(node.weight.min()), float(node.weight.max())
        smallest, largest = grid.weight_range(low, high, bits)
        if high > 0 and not largest:
            raise GridError(
                f"{name}: has weights of both signs, which take at least 2 bits each; --weight-bits (weight_bits=) "
                f"is {bits}"
            )
        fits = min(largest / high if high > 0 else np.inf, smallest / low if low < 0 else np.inf)
        scales[name] = fits
    finite = [scale for scale in scales.values() if np.isfinite(scale)]
    if not finite:
        raise GridError(f"{layer.name}: every weight that reaches it is 0, so it has no scale; train it or remove it")
    # A branch of zeros fits any scale and must not set it.
    return {name: scale if np.isfinite(scale) else min(finite) for name, scale in scales.items()}


def _per_channel(name: str, factor: Array, channels: int) -> Array:
    if not per_channel(factor, channels):
        raise UnsupportedError(
            f"{name}: its gain differs within a channel, which a convolution cannot absorb; give each channel one "
            "resistance and time constant"
        )
    return factor.reshape(channels, -1)[:, 0]


def _spread(values: Array, shape: Shape, flat: Shape) -> Array:
    """One value a channel of a map, for neurons behind its Flatten."""
    return np.broadcast_to(values, shape).reshape(flat)
