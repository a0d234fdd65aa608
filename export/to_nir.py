"""ckd-export --to nir: the student as a .nir file."""

from pathlib import Path

from deploy.formats.nir import write_nir
from export.made import Made

STEM = "student"
ENDING = ".nir"


def write(made: Made, model: Path) -> list[Path]:
    """Write the student and its trace; gives the files."""
    write_nir(made.network, model)
    return [model, made.save_trace(model)]
