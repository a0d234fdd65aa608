"""From a trained student, or any spiking torch module, to files that others can run. Imports both other wings.

    import export
    exported = export.export(export.Plan(run="runs/demo", to="nir"))
    exported.model, exported.trace, exported.accuracy

    network = export.from_torch(module, frames)
    trace = export.record(module, frames)

A name is loaded where it is first used: `import export` is light, and PyTorch comes with what needs it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from export.exported import Exported
    from export.fold import student_to_network
    from export.integer import IntegerNetwork
    from export.modules.api import from_torch, record
    from export.modules.exporting import ExportedModule, export_module
    from export.modules.plan import ModulePlan
    from export.pipeline import calibration, export
    from export.plan import Plan
    from export.recording import record_float, record_quantized
    from export.trainable.network import to_torch
    from export.tuning.foreign import finetune_file

__all__ = [
    "Exported",
    "ExportedModule",
    "IntegerNetwork",
    "ModulePlan",
    "Plan",
    "calibration",
    "export",
    "export_module",
    "finetune_file",
    "from_torch",
    "record",
    "record_float",
    "record_quantized",
    "student_to_network",
    "to_torch",
]

_MODULES = {
    "Exported": "exported",
    "ExportedModule": "modules.exporting",
    "IntegerNetwork": "integer",
    "ModulePlan": "modules.plan",
    "Plan": "plan",
    "calibration": "pipeline",
    "export": "pipeline",
    "export_module": "modules.exporting",
    "finetune_file": "tuning.foreign",
    "from_torch": "modules.api",
    "record": "modules.api",
    "record_float": "recording",
    "record_quantized": "recording",
    "student_to_network": "fold",
    "to_torch": "trainable.network",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from ckd.files import require_own

    require_own("deploy")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
