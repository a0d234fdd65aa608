"""Float neurons: every NIR neuron in the normal form of `deploy.network.Neuron`, and back.

Forward Euler with step dt, as NIR's equations stand:

    tau dv/dt = (v_leak - v) + r I   gives   v' = (1 - dt / tau) v + (dt / tau) r I + (dt / tau) v_leak
    dv/dt = r I                      gives   v' = v + dt r I
    tau_syn dI/dt = -I + w_in S      gives   I' = (1 - dt / tau_syn) I + (dt / tau_syn) w_in S, and v' takes I'
"""

import dataclasses
from typing import Any

import nir
import numpy as np

from deploy.errors import UnsupportedError
from deploy.formats.nir import resets
from deploy.network import Array, FloatNeuron, exactly

NirNeuron = nir.IF | nir.LIF | nir.CubaLIF | nir.I | nir.LI | nir.CubaLI | nir.Threshold
ONE_TOLERANCE = 2.0**-21
"""r and tau are float32 in most files: a gain dt r / tau this close to 1 was 1 before they were rounded."""


def from_nir(name: str, node: NirNeuron, dt: float, *, lift: bool = False) -> FloatNeuron:
    """The normal form of a NIR neuron for steps of `dt` seconds. `lift`: shape (C, L) becomes (C, 1, L).

    Raises:
        UnsupportedError: a time constant that forward Euler cannot take with this dt.
    """
    if lift:
        node = _lifted(node)
    if isinstance(node, nir.Threshold):
        zero, one = np.zeros((), np.float32), np.ones((), np.float32)
        return FloatNeuron(shape=node.threshold.shape, keep=zero, gain=one, bias=zero, threshold=_pack(node.threshold))
    fire: dict[str, Any] = {"threshold": None}
    if isinstance(node, nir.IF | nir.LIF | nir.CubaLIF):
        fire = {"threshold": _pack(node.v_threshold), "reset": _pack(np.asarray(node.v_reset))}
    r = node.r.astype(np.float64)
    if isinstance(node, nir.IF | nir.I):
        one, zero = np.ones((), np.float32), np.zeros((), np.float32)
        return FloatNeuron(shape=r.shape, keep=one, gain=_pack(_near_one(r * dt)), bias=zero, **fire)
    rate = _rate(name, "tau_mem" if isinstance(node, nir.CubaLIF | nir.CubaLI) else "tau", node, dt)
    current: dict[str, Any] = {}
    if isinstance(node, nir.CubaLIF | nir.CubaLI):
        syn = _rate(name, "tau_syn", node, dt)
        current = {"current_keep": _pack(1 - syn), "current_gain": _pack(_near_one(syn * node.w_in))}
    gain, bias = _pack(_near_one(rate * r)), _pack(rate * node.v_leak)
    return FloatNeuron(shape=r.shape, keep=_pack(1 - rate), gain=gain, bias=bias, **current, **fire)


def to_nir(name: str, node: FloatNeuron, dt: float, *, bias_on_synapse: bool) -> nir.NIRNode:
    """The NIR neuron with this normal form; a bias is a leak potential unless a synapse brings it.

    Raises:
        UnsupportedError: NIR has no such neuron.
    """
    node = exactly(name, node, "NIR", FloatNeuron, every_reset=True)
    shape = node.shape
    fire: dict[str, Any] = {}
    if node.threshold is not None:
        fire = {"v_threshold": _spread(node.threshold, shape), "v_reset": _spread(node.rest_potential, shape)}
        fire["metadata"] = resets.describe(node)
    keep, gain = node.keep.astype(np.float64), node.gain.astype(np.float64)
    if np.all(keep == 1):
        if node.has_current or (np.any(node.bias) and not bias_on_synapse):
            raise UnsupportedError(
                f"{name}: keeps its whole potential (beta = 1) and has a "
                f"{'current that decays' if node.has_current else 'bias'}; NIR has no such neuron. "
                "Give it a leak (beta < 1)"
            )
        r = _spread(gain / dt, shape)
        return nir.IF(r=r, **fire) if fire else nir.I(r=r)
    tau = _tau(name, "keep (beta)", node.keep, dt)
    leak = np.zeros(()) if bias_on_synapse else node.bias / (1 - keep)
    common: dict[str, Any] = {"r": _spread(gain * tau / dt, shape), "v_leak": _spread(leak, shape), **fire}
    if node.current_keep is None:
        return nir.LIF(tau=_spread(tau, shape), **common) if fire else nir.LI(tau=_spread(tau, shape), **common)
    tau_syn = _tau(name, "current_keep (alpha)", node.current_keep, dt)
    w_in = _spread(node.input_gain.astype(np.float64) * tau_syn / dt, shape)
    current: dict[str, Any] = {"tau_syn": _spread(tau_syn, shape), "tau_mem": _spread(tau, shape), "w_in": w_in}
    return nir.CubaLIF(**current, **common) if fire else nir.CubaLI(**current, **common)


def _lifted(node: Any) -> Any:
    fields = {k: v[:, None, :] for k, v in vars(node).items() if isinstance(v, np.ndarray) and v.ndim == 2}
    return dataclasses.replace(node, **fields) if fields else node


def _rate(name: str, field: str, node: nir.NIRNode, dt: float) -> Array:
    """dt / tau, after the checks that forward Euler needs."""
    tau = np.asarray(getattr(node, field), np.float64)
    kind = type(node).__name__
    if np.isinf(tau).any():
        raise UnsupportedError(
            f"{name}: {field} is infinite, which is what beta = 1 becomes in some exporters, and the input never "
            f"arrives; write nir.{'IF' if hasattr(node, 'v_threshold') else 'I'} instead of {kind}, or use beta < 1"
        )
    if (tau <= 0).any():
        raise UnsupportedError(f"{name}: {field} (={tau.min()}) must be positive")
    if (tau < dt * (1 - ONE_TOLERANCE)).any():
        raise UnsupportedError(
            f"{name}: {field} (={tau.min():g} s) is shorter than the step dt (={dt:g} s) and forward Euler overshoots; "
            f"read the file with a dt well below {tau.min():g} (norse 1.1 writes tau for --dt 1e-6)"
        )
    return np.minimum(dt / tau, 1.0)


def _tau(name: str, what: str, keep: Array, dt: float) -> Array:
    """The float32 tau from which a reader recovers `keep`, or the nearest one."""
    if np.any(keep >= 1) or np.any(keep < 0):
        raise UnsupportedError(
            f"{name}: {what} lies between {keep.min()} and {keep.max()}; a NIR layer needs 0 <= beta < 1 throughout, "
            "or beta = 1 throughout (integrate and fire). Split the layer or change its leak"
        )
    tau = (dt / (1 - keep.astype(np.float64))).astype(np.float32)
    for other in (np.nextafter(tau, np.float32(0)), np.nextafter(tau, np.float32(np.inf))):
        better = (1 - dt / other.astype(np.float64)).astype(np.float32) == keep
        tau = np.where(better & ((1 - dt / tau.astype(np.float64)).astype(np.float32) != keep), other, tau)
    return tau


def _near_one(gain: Array) -> Array:
    return np.where(np.abs(gain - 1) < ONE_TOLERANCE, 1.0, gain)


def _pack(values: Array) -> Array:
    """float32; one number where all are the same."""
    values = np.asarray(values, np.float32)
    return np.array(values.flat[0]) if values.size and np.all(values == values.flat[0]) else values


def _spread(values: Array, shape: tuple[int, ...]) -> Array:
    return np.broadcast_to(np.asarray(values, np.float32), shape).copy()
