"""The formats of an export, one row each. A new one is a row here, once `deploy.formats.files` knows its ending."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from deploy.formats.netx import fit_to_netx
from deploy.network import Network
from export import to_onnx
from export.content import Content


@dataclass(frozen=True, kw_only=True)
class Format:
    """A format, and what is particular to it.

    name: what `--to` takes.
    ending: of its model files.
    stem: the model file's name, without ending, where none is given.
    help: what it writes, for the help of the command.
    write: writes the model to this path and its trace beside it; where more belongs to it, a function of its own. Gives
        all files, the trace last.
    fit: the nearest network on the grid that the format can hold.
    refuse: raises DeployError where this path cannot be written, before anything costs time.
    holds_floats: whether a student that is not on the grid can be written.
    floats_apart: whether floats go to a file of another name, with a trace of its own.
    """

    name: str
    ending: str
    stem: str
    help: str
    write: Callable[[Content, Path], list[Path]] = Content.write
    fit: Callable[[Network], Network] = lambda network: network
    refuse: Callable[[Path], None] = lambda model: None
    holds_floats: bool = True
    floats_apart: bool = False


FORMATS = {
    form.name: form
    for form in (
        Format(name="nir", ending=".nir", stem="student", help="read by most simulators"),
        Format(
            name="onnx",
            ending=".onnx",
            stem="student",
            help="one step as a graph; writes the teacher and the float student too",
            write=to_onnx.write,
            refuse=to_onnx.refuse,
            floats_apart=True,
        ),
        Format(
            name="netx",
            ending=".net",
            # Rounding for netx makes another network, which needs a trace of its own.
            stem="student_netx",
            help="lava-dl's networks, with rounded biases",
            fit=fit_to_netx,
            holds_floats=False,
        ),
    )
}
"""By the name that `--to` takes."""
