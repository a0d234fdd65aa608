"""From a trained student to files that others can run. Imports both other wings.

    import export
    exported = export.export(export.Plan(run="runs/demo", to="nir"))
    exported.model, exported.trace, exported.accuracy

A name is loaded where it is first used: `import export` is light, and PyTorch comes with what needs it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from export.exported import Exported
    from export.fold import student_to_network
    from export.foreign import finetune_file
    from export.integer import IntegerNetwork
    from export.pipeline import calibration, export
    from export.plan import Plan
    from export.recording import record_float, record_quantized
    from export.torch_network import to_torch

__all__ = [
    "Exported",
    "IntegerNetwork",
    "Plan",
    "calibration",
    "export",
    "finetune_file",
    "record_float",
    "record_quantized",
    "student_to_network",
    "to_torch",
]

_MODULES = {
    "Exported": "exported",
    "IntegerNetwork": "integer",
    "Plan": "plan",
    "calibration": "pipeline",
    "export": "pipeline",
    "finetune_file": "foreign",
    "record_float": "recording",
    "record_quantized": "recording",
    "student_to_network": "fold",
    "to_torch": "torch_network",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
