"""What every command does before it imports anything heavy."""

import io
import signal
import sys

from ckd.files.current_folder import ignore_current_folder


def begin_command() -> None:
    """Make this process a command's: nothing around it is obeyed, and what it has begun ends when it is told to end."""
    signal.signal(signal.SIGTERM, _end)
    for stream in (sys.stdout, sys.stderr):
        # A file's name need not be text that this terminal's encoding has.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    ignore_current_folder()


def _end(number: int, frame: object) -> None:
    """Leave as after an exception, so that workers end and temporary files go."""
    sys.exit(128 + number)
