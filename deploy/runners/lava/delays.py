"""Connections between two populations that differ in their delay alone, as one Lava process with a delay a weight."""

from typing import Any

import numpy as np

from deploy import grid
from deploy.runners.lava.parts import Arrays

MAX_DELAY = 63
"""What Lava's fixed-point DelayDense takes."""

Spec = dict[str, Any]


def join_delayed(synapses: list[Spec], arrays: Arrays) -> list[Spec]:
    """The same connections, with parts of one dense layer on the grid joined: each costs Lava a process of the system.

    Args:
        synapses: as `parts.synapse` gives them, with the ends and the delay of each.
        arrays: their weights; those of the joined ones are replaced.
    """
    joined: list[Spec] = []
    for spec in synapses:
        whole = next((other for other in joined if _parts_of_one(other, spec, arrays)), None)
        if whole is None:
            joined.append(spec)
            continue
        weight, part = arrays[whole["weight"]], arrays.pop(spec["weight"])
        key = f"{whole['weight']}.delays"
        before = arrays.get(key, np.full(weight.shape, whole["delay"]))
        arrays[key] = np.where(part != 0, spec["delay"], before)
        arrays[whole["weight"]] = weight + part
        whole |= {"kind": "delay_dense", "delays": key, "delay": 0}
    return joined


def _parts_of_one(one: Spec, other: Spec, arrays: Arrays) -> bool:
    if one["kind"] not in ("dense", "delay_dense") or other["kind"] != "dense":
        return False
    if max(one["delay"], other["delay"]) > MAX_DELAY or any(
        one[key] != other[key] for key in ("from", "to", "weight_exp", "message_bits")
    ):
        return False
    a, b = arrays[one["weight"]], arrays[other["weight"]]
    if not (np.issubdtype(a.dtype, np.integer) and np.issubdtype(b.dtype, np.integer)) or np.any((a != 0) & (b != 0)):
        return False
    return grid.weights_on_grid(a + b)
