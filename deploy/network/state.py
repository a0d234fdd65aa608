"""The state of a layer of neurons between two steps, and what a step gives."""

from typing import Any, NamedTuple

from numpy.typing import NDArray

NEVER = 1 << 20
"""The age of a neuron that has not spiked."""


class State(NamedTuple):
    """u, v and how many steps ago each neuron spiked (`NEVER` or more: never); arrays (R, *shape)."""

    u: NDArray[Any]
    v: NDArray[Any]
    age: NDArray[Any]


class Step(NamedTuple):
    """One step of a layer: the state after it, the potential before the reset, and the spikes that it calls for.

    overflows: how often u wrapped or v saturated.
    """

    state: State
    potential: NDArray[Any]
    spikes: NDArray[Any]
    overflows: int = 0
