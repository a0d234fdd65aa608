"""What a comparison of two traces found out: the first difference, the counts by layer, and the sentence about them."""

from dataclasses import dataclass, field
from typing import Any

LISTED = 8
"""Recordings that a sentence names; more are counted."""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One neuron at one step of one recording. `what` is "spike", "v" or "u"; None where only a digest differs."""

    layer: str
    step: int
    recording: int
    neuron: tuple[int, ...] | None
    what: str
    expected: int | float | None
    found: int | float | None

    def __str__(self) -> str:
        where = "some neuron" if self.neuron is None else f"neuron {self.neuron}"
        values = "" if self.expected is None else f": {self.what} {self.expected} expected, {self.found} found"
        return f"layer {self.layer}, step {self.step}, {where} of recording {self.recording}{values}"


@dataclass(frozen=True, kw_only=True)
class LayerResult:
    """Counts over all recordings and steps. `states` is how many (recording, step) pairs had u and v compared."""

    layer: str
    neuron_steps: int
    expected_spikes: int
    found_spikes: int
    differing: int
    states: int
    states_differing: int
    spiking: bool

    @property
    def rate(self) -> float:
        """Spikes per neuron and step in the expected trace."""
        return self.expected_spikes / self.neuron_steps if self.neuron_steps else 0.0

    @property
    def silent(self) -> bool:
        """A layer that should spike and never does: comparing it proves nothing."""
        return self.spiking and not self.expected_spikes


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Truthy where the traces are equal in everything that the reference holds, and every layer spiked.

    first: the earliest difference in spikes, v or u; first_spike: the earliest in spikes.
    wrong_predictions: the recordings whose predictions differ.
    missing: what the reference holds and was not compared; allowed with `partial` alone.
    uncompared: u and v of spiking layers that only the reference holds, where nobody asked for them.
    remarks: that the traces saw different frames, or hold different numbers of recordings.
    """

    layers: tuple[LayerResult, ...]
    first: Difference | None
    recordings: int
    steps: int
    wrong_predictions: tuple[int, ...] = ()
    problems: tuple[str, ...] = field(default=())
    first_spike: Difference | None = None
    missing: tuple[str, ...] = ()
    uncompared: tuple[str, ...] = ()
    partial: bool = False
    remarks: tuple[str, ...] = ()

    def __repr__(self) -> str:
        lines = [f"<Verdict {self.sentence}", *([f"first: {self.first}"] if self.first else []), *self.remarks]
        return "\n  ".join(lines) + ">"

    def __bool__(self) -> bool:
        return not (self.differs or self.problems) and (self.partial or not self.missing)

    @property
    def differs(self) -> bool:
        """Whether anything that was compared differs."""
        return self.first is not None or bool(self.wrong_predictions)

    @property
    def predictions_differing(self) -> int:
        return len(self.wrong_predictions)

    @property
    def differing(self) -> int:
        return sum(layer.differing for layer in self.layers)

    @property
    def spikes(self) -> int:
        return sum(layer.expected_spikes for layer in self.layers)

    @property
    def neuron_steps(self) -> int:
        return sum(layer.neuron_steps for layer in self.layers if layer.spiking)

    @property
    def what_differs(self) -> str:
        """Everything that differs, in one line: spikes, potentials, predictions; "" where nothing does."""
        parts = []
        if self.differing:
            parts.append(f"{self.differing:,} of {self.neuron_steps:,} neuron-steps differ in spikes")
        for layer in self.layers:
            if layer.states_differing:
                what = "u or v" if layer.spiking else "the potential"
                parts.append(f"{what} of {layer.layer} at {layer.states_differing:,} of {layer.states:,} steps")
        if parts and not self.differing:
            parts[0] = f"no spike differs, but {parts[0]}"
        if self.wrong_predictions:
            parts.append(
                f"{len(self.wrong_predictions):,} of {self.recordings:,} predictions "
                f"(recordings {some(self.wrong_predictions)})"
            )
        return "; ".join(parts)

    @property
    def word(self) -> str:
        """EQUAL, EQUAL in what both hold, DIFFERENT, PROVES NOTHING or NOT ALL COMPARED."""
        if self.differs:
            return "DIFFERENT"
        if self.problems:
            return "PROVES NOTHING"
        if self.missing and not self.partial:
            return "NOT ALL COMPARED"
        return "EQUAL in what both hold" if self.missing or self.uncompared else "EQUAL"

    @property
    def sentence(self) -> str:
        """The verdict in words: its word, and why."""
        counts = f"0 of {self.spikes:,} spikes differ, over {self.neuron_steps:,} neuron-steps"
        match self.word:
            case "DIFFERENT":
                return f"DIFFERENT: {self.what_differs}"
            case "PROVES NOTHING":
                return f"PROVES NOTHING: {'; '.join(self.problems)}"
            case "NOT ALL COMPARED":
                return (
                    "NOT ALL COMPARED: nothing differs in what both hold, but the reference also holds "
                    f"{'; '.join(self.missing)}; --partial is content with what both hold"
                )
            case "EQUAL":
                return f"EQUAL: {counts}"
            case word:
                return f"{word}: {counts}; not compared: {'; '.join((*self.missing, *self.uncompared))}"

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "equal": bool(self),
            "sentence": self.sentence,
            "recordings": self.recordings,
            "steps": self.steps,
            "spikes": self.spikes,
            "differing": self.differing,
            "predictions_differing": self.predictions_differing,
            "wrong_predictions": list(self.wrong_predictions),
            "problems": list(self.problems),
            "missing": list(self.missing),
            "uncompared": list(self.uncompared),
            "partial": self.partial,
            "remarks": list(self.remarks),
            "first": self.first and vars(self.first),
            "first_spike": self.first_spike and vars(self.first_spike),
            "layers": [vars(layer) | {"rate": layer.rate} for layer in self.layers],
        }


def some(numbers: tuple[int, ...]) -> str:
    """The first few of a list of numbers: "2, 5, 9 and 12 more"."""
    more = f" and {len(numbers) - LISTED:,} more" if len(numbers) > LISTED else ""
    return ", ".join(map(str, numbers[:LISTED])) + more
