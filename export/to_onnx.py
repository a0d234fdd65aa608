"""The teacher, the float student and the integer student, each as an ONNX graph."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from deploy.errors import DeployError
from deploy.extras import require_onnx
from deploy.formats.proven import Proven, save_together
from export.content import Content

if TYPE_CHECKING:
    from ckd.runs.folder import Run


@dataclass(frozen=True)
class Teacher:
    """The teacher of a run, as a file of its own."""

    run: "Run"
    path: Path

    @property
    def files(self) -> list[Path]:
        return [self.path]

    def save(self, places: Sequence[Path]) -> None:
        # Imported here: the table of formats, which a help text is made from, loads without PyTorch.
        from export.teacher import write_teacher

        write_teacher(self.run, places[0])


def refuse(model: Path) -> None:
    """Raises RunnerError where onnx is not installed, DeployError where the student would replace the teacher."""
    require_onnx()
    if model.stem == "teacher":
        raise DeployError(f"--out {model}: the teacher is written to this name; give another one")


def write(content: Content, model: Path) -> list[Path]:
    """Write teacher.onnx (where the run has a teacher), the float student and the student on the grid; gives the files.

    The float student lies at NAME_float.onnx; as .nir too, from which a check tells rounding from error.
    """
    floating = model.with_name(f"{model.stem}_float{model.suffix}")
    parts: list[Proven | Teacher] = [
        Proven(content.floating, floating.with_suffix(".nir")),
        Proven(content.floating, floating, content.float_trace),
    ]
    if content.run is not None and (content.run.path / "teacher.safetensors").is_file():
        parts.insert(0, Teacher(content.run, model.with_name(f"teacher{model.suffix}")))
    if content.network.on_grid:
        parts.append(Proven(content.network, model, content.trace))
    return save_together(*parts)
