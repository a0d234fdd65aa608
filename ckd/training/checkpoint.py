"""checkpoint.pt: where a run was when it was interrupted, in the student that it was training."""

from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

import torch

from ckd.errors import RunError
from ckd.files import fill, write_then_rename
from ckd.runs.migration import FORMAT, migrated_checkpoint
from ckd.training.engine import Progress

FILE = "checkpoint.pt"


@dataclass(kw_only=True)
class Checkpoint:
    """A stage, how far it had come, and the seconds that the run had taken."""

    stage: str = ""
    progress: Progress = field(default_factory=Progress)
    seconds: float = 0.0


def write_checkpoint(run: Path, checkpoint: Checkpoint) -> None:
    values = {**vars(checkpoint), "format": FORMAT, "progress": vars(checkpoint.progress)}
    content = BytesIO()
    torch.save(values, content)
    with write_then_rename(run / FILE) as temporary:
        fill(temporary, content.getbuffer())


def read_checkpoint(run: Path) -> Checkpoint:
    """The checkpoint of a run; that of its very beginning where there is none yet.

    Raises:
        RunError: damaged, or of a format that this version does not read.
    """
    file = run / FILE
    if not file.is_file():
        return Checkpoint()
    try:
        stored = torch.load(file, map_location="cpu", weights_only=True)
        values = migrated_checkpoint(stored, file)
        return Checkpoint(**{**values, "progress": Progress(**values["progress"])})
    except RunError:
        raise
    except Exception as error:  # torch.load raises many kinds
        reason = str(error).partition("\n")[0][:80]
        raise RunError(
            f"{file}: damaged ({reason}); remove it: what was finished stays, and the student that it belongs to "
            "begins again"
        ) from None


def remove_checkpoint(run: Path) -> None:
    (run / FILE).unlink(missing_ok=True)
