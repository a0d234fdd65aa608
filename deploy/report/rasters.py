"""Rasters small enough for one file: a few thousand neurons a layer, bits packed, deflated, in base64."""

import base64
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from deploy.network import Array
from deploy.traces.trace import Trace

NEURONS = 1024
"""Neurons drawn of one layer: those that differ, then others evenly spread; more rows than this no screen has."""
BUDGET = 3_000_000
"""Bytes of base64 for all rasters together."""


def rasters(expected: Trace, found: Trace, order: list[int]) -> dict[str, Any]:
    """What the page draws: by layer the neurons that are shown, and per recording the bits of both runs.

    Args:
        expected, found: the two traces.
        order: recordings, the most telling first; those that no longer fit the budget are left out.
    """
    layers, used, drawn = [], 0, []
    spikes = [[trace.output(layer)[: max(order) + 1] for trace in (expected, found)] for layer in expected.spiking]
    for layer, (a, b) in zip(expected.spiking, spikes, strict=True):
        shape = a.shape[2:]
        chosen = _chosen((a != b).reshape(*a.shape[:2], -1).any(axis=(0, 1)))
        where = np.stack(np.unravel_index(chosen, shape), axis=1)
        layers.append(
            {
                "name": layer,
                "shape": list(shape),
                "of": int(np.prod(shape)),
                "neurons": ["/".join(map(str, row)) for row in where],
                "differs": bool((a[order[0]] != b[order[0]]).any()),
            }
        )
        for pair in (0, 1):
            spikes[len(layers) - 1][pair] = (a, b)[pair].reshape(*a.shape[:2], -1)[:, :, chosen]
    for recording in order:
        packed = [_pack(pair[side][recording]) for pair in spikes for side in (0, 1)]
        used += sum(map(len, packed))
        if drawn and used > BUDGET:
            break
        drawn.append(
            {
                "recording": recording,
                "bits": packed,
                "differs": any((a[recording] != b[recording]).any() for a, b in spikes),
            }
        )
    return {"steps": expected.steps, "layers": layers, "recordings": drawn}


def _chosen(differs: Array) -> Array:
    """Indices of the neurons to draw, ascending."""
    count = len(differs)
    if count <= NEURONS:
        return np.arange(count)
    telling = np.flatnonzero(differs)[: NEURONS // 2]
    others = np.setdiff1d(np.linspace(0, count - 1, NEURONS).astype(int), telling)
    return np.sort(np.concatenate([telling, others]))


def _pack(spikes: Array) -> str:
    """(T, n) bool to base64 of deflated bits, step after step, each step from a full byte on."""
    return base64.b64encode(zlib.compress(np.packbits(spikes, axis=1).tobytes(), 9)).decode()


def telling_order(expected: Trace, found: Trace) -> list[int]:
    """Recordings that differ, earliest first, then the others."""
    recordings = min(expected.recordings, found.recordings)
    earliest = np.full(recordings, expected.steps)
    for when in _first_steps(expected, found, recordings):
        earliest = np.minimum(earliest, when)
    return [int(r) for r in np.argsort(earliest, kind="stable")]


def _first_steps(expected: Trace, found: Trace, recordings: int) -> Iterator[Array]:
    for layer in expected.spiking:
        a, b = (trace.output(layer)[:recordings] for trace in (expected, found))
        apart = (a != b).reshape(*a.shape[:2], -1).any(axis=2)
        yield np.where(apart.any(axis=1), apart.argmax(axis=1), expected.steps)
