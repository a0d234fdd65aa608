"""A network made from a module, held against the module itself on the same frames."""

import numpy as np

from deploy.checking.check import decided_by_rounding
from deploy.checking.divergence.evidence import FLOAT_MARGIN
from deploy.network import Array, Network
from deploy.runners import floating
from deploy.traces.compare import compare
from deploy.traces.trace import Trace
from export.modules.refusal import ModuleRefusedError


def require_equal(network: Network, recorded: Trace, frames: Array, places: dict[str, str]) -> None:
    """Run the network on the float runner and hold it against the module's trace.

    Args:
        network: made from the module.
        recorded: what the module gave.
        frames: that it was given.
        places: by node, the line of the user's code that it comes from.

    Raises:
        ModuleRefusedError: a spike that rounding does not explain.
    """
    found = floating.run(network, frames)
    verdict = compare(recorded, found)
    if verdict or _equal_spikes(recorded, found) or decided_by_rounding(network, recorded, found, frames) is not None:
        return
    first = verdict.first
    assert first is not None
    where = f"layer {first.layer}, recording {first.recording}, step {first.step}, neuron {first.neuron}"
    gave, wrong = (_value(first.what, value) for value in (first.expected, first.found))
    raise ModuleRefusedError(
        f"{places.get(first.layer, 'the output')}: the network made from the module differs from it, first in {where}: "
        f"the module gives {gave}, the network {wrong}; what this layer does cannot be translated"
    )


def require_spikes(recorded: Trace, places: dict[str, str]) -> None:
    """Raises ModuleRefusedError where a layer of a module's trace never spikes."""
    if not recorded.spiking:
        raise ModuleRefusedError("the module has no spiking layer, so nothing is proven; give it neurons that spike")
    for name, layer in recorded.spiking.items():
        if not layer.rate():
            raise ModuleRefusedError(
                f"{places[name]}: layer {name} never spikes on these frames, so nothing is proven of it; give frames "
                "at which it does"
            )


def _equal_spikes(recorded: Trace, found: Trace) -> bool:
    """Whether all spikes are equal, and the potentials of readouts within the rounding of float32 sums."""
    if any(not np.array_equal(layer.output, found.layers[name].output) for name, layer in recorded.spiking.items()):
        return False
    pairs = [(layer.output, found.layers[name].output) for name, layer in recorded.layers.items() if layer.is_readout]
    return all(float(np.abs(a - b).max()) <= FLOAT_MARGIN * float(np.abs(a).max()) for a, b in pairs)


def _value(what: str, value: float | None) -> str:
    if value is None:
        return "something else"
    if what == "spike":
        return "a spike" if value else "none"
    return f"{value:g}"
