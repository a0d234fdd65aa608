"""What an export gives back: the files that it wrote, and how good the student in them is."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.mapping.steps import Worth
from deploy.network.parameters import ParameterChange


@dataclass(frozen=True, kw_only=True)
class Exported:
    """The result of `export.export`.

    model: the model file.
    trace: what the student in it gave on the test recordings, held against every later run.
    files: everything that was written, these two included.
    chip: whose integers the model holds; "none" where it holds floats.
    recordings, steps: how many test recordings the trace has, and of how many steps.
    float_accuracy, accuracy: of the trained student and of the exported one on them, between 0 and 1.
    quantized_accuracy: of a model file that was fine-tuned, as quantizing left it; None for a run folder.
    exit_margin, exit: how far the leading class has to be ahead for a recording to end early, chosen on validation
        recordings, and what such ends are worth on the test recordings; None where none was asked for.
    rates: by spiking layer, spikes per neuron and step.
    overflows: by layer, how often a state left 24 bits; empty for floats.
    parameters: what the grid made of each parameter; empty for floats.
    """

    model: Path
    trace: Path
    files: tuple[Path, ...]
    chip: str
    recordings: int
    steps: int
    float_accuracy: float
    accuracy: float
    rates: Mapping[str, float]
    overflows: Mapping[str, int]
    parameters: tuple[ParameterChange, ...]
    quantized_accuracy: float | None = None
    exit_margin: float | None = None
    exit: Worth | None = None

    def as_dict(self) -> dict[str, Any]:
        """All of it as JSON takes it."""
        return {
            "model": str(self.model),
            "trace": str(self.trace),
            "files": [str(file) for file in self.files],
            "chip": self.chip,
            "recordings": self.recordings,
            "steps": self.steps,
            "float_accuracy": self.float_accuracy,
            "quantized_accuracy": self.quantized_accuracy,
            "accuracy": self.accuracy,
            "rates": dict(self.rates),
            "overflows": dict(self.overflows),
            "exit_margin": self.exit_margin,
            "exit": self.exit and self.exit.as_dict(),
            "parameters": [change.as_dict() for change in self.parameters],
        }
