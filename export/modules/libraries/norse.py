"""norse's neurons (1.1.0): the cells LIFBox, LIF, IAF and LI, the last three over time, those with weights inside.

    LIFBox  v = v + dt tau_mem_inv (v_leak - v + x)
    LIF     i = i + x, v = v + dt tau_mem_inv (v_leak - v + i), and only then i = i - dt tau_syn_inv i
    IAF     v = v + x
    LI      as LIF, without spikes: it gives v

A spike where v > v_th sets v to v_reset (LIFBox with `reset_subtract`: takes v_th off). LIF and LIFBox start at v_leak,
IAF at v_reset. The current of LIF before its decay is u of `FloatNeuron`: what arrives acts in the same step.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any

import torch
from torch import nn

from export.modules.cells import Cells, fires_at_threshold
from export.modules.host import Follow, Host
from export.modules.refusal import ModuleRefusedError


def rest(layer: nn.Module) -> None:
    """norse keeps no states."""


def _follow(layer: Any, args: tuple[Any, ...], kwargs: dict[str, Any], forward: Callable[..., Any], host: Host) -> Any:
    passed = dict(zip(("input_tensor", "state"), args, strict=False)) | kwargs
    x, state = passed["input_tensor"], passed.get("state")
    output, after = host.run(lambda: forward(*args, **kwargs))
    start = None if state is None or state.v.shape != after.v.shape else state.v
    form = "step" if type(layer).__name__.endswith("Cell") else "time-first"
    host.cells(layer, _cells(layer), x, output, form, state=start, potential=after.v)
    host.given(layer, output)
    return output, after


def _follow_recurrent(
    layer: Any, args: tuple[Any, ...], kwargs: dict[str, Any], forward: Callable[..., Any], host: Host
) -> Any:
    """The same with the weights inside; over time it is taken step by step, so that feedback is seen."""
    if not host.following:
        output, after = forward(*args, **kwargs)
        host.given(layer, output)
        return output, after
    passed = dict(zip(("input_tensor", "state"), args, strict=False)) | kwargs
    x, state = passed["input_tensor"], passed.get("state")
    over_time = type(layer).__name__ == "LIFRecurrent"
    outputs = []
    for now in x.unbind(0) if over_time else (x,):
        arriving = torch.nn.functional.linear(now, layer.input_weights)
        if state is not None:
            arriving = arriving + torch.nn.functional.linear(state.z, layer.recurrent_weights)
        before = state or host.run(lambda: layer.state_fallback(x))
        weights = (layer.input_weights, layer.recurrent_weights, layer.p, layer.dt)
        output, after = host.run(
            lambda now=now, before=before, weights=weights: layer.activation(now, before, *weights)
        )
        host.cells(layer, _cells(layer), arriving, output, "step", state=state and state.v, potential=after.v)
        outputs.append(output)
        state = after
    whole = torch.stack(outputs) if over_time else outputs[0]
    host.given(layer, whole)
    return whole, state


def _follow_weighted(
    layer: Any, args: tuple[Any, ...], kwargs: dict[str, Any], forward: Callable[..., Any], host: Host
) -> Any:
    """A leaky integrator with weights inside, a step a call."""
    passed = dict(zip(("input_tensor", "state"), args, strict=False)) | kwargs
    x, state = passed["input_tensor"], passed.get("state")
    if host.following:
        x = torch.nn.functional.linear(x, layer.input_weights)
    output, after = host.run(lambda: forward(*args, **kwargs))
    start = None if state is None or state.v.shape != after.v.shape else state.v
    host.cells(layer, _cells(layer), x, output, "step", state=start, potential=after.v)
    host.given(layer, output)
    return output, after


def _cells(layer: Any) -> Cells:
    p, kind = layer.p, type(layer).__name__
    rate = layer.dt * torch.as_tensor(getattr(p, "tau_mem_inv", 0.0)).double()
    syn = layer.dt * torch.as_tensor(getattr(p, "tau_syn_inv", 0.0)).double()
    if kind in LEAKY:
        return Cells(keep=1 - rate, gain=rate, leak=p.v_leak, start=p.v_leak, current_keep=1 - syn, dt=layer.dt)
    functional = import_module("norse.torch.functional.threshold")
    fire = {
        "threshold": p.v_th,
        "at_threshold": fires_at_threshold(lambda x: functional.threshold(x, p.method, p.alpha)),
        "reset": p.v_reset,
        "dt": layer.dt,
    }
    if kind.startswith("IAF"):
        return Cells(keep=1.0, start=p.v_reset, **fire)
    name = getattr(getattr(p, "reset_method", None), "__name__", "reset_value")
    if name not in ("reset_value", "reset_subtract"):
        raise ModuleRefusedError(f"the reset method {name}; use reset_value or reset_subtract")
    return Cells(
        keep=1 - rate,
        gain=rate,
        leak=p.v_leak,
        start=p.v_leak,
        current_keep=None if "Box" in kind else 1 - syn,
        reset_mechanism="subtract" if name == "reset_subtract" else "zero",
        **fire,
    )


LEAKY = ("LICell", "LI", "LILinearCell")
FOLLOW: dict[str, Follow] = {
    **dict.fromkeys(("LIFBoxCell", "LIFCell", "LIF", "IAFCell", "IAF", "LICell", "LI"), _follow),
    "LILinearCell": _follow_weighted,
    **dict.fromkeys(("LIFRecurrentCell", "LIFRecurrent"), _follow_recurrent),
}
BASES = STATEFUL = ("SNNCell", "SNNRecurrentCell", "SNN", "SNNRecurrent", "LILinearCell")
REST: Callable[[nn.Module], None] = rest
SAVED_STATES: tuple[str, ...] = ()
