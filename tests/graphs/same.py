"""Whether two networks are the same, parameter by parameter."""

from typing import Any

import numpy as np

from deploy.network import Network


def same_nodes(first: Network, second: Network) -> bool:
    """Whether nodes, edges and all parameters are equal, to the bit, the type and the shape."""

    def alike(a: Any, b: Any) -> bool:
        if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
            return a.dtype == b.dtype and a.shape == b.shape and np.array_equal(a, b)
        return a == b

    return (
        first.edges == second.edges
        and list(first.nodes) == list(second.nodes)
        and all(
            type(node) is type(second.nodes[name])
            and all(alike(value, vars(second.nodes[name])[key]) for key, value in vars(node).items())
            for name, node in first.nodes.items()
        )
    )
