"""snnTorch's neurons (1.0.0): Leaky, Synaptic, RLeaky, RSynaptic.

    Leaky      v = beta v + x, a spike where v > threshold. A delayed "zero" clears v before it decays, but not x: that
               is a hard reset at once. A delayed "subtract" takes the threshold off in the next step.
    Synaptic   i = alpha i + x, v = beta v + i. A delayed "zero" clears all of the next v, i included.
    R...       x is added to what the layer's own spikes of the step before bring; a delayed "zero" clears all of the
               next v. RSynaptic does nothing after a spike with reset_delay=False, so it is delayed either way.

An immediate soft reset is undone in the step after where v was twice the threshold and more: the proof finds that.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from export.modules.cells import Cells, fires_at_threshold
from export.modules.host import Follow, Host
from export.modules.refusal import ModuleRefusedError

STATES = {
    "Leaky": ("mem",),
    "Synaptic": ("syn", "mem"),
    "RLeaky": ("spk", "mem"),
    "RSynaptic": ("spk", "syn", "mem"),
}
"""The states of each class, in the order of the arguments."""


def rest(layer: Any) -> None:
    """Forget all states."""
    for name in STATES.get(type(layer).__name__, ()):
        setattr(layer, name, torch.zeros(0))


def _follow(layer: Any, args: tuple[Any, ...], kwargs: dict[str, Any], forward: Callable[..., Any], host: Host) -> Any:
    kind = type(layer).__name__
    names = STATES[kind]
    passed = dict(zip(("input_", *names), args, strict=False)) | kwargs
    states = {name: getattr(layer, name) if passed.get(name) is None else passed[name] for name in names}
    x = passed["input_"]
    if host.following and "spk" in names:
        before = states["spk"]
        x = x + layer.recurrent(before if before.shape == x.shape else torch.zeros_like(x))
    given = host.run(lambda: forward(*args, **kwargs))
    output = given[0] if isinstance(given, tuple) else given
    host.cells(layer, _cells(layer, kind), x, output, "step", state=_fitting(states["mem"], x), potential=layer.mem)
    host.given(layer, output, layer.mem)
    host.scaled(output, layer.graded_spikes_factor)
    return given


def _fitting(state: Tensor, x: Tensor) -> Tensor | None:
    """snnTorch starts from rest where a state has another shape."""
    return state if state.shape == x.shape else None


def _cells(layer: Any, kind: str) -> Cells:
    for option in ("state_quant", "inhibition"):
        if getattr(layer, option):
            raise ModuleRefusedError(f"{option}, which no network has; leave it out")
    mechanism, delay = layer.reset_mechanism, bool(layer.reset_delay) or kind == "RSynaptic"
    at_once = mechanism == "zero" and (kind == "Leaky" or not delay)
    return Cells(
        keep=layer.beta.clamp(0, 1),
        current_keep=layer.alpha.clamp(0, 1) if "syn" in STATES[kind] else None,
        threshold=layer.threshold,
        at_threshold=fires_at_threshold(layer.spike_grad),
        reset_mechanism=mechanism,
        reset_delay=delay and not at_once,
    )


FOLLOW: dict[str, Follow] = dict.fromkeys(STATES, _follow)
BASES = STATEFUL = ("SpikingNeuron",)
REST: Callable[[nn.Module], None] = rest
SAVED_STATES: tuple[str, ...] = ("mem", "syn", "spk")
