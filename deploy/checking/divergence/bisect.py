"""The shortest piece that still fails: fewest steps, then fewest layers, found by running pieces again."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from deploy.errors import DeployError
from deploy.network import Array, Network, Output
from deploy.traces.trace import Trace

RunPiece = Callable[[Network, Array], Trace]
"""Runs a network on frames (1, T, ...), with states."""


@dataclass(frozen=True, kw_only=True)
class Piece:
    """The network up to `layer`, on the first `steps` steps of `recording`, differs; anything shorter does not."""

    recording: int
    steps: int
    layer: str
    layers: int
    runs: int

    def __str__(self) -> str:
        return (
            f"the first {self.steps} step(s) of recording {self.recording}, and the network up to {self.layer} "
            f"({self.layers} layer(s)), still differ; nothing shorter does ({self.runs} runs)"
        )


def bisect(network: Network, run: RunPiece, expected: Trace, frames: Array, recording: int) -> Piece:
    """Halve the steps, then the layers, as long as the piece still differs from the expected trace.

    Args:
        network: the network under test.
        run: how it is run.
        expected: the reference.
        frames: (R, T, ...) of the expected trace.
        recording: one that differs.

    Raises:
        DeployError: the recording does not differ when it is run alone.
    """
    runs = 0

    def fails(piece: Network, steps: int) -> bool:
        nonlocal runs
        runs += 1
        return _differs(run(piece, frames[recording : recording + 1, :steps]), expected, recording, steps)

    if not fails(network, frames.shape[1]):
        raise DeployError(
            f"recording {recording} does not differ when it is run alone: what differs depends on the recordings before"
        )
    steps = _smallest(1, frames.shape[1], lambda n: fails(network, n))
    layers = sorted(network.neurons, key=lambda name: network.depth[name])
    pieces = [up_to(network, name) for name in layers]
    depth = _smallest(1, len(layers), lambda n: any(fails(piece, steps) for piece in pieces[:n]))
    return Piece(recording=recording, steps=steps, layer=layers[depth - 1], layers=depth, runs=runs)


def up_to(network: Network, layer: str) -> Network:
    """The network up to neurons `layer`, whose output becomes the network's."""
    kept, waiting = set[str](), [layer]
    while waiting:
        name = waiting.pop()
        if name not in kept:
            kept.add(name)
            waiting += network.sources(name)
    edges = tuple(edge for edge in network.edges if set(edge) <= kept)
    nodes = {name: node for name, node in network.nodes.items() if name in kept} | {network.output: Output()}
    return network.replace(nodes=nodes, edges=(*edges, (layer, network.output)))


def _smallest(low: int, high: int, fails: Callable[[int], bool]) -> int:
    """The smallest n in [low, high] that fails; `high` is known to, and so is all above the smallest."""
    while low < high:
        middle = (low + high) // 2
        if fails(middle):
            high = middle
        else:
            low = middle + 1
    return low


def _differs(found: Trace, expected: Trace, recording: int, steps: int) -> bool:
    for name, layer in found.layers.items():
        for kind in ("spikes", "v", "u"):
            if layer.held(kind) and recording < expected.layers[name].held(kind):
                a = found.aligned(kind, name)[0, :steps]
                if not np.array_equal(a, expected.aligned(kind, name)[recording, :steps]):
                    return True
    return False
