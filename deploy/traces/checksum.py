"""A checksum of each step's states: every potential of every recording is compared at 8 bytes a step."""

import numpy as np
from numpy.typing import NDArray

from deploy.network import Array


def digest(states: Array) -> NDArray[np.uint64]:
    """A 64-bit checksum of the neurons of each recording and step.

    The sum over neurons of splitmix64's mix (Steele et al., OOPSLA 2014) of value and position: any two states differ
    in it but for a chance of 2^-64, and it costs less than the step that made them. It guards against mistakes, not
    against forgery.

    Args:
        states: (R, T, ...) integers; taken as int32.

    Returns:
        (R, T) uint64.
    """
    from deploy.traces.mixing import mix

    rows = np.ascontiguousarray(states, dtype=np.int32).reshape(*states.shape[:2], -1)
    return mix(rows)
