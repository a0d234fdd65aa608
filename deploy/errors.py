"""The exceptions of the deploy wing. Each message says what, its value, what is allowed and the way out."""

from collections.abc import Iterable
from typing import Any


class DeployError(Exception):
    """Root of every error that `deploy` raises on purpose."""


class ModelError(DeployError):
    """A model file or a network cannot be read or is inconsistent."""


class UnsupportedError(DeployError):
    """A network uses something that a format, the grid or a runner cannot express."""


class GridError(DeployError):
    """A value does not lie on the integer grid, or a sum would not be exact."""


class FramesError(DeployError):
    """Frames do not fit a network: their type, their shape or their counts."""


class RunnerError(DeployError):
    """A runner cannot run here: its simulator is missing, failed, or ran out of time."""


class TraceError(DeployError):
    """A trace cannot be read, or two traces cannot be compared."""


DAMAGED_HDF5 = (OSError, RuntimeError, KeyError, ValueError, TypeError)
"""What h5py raises of a damaged file, when it is opened or read."""


def shown(value: Any) -> str:
    """A value, from a file say, on one short line of a message."""
    plain = value.tolist() if hasattr(value, "tolist") else value
    text = " ".join(repr(plain).split())
    return text if len(text) <= 60 else text[:57] + "..."


def listed(entries: Iterable[str]) -> str:
    """The entries of a table in a message or a help text: "a, b or c"."""
    *most, last = entries
    return f"{', '.join(most)} or {last}" if most else last
