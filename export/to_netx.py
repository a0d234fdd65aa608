"""The student as lava-dl's HDF5 network."""

from pathlib import Path

from deploy.formats.netx import write_netx
from export.content import Content


def write(content: Content, model: Path) -> list[Path]:
    """Write the student, which fits netx already, and its trace; gives the files."""
    write_netx(content.network, model)
    return [model, content.save_trace(model)]
