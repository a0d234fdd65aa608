"""What is asked of an export."""

from dataclasses import dataclass
from pathlib import Path

from deploy.errors import DeployError
from deploy.grid.chips import CHIPS
from export.formats import FORMATS, Format

CHIP_NAMES = (*CHIPS, "none")
"""What `--chip` takes; "none" is no chip."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """From which run to which file, and onto which grid. The fields are the options of the command.

    run: the run folder that training wrote; for `export.finetune_file` a model file.
    to: the format, one of `export.formats.FORMATS`.
    out: where the model file goes; its trace lies beside it. None: in the run folder, under the format's own name.
    chip: whose integers the student gets; "none" keeps its floats.
    weight_bits: bits per weight on the grid, 1 to 8.
    finetune: iterations of training on the grid after quantizing: of a run on its own recordings and with its teacher.
    activity, synaptic_operations: budgets that the fine-tuning of a run keeps to; None: those that it was trained with.
    exit_loss: what share of the validation recordings an early exit may cost; the margin it takes goes into the file.
    device: where PyTorch runs the student for the trace, and trains it on the grid: "cpu", "cuda".
    factories: the names of the run's student and data set, where they are PACKAGE.MODULE:FACTORY: their code runs.
    """

    run: Path | str
    to: str = "nir"
    out: Path | str | None = None
    chip: str = "loihi2"
    weight_bits: int = 8
    finetune: int = 0
    activity: float | None = None
    synaptic_operations: float | None = None
    exit_loss: float | None = None
    device: str = "cpu"
    factories: tuple[str, ...] = ()

    @property
    def format(self) -> Format:
        """Raises DeployError where there is no such format."""
        if self.to not in FORMATS:
            raise DeployError(f"--to {self.to}: no such format; use one of {', '.join(FORMATS)}")
        return FORMATS[self.to]

    @property
    def model(self) -> Path:
        """The path of the model file."""
        return Path(self.run) / f"{self.format.stem}{self.format.ending}" if self.out is None else Path(self.out)
