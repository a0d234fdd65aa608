"""Who is told how far a run has come."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, Protocol


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

    def figures(self, record: dict[str, Any]) -> None:
        """What an iteration gave, as it goes into metrics.jsonl; `advance` comes behind it."""
        ...

    def advance(self, done: int) -> None:
        """So many parts of the stage are done."""
        ...

    def deferring(self) -> AbstractContextManager[Callable[[], bool]]:
        """Inside, who wants the run to end waits until it is ready to; gives what tells whether somebody does."""
        ...


class Silent:
    """Shows nothing."""

    def began(self, out: Path) -> None: ...
    def note(self, text: str) -> None: ...
    def stage(self, title: str, total: int | None, done: int = 0) -> None: ...
    def figures(self, record: dict[str, Any]) -> None: ...
    def advance(self, done: int) -> None: ...
    def deferring(self) -> AbstractContextManager[Callable[[], bool]]:
        return nullcontext(lambda: False)
