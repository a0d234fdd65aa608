"""Search for frames on which two models, or two simulators, differ, and shrink them to the fewest events."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from deploy.checking.witness.aimed import Aimed
from deploy.checking.witness.bounds import cannot_differ
from deploy.checking.witness.found import Sought, Witness
from deploy.checking.witness.mutations import Mutations
from deploy.checking.witness.nearness import potentials
from deploy.checking.witness.polish import polish
from deploy.checking.witness.roam import Roam
from deploy.checking.witness.shrink import shrink
from deploy.checking.witness.sides import Run, Side, differ, side
from deploy.checking.witness.targets import Target, targets
from deploy.errors import DeployError
from deploy.formats.model_file import ModelFile
from deploy.network import Array, GridNeuron, Network
from deploy.network.frames import require_frames
from deploy.runners import integer
from deploy.traces.compare import compare
from deploy.traces.trace import Trace
from deploy.traces.verdict import Difference

STEPS = 16
"""Of the frames that are made where neither recordings nor the model say how many steps there are."""
SHRINKING = 1.0
"""Seconds that a found witness has at least to lose events, and as long again to be left with none in vain; else half
the time of the search, each."""

Given = Network | ModelFile | Path | str | Run
"""A model, its file, or a function of frames (R, T, *input_shape) that gives a trace: a chip of one's own, say."""


def witness(
    first: Given,
    second: Given | None = None,
    *,
    on: str = "integer",
    against: str = "integer",
    seconds: float = 30.0,
    frames: Array | None = None,
    seed: int = 0,
) -> Sought:
    """Search for a recording on which two models differ, or one model on two simulators.

    Two models differ where a spike or a readout's potential does; one model on two simulators, or on a function that
    takes the place of one, also in u and v.

    Args:
        first: on the grid.
        second: what is held against it; default the same model.
        on: the simulator of `second`.
        against: the simulator of `first`.
        seconds: how long to search; shrinking what was found takes at most as long again, or 2 s.
        frames: (R, T, *input_shape) recordings to begin with. Candidates have as many steps, and counts as large.
        seed: of what is drawn by chance.

    Raises:
        UnsupportedError: a model of floats. FramesError: frames that do not fit.
        DeployError: both are the same, or nothing says of what shape frames are.

    >>> import deploy
    >>> sought = deploy.witness(network, network, seconds=1)
    >>> bool(sought), sought.proven
    (False, 'the two models are the same')
    """
    if second is None and on == against:
        raise DeployError(f"nothing to tell apart: one model, both times on {on}; give a second model or simulator")
    if not seconds > 0:
        raise DeployError(f"--seconds (={seconds:g}) must be above 0")
    search = _search(side(first, against), side(first if second is None else second, on), frames, seed)
    began = time.monotonic()
    return (search.aimed if search.pair else search.roam)(began, began + seconds)


