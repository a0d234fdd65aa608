"""Packages that are not always installed: imported where they are used, and their absence names the extra."""

from importlib import import_module
from typing import Any

from ckd.files import how_to_install
from deploy.errors import RunnerError


def require(package: str, *, extra: str, use: str) -> Any:
    """Import `package`.

    Args:
        package: its import name, with submodule.
        extra: which extra of this distribution brings it.
        use: who needs it, for the message: "a report needs", "ONNX models need".

    Raises:
        RunnerError: it is not installed; the message says what to install.
    """
    try:
        return import_module(package)
    except ImportError:
        root = package.partition(".")[0]
        raise RunnerError(f"{root} is missing; {use} it: {how_to_install(extra)}") from None


def require_onnx(package: str = "onnx") -> Any:
    """`package`, onnx or onnxruntime, of the extra `onnx`. Raises RunnerError where it is not installed."""
    return require(package, extra="onnx", use="ONNX models need")
