"""ckd-export --to netx: the student as lava-dl's HDF5 network, rounded to what netx holds."""

from pathlib import Path

from deploy.formats.netx import write_netx
from export.made import Made

STEM = "student_netx"
"""netx rounds biases (`deploy.formats.netx.fit_to_netx`), so this student has a trace of its own."""

ENDING = ".net"


def write(made: Made, model: Path) -> list[Path]:
    """Write the student and its trace; gives the files."""
    write_netx(made.network, model)
    return [model, made.save_trace(model)]
