"""How every command begins, before it imports anything heavy, and how it ends."""

import io
import signal
import sys
import traceback
from collections.abc import Callable
from importlib import import_module

from ckd.files.current_folder import ignore_current_folder
from ckd.files.distribution import missing_extra
from ckd.files.system_errors import GONE, flush_output, has_current_folder, in_words

INTERRUPTED = 130
FAILED = 2
"""1 would say that what was checked differs."""


def begin_command() -> None:
    """Make this process a command's: nothing around it is obeyed, and what it has begun ends when it is told to end."""
    signal.signal(signal.SIGTERM, _end)
    if not has_current_folder():  # PyTorch would end the process without a word on why
        sys.stderr.write(f"error: {GONE}\n")
        sys.exit(FAILED)
    for stream in (sys.stdout, sys.stderr):
        # A file's name need not be text that this terminal's encoding has.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    ignore_current_folder()


def start_command(module: str) -> int:
    """Import a command's module and run its `main`; gives the exit code.

    Ctrl-C, while it is imported too, is one line, and a defect of ours, which shows as a traceback, exits as 2.
    """
    try:
        begin_command()
        command: Callable[[], int] = import_module(module).main
        code = command()
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    except Exception as error:
        missing = missing_extra(error) if isinstance(error, ModuleNotFoundError) else None
        if missing is None:
            traceback.print_exc()
        else:
            print(f"error: {missing}", file=sys.stderr)
        return FAILED
    try:
        flush_output()
    except OSError as error:  # a full disk behind it, or a reader that has gone
        if code == 0:
            print(f"error: {in_words(error)}", file=sys.stderr)
        return FAILED
    return code


def _end(number: int, frame: object) -> None:
    """Leave as after an exception, so that workers end and temporary files go."""
    sys.exit(128 + number)
