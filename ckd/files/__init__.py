"""Files on disk: written whole or not at all, held by one process, and those of the current folder not obeyed; and what
every command has: its arguments, its beginning, the extras it names."""

from ckd.files.arguments import read_arguments, until_nobody_reads
from ckd.files.begin import begin_command, start_command
from ckd.files.cache import cache_folder
from ckd.files.current_folder import away_from_current_folder
from ckd.files.distribution import DISTRIBUTION, how_to_install, missing_extra, own_version, require_own
from ckd.files.full import DiskFullError, append, fill, told_if_full
from ckd.files.interruption import Interrupted, Interruption
from ckd.files.locks import HeldError, held
from ckd.files.names import escaped, one_line
from ckd.files.neighbors import perhaps_meant
from ckd.files.reading import read_small, sha256_of
from ckd.files.scratch import scratch_folder
from ckd.files.system_errors import in_words
from ckd.files.writing import finish_writes, write_then_rename, write_together

__all__ = [
    "DISTRIBUTION",
    "DiskFullError",
    "HeldError",
    "Interrupted",
    "Interruption",
    "append",
    "away_from_current_folder",
    "begin_command",
    "cache_folder",
    "escaped",
    "fill",
    "finish_writes",
    "held",
    "how_to_install",
    "in_words",
    "missing_extra",
    "one_line",
    "own_version",
    "perhaps_meant",
    "read_arguments",
    "read_small",
    "require_own",
    "scratch_folder",
    "sha256_of",
    "start_command",
    "told_if_full",
    "until_nobody_reads",
    "write_then_rename",
    "write_together",
]
