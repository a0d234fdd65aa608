"""What an export has made before any file is written."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ckd.runs.folder import Run
from deploy.errors import DeployError, TraceError
from deploy.network import Network
from deploy.traces.trace import Trace, load_trace

MODELS = (".nir", ".onnx", ".net")


@dataclass(frozen=True, kw_only=True)
class Made:
    """A run, its float student and the student as exported, each with the trace that proves it."""

    run: Run
    floating: Network
    float_trace: Trace
    network: Network
    trace: Trace

    def save_trace(self, model: Path) -> Path:
        """Write the trace beside `model`; gives its path."""
        path = model.with_suffix(".trace")
        self.trace.save(path)
        return path


def refuse_foreign_trace(model: Path, trace: Trace) -> None:
    """A trace proves every model of its name: an export with other options must not take it from another format.

    Raises:
        DeployError: a model of this name in another format has a trace with other spikes.
    """
    path = model.with_suffix(".trace")
    others = [other for other in (model.with_suffix(ending) for ending in MODELS) if other != model and other.is_file()]
    if others and path.is_file() and not _same(path, trace):
        raise DeployError(
            f"{path}: proves {others[0].name}, which was exported with other options; give --out another name, or "
            f"remove {others[0].name}"
        )


def _same(path: Path, b: Trace) -> bool:
    try:
        a = load_trace(path)
    except TraceError:
        return False  # of another version, or damaged: what it proves is not known
    if list(a.layers) != list(b.layers) or set(a.spiking) != set(b.spiking):
        return False
    return all(np.array_equal(a.layers[name].output, b.layers[name].output) for name in a.layers)