@dataclass(frozen=True, kw_only=True)
class _Search:
    """Both sides, what there is to begin with, and what is drawn from.

    pair: both networks, where both run on the integer simulator and have one structure.
    same: one model on both sides, as far as is known.
    """

    one: Side
    other: Side
    starts: Array
    largest: int
    pair: tuple[Network, Network, list[Target]] | None
    same: bool
    mutations: Mutations
    rng: np.random.Generator

    def aimed(self, began: float, until: float) -> Sought:
        assert self.pair is not None
        one, other, found = self.pair
        if not found:
            return Sought(witness=None, seconds=0, tried=0, proven="the two models are the same")
        reason = cannot_differ(one, other, found, self.starts.shape[1], self.largest)
        if reason is not None:
            whatever = f"whatever the input of {self.starts.shape[1]} steps and counts up to {self.largest}"
            return Sought(witness=None, seconds=0, tried=0, proven=f"{reason}, {whatever}")
        aimed = Aimed(one, other, found, self.mutations, self.rng)
        hits = aimed.hits(self.starts, until)
        if hits is None:
            return Sought(witness=None, seconds=time.monotonic() - began, tried=aimed.tried, nearest=aimed.nearest)
        return self._shrunk(hits, aimed.judge, aimed.tried, began, until)

    def roam(self, began: float, until: float) -> Sought:
        guide = self.one.network or self.other.network
        roam = Roam(guide, self.mutations, self.rng)
        found = roam.hit(self.starts, lambda frames: self._both(guide, frames), until)
        if found is None:
            return Sought(witness=None, seconds=time.monotonic() - began, tried=roam.tried, nearest=roam.nearest)
        frames, differs = found
        alone = frames[differs][:1]
        if not self._differ(alone)[0]:
            return Sought(witness=self._witness(frames), seconds=time.monotonic() - began, tried=roam.tried)
        return self._shrunk(alone, self._differ, roam.tried, began, until)

    def _shrunk(self, hits: Array, judge: Callable[[Array], Array], tried: int, began: float, until: float) -> Sought:
        """The witness of the fewest events; the seconds are those until it was found."""
        found = time.monotonic()
        most = max(SHRINKING, (until - began) / 2)
        end = found + most
        fewer = polish(shrink(hits[0], judge, end), judge, self.rng, end)
        shrunk = shrink(fewer, judge, time.monotonic() + most)[None]
        if not self._differ(shrunk)[0]:
            shrunk = hits[:1]
        return Sought(witness=self._witness(shrunk), seconds=found - began, tried=tried)

    def _both(self, guide: Network | None, frames: Array) -> tuple[Trace, Array]:
        """The trace that guides the search, of the integer simulator where a network is known; and what differs."""
        one, other = self.one.run(frames), self.other.run(frames)
        differs = differ(one, other, states=self.same)
        if guide is not None and self.one.on != "integer":
            one = integer.run(guide, frames, states=len(frames))
        return one, differs

    def _differ(self, frames: Array) -> Array:
        return differ(self.one.run(frames), self.other.run(frames), states=self.same)

    def _witness(self, frames: Array) -> Witness:
        one, other = self.one.run(frames), self.other.run(frames)
        verdict = compare(one, other, partial=set(one.layers) != set(other.layers) or one.steps != other.steps)
        return Witness(
            expected=replace(one, frames=frames),
            found=other,
            verdict=verdict,
            thresholds=_thresholds(verdict.first_spike, (self.one, one), (self.other, other)),
        )


def _search(one: Side, other: Side, frames: Array | None, seed: int) -> _Search:
    network = one.network or other.network
    known = network or one.model or other.model
    if frames is None:
        if known is None:
            raise DeployError("two functions do not say of what shape frames are; give some with frames=")
        steps = STEPS if known.binning is None else known.binning.steps
        frames = np.zeros((0, steps, *known.input_shape), np.uint8)
    elif known is not None:
        require_frames(frames, known.input_shape)
    frames = frames.astype(np.uint8)
    most = 1 if known is None or known.binning is None else known.binning.max_count
    largest = max(1, most, int(frames.max(initial=1)))
    rng = np.random.default_rng(seed)
    pair = None
    if one.network is not None and other.network is not None and one.on == other.on == "integer":
        found = targets(one.network, other.network)
        pair = None if found is None else (one.network, other.network, found)
    return _Search(
        one=one,
        other=other,
        starts=frames,
        largest=largest,
        pair=pair,
        same=one.network is None or other.network is None or targets(one.network, other.network) == [],
        mutations=Mutations(rng, frames.shape[1], frames.shape[2:], largest),
        rng=rng,
    )


def _thresholds(first: Difference | None, *sides: tuple[Side, Trace]) -> tuple[tuple[int, int], tuple[int, int]] | None:
    """Of each side, the potential before the reset and the threshold where the first spike differs; None: not known."""
    found = []
    for given, trace in sides:
        if first is None or first.neuron is None or given.network is None:
            return None
        node, record = given.network.nodes.get(first.layer), trace.layers[first.layer].synchronous(trace.steps)
        if not (isinstance(node, GridNeuron) and record.held("u") and record.held("v")):
            return None
        threshold = np.broadcast_to(np.asarray(node.firing_potential), node.shape)[first.neuron]
        found.append((int(potentials(node, record)[(first.recording, first.step, *first.neuron)]), int(threshold)))
    return found[0], found[1]
