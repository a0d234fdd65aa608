"""Train a spiking student on event-camera recordings with a frame-based teacher (cross knowledge distillation).

import ckd
from ckd.config import load_preset

summary = ckd.train_run(load_preset("digits"), "runs/digits")     # as python -m ckd.train does, but silent
summary["test_accuracy"]
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ckd.training.pipeline import train_run

__version__ = "0.1.0"

__all__ = ["train_run"]


def __getattr__(name: str) -> Any:
    """What `__all__` names is imported when it is asked for: `import ckd` alone loads neither torch nor numpy."""
    if name == "train_run":
        from ckd.training.pipeline import train_run

        return train_run
    if name == "plot":
        return import_module("ckd.plot")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
