"""The neurons of one node with their state, over channel-last arrays."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from deploy.network import Array, FloatNeuron
from deploy.network.state import State
from deploy.runners.floating.kernels import Float, step_neurons
from deploy.runners.integer.layouts import channel_first, channel_last
from deploy.runners.integer.threads import for_slices

Given = tuple[Array, Array, Array]
"""Spikes as uint8 (of a readout: potentials) (R, T, ..., C), and u and v of the first recordings."""


@dataclass(frozen=True)
class Cells:
    """Those of a `FloatNeuron`; parameters are (n,) float32, channel last, in the kernel's order."""

    parameters: tuple[Float, ...]
    spiking: bool
    kind: tuple[bool, bool, bool, bool, bool]
    u: Float
    v: Float

    @classmethod
    def of(cls, node: FloatNeuron, recordings: int) -> "Cells":
        absent = np.zeros((), np.float32)
        values = (node.keep, node.gain, node.bias, node.threshold, node.reset, node.current_keep, node.input_gain)
        parameters = tuple(_channels_innermost(absent if value is None else value, node) for value in values)
        u, v = (np.zeros((recordings, parameters[0].size), np.float32) for _ in range(2))
        resets = (node.reset_mechanism != "none", node.reset_mechanism == "subtract", node.reset_delay)
        spiking = not node.is_readout
        return cls(parameters, spiking, (spiking, node.has_current, *resets), u, v)

    def reset(self) -> None:
        self.u[:] = 0
        self.v[:] = 0

    def __call__(self, x: Array, keep: int) -> Given:
        """The steps of x (R, T, ..., C); u and v are kept of the first `keep` recordings."""
        flat = np.ascontiguousarray(x, np.float32).reshape(*x.shape[:2], -1)
        recordings, *size = flat.shape
        spikes = np.empty((recordings, *size) if self.spiking else (recordings, 0, 0), np.uint8)
        u = np.empty((keep, *size), np.float32)
        v = np.empty((keep if self.spiking else recordings, *size), np.float32)
        none = np.empty((recordings, 0, 0), np.float32)

        def step(r: slice) -> None:
            edges = sorted({r.start, r.stop, min(max(keep, r.start), r.stop)})
            for start, stop in pairwise(edges):
                part = slice(start, stop)
                u_out, v_out = ((out if start < len(out) else none)[part] for out in (u, v))
                states = (self.u[part], self.v[part], spikes[part], u_out, v_out)
                step_neurons(flat[part], self.parameters, self.kind, *states)

        for_slices(step, recordings)
        kept = (keep, *x.shape[1:])
        out = spikes if self.spiking else v
        return out.reshape(x.shape), u.reshape(kept), v[:keep].reshape(kept)


@dataclass
class Stepped:
    """Those of a kind that the kernel does not know: their own steps, in numpy."""

    node: FloatNeuron
    recordings: int
    state: State

    @classmethod
    def of(cls, node: FloatNeuron, recordings: int) -> "Stepped":
        return cls(node, recordings, node.rest(recordings))

    def reset(self) -> None:
        self.state = self.node.rest(self.recordings)

    def __call__(self, x: Array, keep: int) -> Given:
        steps, given = self.node.run(self.state, channel_first(x))
        self.state = steps[-1].state
        last = {kind: channel_last(values) for kind, values in given.items()}
        out = last["v"] if self.node.is_readout else last["spikes"].view(np.uint8)
        return out, last["u"][:keep], last["v"][:keep]


def _channels_innermost(value: Array, node: FloatNeuron) -> Float:
    full = np.broadcast_to(np.asarray(value, np.float32), node.shape)
    return np.ascontiguousarray(np.moveaxis(full, 0, -1)).ravel()
