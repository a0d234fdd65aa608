"""Who is told how far a run has come."""

from pathlib import Path
from typing import Protocol


class Reporter(Protocol):
    """Shows progress: one stage at a time."""

    def began(self, out: Path) -> None:
        """The run folder `out` is there; from now on an interrupted run can go on."""
        ...

    def note(self, text: str) -> None:
        """Something that the user should know, on a line."""
        ...

    def stage(self, title: str, total: int | None, done: int = 0) -> None:
        """A stage of `total` parts begins (None: nobody can say), `done` of them done already."""
        ...

    def advance(self, done: int) -> None:
        """So many parts of the stage are done."""
        ...


class Silent:
    """Shows nothing."""

    def began(self, out: Path) -> None: ...
    def note(self, text: str) -> None: ...
    def stage(self, title: str, total: int | None, done: int = 0) -> None: ...
    def advance(self, done: int) -> None: ...
