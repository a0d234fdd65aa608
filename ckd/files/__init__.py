"""Files on disk: written whole or not at all, held by one process, and those of the current folder not obeyed."""

from ckd.files.begin import begin_command
from ckd.files.cache import cache_folder
from ckd.files.current_folder import away_from_current_folder
from ckd.files.locks import HeldError, held
from ckd.files.names import escaped, one_line
from ckd.files.scratch import scratch_folder
from ckd.files.writing import write_then_rename, write_together

__all__ = [
    "HeldError",
    "away_from_current_folder",
    "begin_command",
    "cache_folder",
    "escaped",
    "held",
    "one_line",
    "scratch_folder",
    "write_then_rename",
    "write_together",
]
