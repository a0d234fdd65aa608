"""Which data set a configuration names: a new one is one file beside this and one row here."""

from collections.abc import Callable

from ckd.config import Data
from ckd.data.base import Source
from ckd.data.digits import Digits
from ckd.data.folders import LAYOUTS, Folders
from ckd.data.nmnist import NMNIST

SOURCES: dict[str, Callable[[Data], Source]] = {"digits": Digits, "nmnist": NMNIST, **dict.fromkeys(LAYOUTS, Folders)}


def open_source(data: Data) -> Source:
    """The data set that a configuration names.

    Raises:
        DatasetError: it is missing or incomplete. RecordingError: a recording of it is.
    """
    return SOURCES[data.dataset](data)
