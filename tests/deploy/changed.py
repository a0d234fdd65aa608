"""A trace with something changed in one of its layers."""

from dataclasses import replace

from deploy.network import Array
from deploy.traces.trace import Trace


def changed(trace: Trace, layer: str, **fields: Array | int | None) -> Trace:
    """The same trace with other fields in one layer; None takes one out."""
    return replace(trace, layers={**trace.layers, layer: trace.layers[layer].replace(**fields)})
