"""What the files of an export hold."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from deploy.formats.proven import save_with_trace
from deploy.network import Network
from deploy.traces.trace import Trace

if TYPE_CHECKING:
    from ckd.runs.folder import Run


@dataclass(frozen=True, kw_only=True)
class Content:
    """A run, its float student and the student as exported, each with the trace that proves it.

    run: its folder also has the teacher; None of a module that no run trained.
    floating, float_trace: the student as it was trained, over the test recordings.
    network, trace: the student on the grid, over the same recordings; the float one where no chip was asked for.
    """

    run: "Run | None"
    floating: Network
    float_trace: Trace
    network: Network
    trace: Trace

    def write(self, model: Path) -> list[Path]:
        """Write the exported student and its trace; gives the files."""
        return write_model(self.network, self.trace, model)


def write_model(network: Network, trace: Trace, model: Path) -> list[Path]:
    """Write a network in the format of its file's ending, and the trace beside it; gives the files."""
    return save_with_trace(network, trace, model)
