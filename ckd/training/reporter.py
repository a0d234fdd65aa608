"""Who is told how far a run has come."""

from typing import Protocol


class Reporter(Protocol):
    """Shows progress: one stage at a time."""

    def stage(self, title: str, total: int | None, done: int = 0) -> None:
        """A stage of `total` parts begins (None: nobody can say), `done` of them done already."""
        ...

    def advance(self, done: int) -> None:
        """So many parts of the stage are done."""
        ...


class Silent:
    """Shows nothing."""

    def stage(self, title: str, total: int | None, done: int = 0) -> None: ...
    def advance(self, done: int) -> None: ...
