"""What an HDF5 file may hold, as named limits, and how a file that holds more is told."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.errors import DeployError

MAX_DEPTH = 32
"""Groups inside groups; each nested NIR graph takes two."""

MAX_OBJECTS = 100_000
MAX_RANK = 8

MAX_TEXT = 16 << 20
"""All texts of one file together: many may point at the same long one."""

MAX_CHUNK = 64 << 20
GZIP_RATIO = 1040
"""DEFLATE cannot pack tighter than 1032 : 1, so a larger ratio is data that is not in the file."""

MAX_CARRIED = 256 << 20
"""Bytes of the arrays that only the library can unpack, all together."""

MAX_ANSWER = 1 << 30
SECONDS = 8
"""Of processor time for one file."""

MEMORY = 1 << 30
"""Bytes of memory for one file, beyond what the libraries take."""


def limits() -> dict[str, Any]:
    """The limits by name, for the process that looks through a file."""
    return {name: value for name, value in globals().items() if name.isupper()}


@dataclass(frozen=True)
class Kind:
    """A kind of file: what it is called, the error that a damaged one raises, and the way out.

    max_bytes: of all arrays together, unpacked; None where they are read one at a time.
    """

    name: str
    error: type[DeployError]
    again: str
    max_bytes: int | None = None

    def damaged(self, path: Path, reason: str) -> DeployError:
        """The error of a file that cannot be read."""
        return self.error(f"{path}: not {self.name}, or a damaged one ({reason}); {self.again}")

    def refused(self, path: Path, where: str, problem: str) -> DeployError:
        """The error of a file that holds at `where` what is not allowed."""
        return self.error(f"{path}: {where or '/'}: {problem}; such a file is not read, {self.again}")
