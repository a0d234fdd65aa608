"""spikingjelly's neurons (2.0.0): IFNode, LIFNode, ParametricLIFNode, step by step or all steps in one call.

    IFNode     v = v + x, a spike where v >= v_threshold
    LIFNode    v = v + (x - (v - v_reset)) / tau, without decay_input v = v - (v - v_reset) / tau + x
    Parametric the same with 1 / tau = sigmoid(w)

v starts at v_reset and is set to it by a spike; with v_reset=None it starts at 0, leaks to 0, and loses v_threshold.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from export.modules.cells import Cells, fires_at_threshold
from export.modules.host import Follow, Host
from export.modules.refusal import ModuleRefusedError


def rest(layer: Any) -> None:
    """Forget the potential; of a container, what it feeds back."""
    layer.reset()


def _follow(layer: Any, args: tuple[Any, ...], kwargs: dict[str, Any], forward: Callable[..., Any], host: Host) -> Any:
    x: Tensor = args[0] if args else kwargs["x"]
    state = layer.v if isinstance(layer.v, Tensor) else None
    output = host.run(lambda: forward(*args, **kwargs))
    form = "step" if layer.step_mode == "s" else "time-first"
    host.cells(layer, _cells(layer), x, output, form, state=state, potential=layer.v)
    host.given(layer, output)
    return output


def _cells(layer: Any) -> Cells:
    if getattr(layer, "_neuron_precision", None) is not None:
        raise ModuleRefusedError("a neuron precision of its own; a network computes in float32, so leave it out")
    rate = 0.0
    kind = type(layer).__name__
    if kind == "LIFNode":
        rate = 1.0 / layer.tau
    elif kind == "ParametricLIFNode":
        rate = torch.sigmoid(layer.w.detach()).double()
    start = 0.0 if layer.v_reset is None else layer.v_reset
    return Cells(
        keep=1 - rate,
        gain=rate if kind != "IFNode" and layer.decay_input else 1.0,
        threshold=layer.v_threshold,
        at_threshold=fires_at_threshold(layer.surrogate_function),
        reset=start,
        leak=start,
        start=start,
        reset_mechanism="subtract" if layer.v_reset is None else "zero",
    )


FOLLOW: dict[str, Follow] = dict.fromkeys(("IFNode", "LIFNode", "ParametricLIFNode"), _follow)
BASES = ("BaseNode", "SimpleBaseNode", "NonSpikingBaseNode")
STATEFUL = ("MemoryModule",)
REST: Callable[[nn.Module], None] = rest
SAVED_STATES: tuple[str, ...] = ()
