"""The student as a .nir file."""

from pathlib import Path

from deploy.formats.nir import write_nir
from export.content import Content


def write(content: Content, model: Path) -> list[Path]:
    """Write the student and its trace; gives the files."""
    write_nir(content.network, model)
    return [model, content.save_trace(model)]
