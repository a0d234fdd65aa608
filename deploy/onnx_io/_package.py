"""The packages behind the extra `onnx`, imported where they are used."""

from importlib import import_module
from typing import Any

from deploy.errors import RunnerError


def package(name: str) -> Any:
    """Import `name`. Raises RunnerError, which names the extra, where it is not installed."""
    try:
        return import_module(name)
    except ImportError:
        root = name.partition(".")[0]
        raise RunnerError(f"{root} is missing; ONNX models need it: pip install 'ckd[onnx]'") from None
