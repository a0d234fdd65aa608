"""The exceptions of the deploy wing. Each message says what, its value, what is allowed and the way out."""


class DeployError(Exception):
    """Root of every error that `deploy` raises on purpose."""


class ModelError(DeployError):
    """A model file or a network cannot be read or is inconsistent."""


class UnsupportedError(DeployError):
    """A network uses something that a format, the grid or a runner cannot express."""


class GridError(DeployError):
    """A value does not lie on the integer grid, or a sum would not be exact."""


class RunnerError(DeployError):
    """A runner cannot run here: its simulator is missing, failed, or ran out of time."""


class TraceError(DeployError):
    """A trace cannot be read, or two traces cannot be compared."""
