"""The exceptions of the training wing. Each message says what, its value, what is allowed and the way out."""


class CkdError(Exception):
    """Root of every error that `ckd` raises on purpose."""


class RecordingError(CkdError):
    """A recording cannot be read: missing, empty, truncated, or with events outside the sensor."""


class DatasetError(CkdError):
    """A data set is missing, incomplete, or too small for the split that was asked for."""


class MissingRootError(DatasetError):
    """The folder of a data set is not where a configuration says."""


class ConfigError(CkdError):
    """A configuration value is not allowed."""


class RunError(CkdError):
    """A run folder is missing, incomplete, or was written by another version."""
