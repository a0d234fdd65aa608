"""Ctrl-C, SIGTERM and SIGHUP: all three end a command, and where it asks for them, between two of its iterations."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Self

SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


class Interrupted(KeyboardInterrupt):
    """A signal has asked the command to end; `code` is the exit code that says so."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.code = 128 + number


class Interruption:
    """Inside, a signal raises `Interrupted`; in its `deferred` parts, when they are ready or it comes a second time.

    A signal that was ignored before, as nohup has it, stays so.
    """

    def __init__(self) -> None:
        self._before: dict[int, object] = {}
        self._waits = False
        self._number: int | None = None

    def __enter__(self) -> Self:
        # Python lets the main thread alone handle signals.
        for number in SIGNALS if threading.current_thread() is threading.main_thread() else ():
            if signal.getsignal(number) != signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._came)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # pyright: ignore[reportArgumentType]

    @contextmanager
    def deferred(self) -> Iterator[Callable[[], bool]]:
        """Inside, a signal waits; gives what tells whether one has come. It is raised at the end, at the latest."""
        self._waits = True
        try:
            yield lambda: self._number is not None
        except KeyboardInterrupt:
            if self._number is None:
                raise
        finally:
            self._waits = False
        if self._number is not None:
            raise Interrupted(self._number)

    def _came(self, number: int, frame: object) -> None:
        if self._waits and self._number is None:
            self._number = number
            return
        raise Interrupted(number)
