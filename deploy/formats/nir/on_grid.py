"""Nodes of a network on the grid as NIR nodes and back: the round trip gives the same integers, types and shapes."""

from collections.abc import Mapping
from typing import Any

import nir
import numpy as np

from deploy.errors import GridError, UnsupportedError, shown
from deploy.formats.nir import resets, scales
from deploy.grid import DECAY_ONE, DU_IMMEDIATE
from deploy.network import Array, Conv, Dense, GridNeuron, Shape, exactly


def is_coded(metadata: Mapping[str, Any]) -> bool:
    """Whether a node's metadata says that its numbers lie on the grid."""
    return "scale_bits" in metadata


def encode_synapse(name: str, node: Dense | Conv, k: int) -> tuple[Array, dict[str, Any]]:
    """The weights as float32 and the metadata to read them back."""
    if node.bias is not None:
        raise GridError(f"{name}: a synapse on the grid has no bias; put it on the neuron it feeds")
    weight = scales.exact32(name, "weight", node.weight.astype(np.float64) * 2.0 ** (node.weight_exp - k))
    metadata = {"scale_bits": k, "weight_exp": node.weight_exp, "arrays": scales.describe({"weight": node.weight})}
    return weight, metadata


def decode_synapse(
    name: str, weight: Array, bias: Array | None, metadata: Mapping[str, Any]
) -> tuple[Array, int, Array]:
    """The integer weights, their exponent, and the bias in units of the state (0 where there is none)."""
    k, weight_exp = int(metadata["scale_bits"]), int(metadata["weight_exp"])
    whole = scales.integers(name, "weight", weight.astype(np.float64) * 2.0 ** (k - weight_exp))
    values = scales.restore(name, metadata.get("arrays"), {"weight": whole})
    state = np.zeros(()) if bias is None else bias.astype(np.float64) * scales.state_units(k)
    return values["weight"], weight_exp, scales.integers(name, "bias", state)


def encode_neuron(name: str, node: GridNeuron, k: int, dt: float, *, bias_in_leak: bool) -> nir.NIRNode:
    """The NIR neuron with the same dynamics; the bias goes into v_leak or is left to a synapse."""
    node = exactly(name, node, "NIR", GridNeuron, every_reset=True)
    shape = node.shape
    zero = np.zeros(shape, np.float32)
    arrays = {"du": node.du, "dv": node.dv, "vth": node.vth, "bias": node.bias}
    metadata: dict[str, Any] = {"scale_bits": k, "arrays": scales.describe(arrays), **resets.describe(node)}
    immediate = not node.has_current
    fire: dict[str, Any] = {}
    if node.vth is not None:
        threshold = scales.exact32(name, "threshold", node.vth.astype(np.float64) * 2.0**-k)
        fire = {"v_threshold": np.broadcast_to(threshold, shape).copy(), "v_reset": zero}
    if not np.any(node.dv):
        if not immediate:
            raise UnsupportedError(
                f"{name}: dv = 0 with a current that decays (du = {shown(node.du)}); NIR has no such neuron. "
                "Use dv >= 1"
            )
        r = np.full(shape, 1 / dt, np.float32)
        return nir.IF(r=r, metadata=metadata, **fire) if fire else nir.I(r=r, metadata=metadata)
    if not np.all(node.dv):
        raise UnsupportedError(f"{name}: some neurons have dv = 0 and some leak; NIR has no such layer. Split it")
    tau = scales.decay_to_tau(name, node.dv, dt, shape)
    leak = _leak_potential(name, node, k) if bias_in_leak else zero
    common: dict[str, Any] = {"r": _per_step(tau, dt), "v_leak": leak, "metadata": metadata, **fire}
    if immediate:
        return nir.LIF(tau=tau, **common) if fire else nir.LI(tau=tau, **common)
    tau_syn = scales.decay_to_tau(name, node.du + 1, dt, shape)
    current: dict[str, Any] = {"tau_syn": tau_syn, "tau_mem": tau, "w_in": _per_step(tau_syn, dt)}
    return nir.CubaLIF(**current, **common) if fire else nir.CubaLI(**current, **common)


def decode_neuron(name: str, node: nir.NIRNode, bias: Array, dt: float) -> GridNeuron:
    """The neuron on the grid; `bias` is what its synapses bring, in units of the state.

    Raises:
        GridError: a parameter does not lie on the grid.
    """
    k = int(node.metadata["scale_bits"])
    r: Array = node.r  # pyright: ignore
    shape: Shape = r.shape
    dv = du = np.zeros(shape, np.int64)
    du = du + DU_IMMEDIATE
    _require(name, "v_reset", getattr(node, "v_reset", 0.0), 0.0)
    if isinstance(node, nir.IF | nir.I):
        _require(name, "r dt", r * np.float64(dt), 1.0)
    else:
        tau: Array = node.tau_mem if isinstance(node, nir.CubaLIF | nir.CubaLI) else node.tau  # pyright: ignore
        dv = scales.tau_to_decay(name, tau, dt)
        _require(name, "r dt / tau", r * np.float64(dt) / tau, 1.0)
        leak = node.v_leak.astype(np.float64) * dv / DECAY_ONE * scales.state_units(k)  # pyright: ignore
        bias = bias + scales.integers(name, "v_leak", leak, scales.FLOAT32_RELATIVE)
    if isinstance(node, nir.CubaLIF | nir.CubaLI):
        du = scales.tau_to_decay(name, node.tau_syn, dt) - 1
        _require(name, "w_in dt / tau_syn", node.w_in * np.float64(dt) / node.tau_syn, 1.0)
    values = {"du": du, "dv": dv, "bias": np.broadcast_to(bias, shape)}
    if hasattr(node, "v_threshold"):
        threshold: Array = node.v_threshold  # pyright: ignore
        values["vth"] = scales.integers(name, "v_threshold", threshold.astype(np.float64) * 2.0**k)
    values = scales.restore(name, node.metadata.get("arrays"), values)
    on_grid = GridNeuron(shape=shape, du=values["du"], dv=values["dv"], vth=values.get("vth"), bias=values["bias"])
    return resets.apply(name, on_grid, resets.said(name, node.metadata) or resets.Reset(), node.metadata)


def _per_step(tau: Array, dt: float) -> Array:
    """tau / dt: the resistance with which an input of 1 raises the state by 1 in a step."""
    return (tau.astype(np.float64) / dt).astype(np.float32)


def _leak_potential(name: str, node: GridNeuron, k: int) -> Array:
    per_step = node.bias.astype(np.float64) / scales.state_units(k)
    leak = np.broadcast_to((per_step * DECAY_ONE / node.dv).astype(np.float32), node.shape).copy()
    back = np.rint(leak.astype(np.float64) * node.dv / DECAY_ONE * scales.state_units(k))
    if not np.array_equal(back, np.broadcast_to(node.bias, node.shape)):
        raise GridError(f"{name}: a bias of up to {np.abs(node.bias).max()} is not exact in float32; quantize again")
    return leak


def _require(name: str, what: str, value: Array | float, expected: float) -> None:
    off = np.abs(np.asarray(value, np.float64) - expected)
    if np.any(off > 4 * scales.FLOAT32_RELATIVE):
        worst = np.asarray(value).ravel()[int(np.argmax(off))]
        raise GridError(
            f"{name}: {what} is {worst} where the grid has {expected}; the file was changed after its export. "
            "Export it again, or compile the float network"
        )
