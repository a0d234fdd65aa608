"""The neurons of a netx layer on the grid, as `get_neuron_params` of lava-dl's `netx/hdf5.py` builds them."""

from math import prod

import numpy as np

from deploy import grid
from deploy.errors import ModelError, UnsupportedError
from deploy.formats.netx.layers import Layer
from deploy.formats.netx.limits import BIAS_UNIT
from deploy.network import Array, GridNeuron, Shape

THRESHOLD_MAX = (1 << 18) - 1
"""What lava-dl's affine layers write so that they never spike."""


def neurons(layer: Layer, shape: Shape, *, last: bool) -> GridNeuron:
    """The neurons of a synaptic layer; without a neuron group netx makes of it an integrator that never spikes.

    The last layer is a readout where its threshold is 131071, the largest that the chip has, or more: only a potential
    within 63 of where it saturates could pass it. iDecay = 0 with vDecay = 4096, a current that adds up and is itself
    the potential, becomes the potential that adds up, which is the same as long as nothing overflows.

    Raises:
        ModelError: a number that is missing or no number of the chip.
        UnsupportedError: what the grid does not have.
    """
    bias = _bias(layer, shape)
    has_neuron = layer.neuron_type() is not None
    i_decay = layer.number("neuron/iDecay", 0, grid.DECAY_ONE) if has_neuron else 0
    v_decay = layer.number("neuron/vDecay", 0, grid.DECAY_ONE) if has_neuron else grid.DECAY_ONE
    threshold = layer.number("neuron/vThMant", 0, THRESHOLD_MAX) if has_neuron else THRESHOLD_MAX
    if has_neuron:
        _refuse_extras(layer)
    readout = last and threshold >= grid.VTH_MAX
    if i_decay == 0:
        if v_decay != grid.DECAY_ONE or not readout or np.any(bias):
            raise UnsupportedError(
                f"{layer.name}: its current never decays (iDecay 0), which the grid has of the last layer alone, "
                "where it never spikes, with vDecay 4096 and no bias; use iDecay 1 to 4096"
            )
        i_decay, v_decay = grid.DECAY_ONE, 0
    return cells(shape, i_decay - 1, v_decay, None if readout else threshold, bias)


def input_neurons(layer: Layer, shape: Shape) -> GridNeuron:
    """The neurons of an input layer. The picture is their bias; here a current of one step, which does the same."""
    _refuse_extras(layer)
    layer.number("neuron/iDecay", 0, grid.DECAY_ONE)
    v_decay = layer.number("neuron/vDecay", 0, grid.DECAY_ONE)
    threshold = layer.number("neuron/vThMant", 0, grid.VTH_MAX - 1)
    return cells(shape, grid.DU_IMMEDIATE, v_decay, threshold, np.zeros((), np.int64))


def cells(shape: Shape, du: int, dv: int, vth: int | None, bias: Array) -> GridNeuron:
    """Neurons with one value a layer, and a bias in units of the state."""
    return GridNeuron(
        shape=shape,
        du=np.array(du, np.int32),
        dv=np.array(dv, np.int32),
        vth=None if vth is None else np.array(vth, np.int32),
        bias=bias.astype(np.int32),
    )


def _refuse_extras(layer: Layer) -> None:
    """What netx reads over, and what would change the spikes."""
    if layer.number("neuron/refDelay", 0, 1 << 20, 1) != 1:
        raise UnsupportedError(
            f"{layer.name}: has a refractory time (refDelay); supported is 1, none. Train without it"
        )
    if layer.number("neuron/weight_exp", -64, 64, 0) != 0:
        raise UnsupportedError(
            f"{layer.name}: has the weight exponent of a batch norm that scales (neuron/weight_exp), which netx does "
            "not read; train with a norm of the mean alone"
        )


def _bias(layer: Layer, shape: Shape) -> Array:
    """One a layer, a channel or a neuron, in units of the state: mantissas << 6."""
    if "bias" not in layer:
        return np.zeros((), np.int64)
    mantissa = layer.numbers("bias")
    if np.any(mantissa < -grid.BIAS_MANTISSA_MAX - 1) or np.any(mantissa > grid.BIAS_MANTISSA_MAX):
        worst = mantissa.flat[np.abs(mantissa).argmax()]
        raise ModelError(
            f"{layer.name}: has a bias of {worst}; the chip holds 13 bits, {-grid.BIAS_MANTISSA_MAX - 1} on"
        )
    if mantissa.size == 1:
        bias = mantissa.reshape(())
    elif mantissa.shape == shape[::-1] and len(shape) == 3:
        bias = mantissa.transpose()
    elif mantissa.size == shape[0]:
        bias = mantissa.reshape(-1, *(1,) * (len(shape) - 1))
    else:
        raise ModelError(
            f"{layer.name}: a bias of shape {mantissa.shape} for neurons {shape}; one value, {shape[0]} or "
            f"{prod(shape)} as (W, H, C) are expected"
        )
    return bias * BIAS_UNIT
