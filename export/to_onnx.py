"""The teacher, the float student and the integer student, each as an ONNX graph."""

from pathlib import Path

from deploy.errors import DeployError
from deploy.extras import require_onnx
from deploy.formats.files import save
from export.content import Content, write_model


def refuse(model: Path) -> None:
    """Raises RunnerError where onnx is not installed, DeployError where the student would replace the teacher."""
    require_onnx()
    if model.stem == "teacher":
        raise DeployError(f"--out {model}: the teacher is written to this name; give another one")


def write(content: Content, model: Path) -> list[Path]:
    """Write teacher.onnx (where the run has a teacher), the float student and the student on the grid; gives the files.

    The float student lies at NAME_float.onnx; as .nir too, from which a check tells rounding from error.
    """
    files: list[Path] = []
    if content.run is not None and (content.run.path / "teacher.safetensors").is_file():
        # Imported here: the table of formats, which a help text is made from, loads without PyTorch.
        from export.teacher import write_teacher

        files.append(model.with_name(f"teacher{model.suffix}"))
        write_teacher(content.run, files[-1])
    floating = model.with_name(f"{model.stem}_float{model.suffix}")
    save(content.floating, floating.with_suffix(".nir"))
    files += [floating.with_suffix(".nir"), *write_model(content.floating, content.float_trace, floating)]
    return [*files, *content.write(model)] if content.network.on_grid else files
