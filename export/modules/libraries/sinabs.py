"""sinabs' neurons (3.1): IAF, LIF and ExpLeak, their squeezed forms, IAF and LIF with feedback; batch first.

    i = alpha_syn (i + x)   with tau_syn, else i = x
    v = alpha_mem v + i     with norm_input v = alpha_mem v + (1 - alpha_mem) i; of an IAF alpha_mem is 1

A spike where v >= spike_threshold takes the threshold off or, with MembraneReset, sets v to 0. The default MultiSpike
gives as many spikes as fit, which a neuron of ours does not; a lower bound of v it does not have either.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any

import torch
from torch import Tensor, nn

from export.modules.cells import Cells
from export.modules.host import Follow, Host
from export.modules.refusal import ModuleRefusedError


def rest(layer: Any) -> None:
    """Forget all states."""
    for name, _ in list(layer.named_buffers(recurse=False)):
        layer.register_buffer(name, torch.zeros(0))


def _follow(layer: Any, args: tuple[Any, ...], kwargs: dict[str, Any], forward: Callable[..., Any], host: Host) -> Any:
    x: Tensor = args[0] if args else kwargs["input_data"]
    state = layer.v_mem if layer.v_mem.numel() else None
    output = host.run(lambda: forward(*args, **kwargs))
    form = "squeezed" if type(layer).__name__.endswith("Squeeze") else "batch-first"
    host.cells(layer, _cells(layer), x, output, form, state=state, potential=layer.v_mem)
    host.given(layer, output)
    return output


def _follow_recurrent(
    layer: Any, args: tuple[Any, ...], kwargs: dict[str, Any], forward: Callable[..., Any], host: Host
) -> Any:
    """Taken step by step, so that what feeds back is seen."""
    if not host.following:
        output = forward(*args, **kwargs)
        host.given(layer, output)
        return output
    x: Tensor = args[0] if args else kwargs["input_data"]
    if not layer.v_mem.numel():
        layer.init_state_with_shape((len(x), *x.shape[2:]))
    cells, state = _cells(layer), None
    outputs: list[Tensor] = []
    for now in x.unbind(1):
        arriving = now
        if outputs:
            arriving = now + layer.rec_connect(outputs[-1]).reshape(now.shape)
        output = host.run(lambda arriving=arriving: _step(layer, arriving))
        host.cells(layer, cells, arriving, output, "step", state=state, potential=layer.v_mem)
        state = layer.v_mem
        outputs.append(output)
    whole = torch.stack(outputs, 1)
    host.given(layer, whole)
    return whole


def _step(layer: Any, arriving: Tensor) -> Tensor:
    """One step of the layer without its feedback."""
    functional = import_module("sinabs.layers.functional.lif")
    spikes, state = functional.lif_forward_single(
        input_data=arriving,
        alpha_mem=layer.alpha_mem_calculated,
        alpha_syn=layer.alpha_syn_calculated,
        state=dict(layer.named_buffers()),
        spike_threshold=layer.spike_threshold,
        spike_fn=layer.spike_fn,
        reset_fn=layer.reset_fn,
        surrogate_grad_fn=layer.surrogate_grad_fn,
        min_v_mem=layer.min_v_mem,
        norm_input=layer.norm_input,
    )
    layer.v_mem = state["v_mem"]
    if layer.alpha_syn_calculated is not None:
        layer.i_syn = state["i_syn"]
    return spikes


def _cells(layer: Any) -> Cells:
    if layer.min_v_mem is not None:
        raise ModuleRefusedError("a lower bound of the potential, min_v_mem, which no network has; use None")
    keep = layer.alpha_mem_calculated.detach().double()
    syn = layer.alpha_syn_calculated
    current = None if syn is None else syn.detach().double()
    gain = 1 - keep if layer.norm_input else 1.0
    common: dict[str, Any] = {"keep": keep, "gain": gain, "current_keep": current}
    common |= {} if current is None else {"current_gain": current}
    if layer.spike_fn is None:
        return Cells(**common)
    _require_single_spikes(layer)
    reset = type(layer.reset_fn).__name__
    if reset == "MembraneReset" and layer.reset_fn.reset_value == 0:
        return Cells(**common, threshold=layer.spike_threshold, at_threshold=True)
    if reset == "MembraneSubtract":
        return Cells(
            **common,
            threshold=layer.spike_threshold,
            at_threshold=True,
            reset_mechanism="subtract",
            reset_by=layer.reset_fn.subtract_value,
        )
    raise ModuleRefusedError(f"the reset {layer.reset_fn}; use MembraneSubtract() or MembraneReset(0)")


def _require_single_spikes(layer: Any) -> None:
    fire = layer.spike_fn
    name = fire.__name__ if isinstance(fire, type) else type(fire).__name__
    if name == "SingleSpike" or (name == "MaxSpike" and fire.max_num_spikes_per_bin == 1):
        return
    raise ModuleRefusedError(f"{name}, which gives several spikes in a step; use spike_fn=SingleSpike")


FOLLOW: dict[str, Follow] = {
    **dict.fromkeys(("IAF", "LIF", "ExpLeak", "IAFSqueeze", "LIFSqueeze", "ExpLeakSqueeze"), _follow),
    **dict.fromkeys(("IAFRecurrent", "LIFRecurrent"), _follow_recurrent),
}
BASES = STATEFUL = ("StatefulLayer",)
REST: Callable[[nn.Module], None] = rest
SAVED_STATES: tuple[str, ...] = ("v_mem", "i_syn")
