"""What a measurement of coverage found out."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from deploy.checking.coverage.mutants import Parameter
from deploy.checking.coverage.nearest import NEAR, Approach
from deploy.checking.coverage.shares import Share, share, together
from deploy.network import Array


@dataclass(frozen=True)
class Group:
    """The changes of one parameter of one node by `step`, of which `total` there are and some were tried.

    spikes: by change tried, the first recording that shows it in a spike of the layer, or in a readout's potential;
    states: in that, or in u or v of the layer; -1: none.
    """

    node: str
    parameter: Parameter
    step: int
    total: int
    spikes: Array
    states: Array

    def shown(self, recordings: int | None = None) -> Share:
        """In spikes, by all recordings or by the first ones."""
        return self._share(self.spikes, recordings)

    def shown_in_states(self) -> Share:
        """In u or v, where a trace keeps them or their checksums."""
        return self._share(self.states, None)

    def _share(self, first: Array, recordings: int | None) -> Share:
        hit = (first >= 0) & (first < (np.inf if recordings is None else recordings))
        return share(int(hit.sum()), len(first), self.total)


@dataclass(frozen=True, kw_only=True)
class Coverage:
    """How much a check on some recordings is worth.

    groups: by node and parameter. approaches: by spiking layer. predictions: the share of changes with which a
    prediction becomes another. not_measured: synapses that do not feed neurons directly. seed, sample: of the draw.
    """

    recordings: int
    steps: int
    groups: tuple[Group, ...]
    approaches: tuple[Approach, ...]
    predictions: Share
    not_measured: tuple[str, ...]
    seed: int
    sample: int

    @property
    def score(self) -> Share:
        """The share of all changes that are shown in a spike of their layer, or in a readout's potential."""
        return self.score_by(self.recordings)

    @property
    def in_states(self) -> Share:
        """The share that u or v of their layer shows."""
        return together([group.shown_in_states() for group in self.groups])

    def score_by(self, recordings: int) -> Share:
        """`score` of the first recordings alone."""
        return together([group.shown(recordings) for group in self.groups])

    def curve(self) -> list[tuple[int, Share]]:
        """The score by 1, 10, 100, ... and all of the recordings."""
        sizes = [10**k for k in range(9) if 10**k < self.recordings]
        return [(size, self.score_by(size)) for size in (*sizes, self.recordings)]

    @property
    def sentence(self) -> str:
        score = self.score
        return (
            f"{self.recordings:,} recordings show {in_words(score)} of {score.total:,} single-step changes in a spike "
            f"or in the readout's potential, {in_words(self.in_states)} in u or v, {in_words(self.predictions)} in a "
            "prediction"
        )

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "recordings": self.recordings,
            "steps": self.steps,
            "seed": self.seed,
            "sample": self.sample,
            "score": self.score._asdict(),
            "in_states": self.in_states._asdict(),
            "in_predictions": self.predictions._asdict(),
            "curve": [{"recordings": size, **score._asdict()} for size, score in self.curve()],
            "groups": [
                {"node": group.node, "parameter": group.parameter, "step": group.step}
                | {"shown": group.shown()._asdict(), "in_states": group.shown_in_states()._asdict()}
                for group in self.groups
            ],
            "layers": [
                {
                    "layer": one.layer,
                    "neurons": one.nearest.size,
                    "silent": int(one.silent.sum()),
                    "far": int(one.far.sum()),
                    "far_is_beyond": NEAR,
                    "never_near": np.argwhere(one.far).tolist(),
                }
                for one in self.approaches
            ],
            "not_measured": list(self.not_measured),
        }


def in_words(part: Share) -> str:
    """ "93.2 % (92.8 to 93.6)": the share, and its 95 % interval where only some were tried."""
    interval = "" if part.tried == part.total else f" ({100 * part.low:.1f} to {100 * part.high:.1f})"
    return f"{100 * part.value:.1f} %{interval}"
