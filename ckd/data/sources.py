"""Which data set a configuration names: a new one is one file beside this and one row here."""

from collections.abc import Callable

from ckd.config import Data
from ckd.config.factories import is_factory
from ckd.data.base import Source
from ckd.data.digits import Digits
from ckd.data.folders import LAYOUTS, Folders
from ckd.data.nmnist import NMNIST
from ckd.data.own.source import OwnSource
from ckd.errors import DatasetError

SOURCES: dict[str, Callable[[Data], Source]] = {"digits": Digits, "nmnist": NMNIST, **dict.fromkeys(LAYOUTS, Folders)}


def open_source(data: Data) -> Source:
    """The data set that a configuration names.

    Raises:
        DatasetError: there is none of this name, or it is missing or incomplete. RecordingError: a recording of it is.
        ConfigError: it is named by a factory that cannot be called.
    """
    if data.classes is not None and data.dataset not in LAYOUTS:
        raise DatasetError(f"--classes: chooses among folders, and {data.dataset} has none; leave it out")
    if is_factory(data.dataset):
        return OwnSource(data)
    if data.dataset not in SOURCES:
        known = ", ".join(SOURCES)
        raise DatasetError(f"--dataset {data.dataset}: unknown; known are {known}, or PACKAGE.MODULE:FACTORY")
    return SOURCES[data.dataset](data)
