"""The teacher, the float student and the integer student, each as an ONNX graph."""

from pathlib import Path

from deploy.errors import DeployError
from deploy.extras import require_onnx
from deploy.formats.nir import write_nir
from deploy.formats.onnx import write_onnx
from export.content import Content


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
    if (content.run.path / "teacher.safetensors").is_file():
        # Imported here: the table of formats, which a help text is made from, loads without PyTorch.
        from export.teacher import write_teacher

        files.append(model.with_name(f"teacher{model.suffix}"))
        write_teacher(content.run, files[-1])
    floating = model.with_name(f"{model.stem}_float{model.suffix}")
    write_onnx(content.floating, floating)
    write_nir(content.floating, floating.with_suffix(".nir"))
    content.float_trace.save(floating.with_suffix(".trace"))
    files += [floating, floating.with_suffix(".nir"), floating.with_suffix(".trace")]
    if content.network.on_grid:
        write_onnx(content.network, model)
        files += [model, content.save_trace(model)]
    return files
