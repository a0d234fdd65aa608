"""What a search for a witness gave: the frames and both runs of them, or how far it came without one; in words."""

from dataclasses import dataclass
from typing import Any

from deploy.network import Array
from deploy.traces.trace import Trace
from deploy.traces.verdict import Difference, Verdict


@dataclass(frozen=True, kw_only=True)
class Witness:
    """A recording on which two runs differ; several, where they differ only one after the other.

    expected, found: the two traces, with u and v where they were given; `expected` holds the frames.
    thresholds: of each side, where a spike differs, the potential before the reset and the threshold; None: not known.
    """

    expected: Trace
    found: Trace
    verdict: Verdict
    thresholds: tuple[tuple[int, int], tuple[int, int]] | None = None

    @property
    def frames(self) -> Array:
        """(R, T, *input_shape) counts, R mostly 1."""
        assert self.expected.frames is not None
        return self.expected.frames

    @property
    def events(self) -> int:
        return int(self.frames.sum())

    @property
    def first(self) -> Difference | None:
        """The first difference that shows outside: a spike, else u or v; None where predictions alone differ."""
        return self.verdict.first_spike or self.verdict.first


@dataclass(frozen=True, kw_only=True)
class Sought:
    """A search that ended. Truthy where it found a witness.

    seconds, tried: until it was found, without shrinking it: how long, and how many recordings were run.
    nearest: how near it came, in words, where none was found.
    proven: why no input can make the two differ, where that was proven.
    """

    witness: Witness | None
    seconds: float
    tried: int
    nearest: str = ""
    proven: str | None = None

    def __bool__(self) -> bool:
        return self.witness is not None

    def __str__(self) -> str:
        if self.witness is not None:
            return f"{_found(self.witness)} (found in {self.seconds:.1f} s, {self.tried:,} recordings tried)"
        if self.proven is not None:
            return f"NO WITNESS CAN BE: {self.proven}"
        near = f"; {self.nearest}" if self.nearest else ""
        return f"NO WITNESS FOUND in {self.seconds:.0f} s: {self.tried:,} recordings tried{near}"

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        found = self.witness
        return {
            "found": found is not None,
            "seconds": self.seconds,
            "tried": self.tried,
            "nearest": self.nearest,
            "proven": self.proven,
            "events": found and found.events,
            "first": found and found.first and vars(found.first),
            "verdict": found and found.verdict.as_dict(),
        }


def _found(witness: Witness) -> str:
    first = witness.first
    many = {0: "no event at all", 1: "1 event"}.get(witness.events, f"{witness.events:,} events")
    if first is None:
        return (
            f"WITNESS of {many}: the predictions differ, {witness.expected.predictions} and {witness.found.predictions}"
        )
    where = f"layer {first.layer}, step {first.step}" + (f", neuron {first.neuron}" if first.neuron else "")
    if len(witness.frames) > 1:
        where = f"recording {first.recording} of {len(witness.frames)} that do not differ alone, {where}"
    match first.what, first.expected:
        case "spike", 1:
            what = "spikes in the first and not in the second"
        case "spike", _:
            what = "spikes in the second and not in the first"
        case kind, _:
            what = f"has {kind} {first.expected} in the first and {first.found} in the second"
    return f"WITNESS of {many}: {where}, {what}{_potentials(witness)}"


def _potentials(witness: Witness) -> str:
    if witness.thresholds is None:
        return ""
    (one, limit), (other, another) = witness.thresholds
    where = f"threshold {limit:,}" if limit == another else f"thresholds {limit:,} and {another:,}"
    return f"; potential {one:,} and {other:,}, {where}"
