"""Run spiking networks on simulators of neuromorphic chips and prove that they do what was trained. Never loads torch.

>>> import deploy
>>> network = deploy.load("student.nir")
>>> trace = deploy.run(network, frames, on="integer")
>>> trace.layers["lif2"].spikes.shape == (*frames.shape[:2], *network.shapes["lif2"])
True
>>> verdict = deploy.compare(deploy.load_trace("student.trace"), trace)
>>> bool(verdict), verdict.first
(True, None)

What is listed here is the public interface; it is loaded when it is first asked for. Pictures: `deploy.plot`.
"""

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from deploy.errors import (
    DeployError,
    FramesError,
    GridError,
    ModelError,
    RunnerError,
    TraceError,
    UnsupportedError,
)

if TYPE_CHECKING:
    from deploy.checking.certificate.certify import certify
    from deploy.checking.certificate.verify import verify_certificate
    from deploy.checking.check import Checked, check
    from deploy.checking.coverage.measure import coverage
    from deploy.checking.coverage.result import Coverage
    from deploy.checking.divergence.explain import Explanation, explain
    from deploy.checking.witness.found import Sought, Witness
    from deploy.checking.witness.search import witness
    from deploy.formats.files import load, save
    from deploy.formats.model_file import ModelFile
    from deploy.grid.chips import Chip
    from deploy.mapping.layout import map_network
    from deploy.network import Network
    from deploy.quantization.search import quantize
    from deploy.runners.table import run
    from deploy.traces.compare import compare
    from deploy.traces.layers import LayerRecord
    from deploy.traces.trace import Trace, load_trace
    from deploy.traces.verdict import Verdict

__all__ = [
    "Checked",
    "Chip",
    "Coverage",
    "DeployError",
    "Explanation",
    "FramesError",
    "GridError",
    "LayerRecord",
    "ModelError",
    "ModelFile",
    "Network",
    "RunnerError",
    "Sought",
    "Trace",
    "TraceError",
    "UnsupportedError",
    "Verdict",
    "Witness",
    "certify",
    "check",
    "compare",
    "coverage",
    "explain",
    "load",
    "load_trace",
    "map_network",
    "quantize",
    "run",
    "save",
    "verify_certificate",
    "witness",
]

_FILES = {
    "checking.certificate.certify": ("certify",),
    "checking.certificate.verify": ("verify_certificate",),
    "checking.check": ("Checked", "check"),
    "checking.coverage.measure": ("coverage",),
    "checking.coverage.result": ("Coverage",),
    "checking.divergence.explain": ("Explanation", "explain"),
    "checking.witness.found": ("Sought", "Witness"),
    "checking.witness.search": ("witness",),
    "formats.files": ("load", "save"),
    "formats.model_file": ("ModelFile",),
    "grid.chips": ("Chip",),
    "mapping.layout": ("map_network",),
    "network": ("Network",),
    "quantization.search": ("quantize",),
    "runners.table": ("run",),
    "traces.compare": ("compare",),
    "traces.layers": ("LayerRecord",),
    "traces.trace": ("Trace", "load_trace"),
    "traces.verdict": ("Verdict",),
}
_PLACES = {name: file for file, names in _FILES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name == "plot":
        return import_module("deploy.plot")
    if name not in _PLACES:
        raise AttributeError(f"module 'deploy' has no attribute {name!r}")
    try:
        module = import_module(f"deploy.{_PLACES[name]}")
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] != "ckd":
            raise
        theirs = find_spec("ckd")
        where = f"means {theirs.origin} here, not the one of ckd-snn" if theirs else "is not there"
        raise ModuleNotFoundError(f"'ckd' {where}, which deploy needs: rename yours", name="ckd") from None
    value = getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
