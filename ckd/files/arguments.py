"""A command line to the dataclass of a command, by tyro: with --version, and a mistake on one line.

tyro itself is imported when a line is read, so that what only reads files stays light.
"""

import contextlib
import io
import os
import re
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from ckd.files.distribution import DISTRIBUTION, own_version
from ckd.files.names import one_line

BOX = "╭╮╰╯│─ "


def read_arguments(
    kind: Any, *, prog: str, description: str | None, args: Sequence[str] | None, config: Sequence[Any] = ()
) -> Any:
    """What the arguments say, as a `kind`.

    Args:
        kind: a dataclass, or several as subcommands.
        prog: what the command is called.
        description: what its help begins with.
        args: the arguments; None: those of this process.
        config: as `tyro.cli` takes it.

    Raises:
        SystemExit: 0 after --help and --version; 2 where the arguments are wrong, said in a line on stderr.
    """
    import tyro

    args = sys.argv[1:] if args is None else list(args)
    if "--version" in args:
        print(f"{DISTRIBUTION} {own_version()}")
        raise SystemExit(0)
    told = io.StringIO()
    try:
        with contextlib.redirect_stderr(told):
            return tyro.cli(kind, prog=prog, description=description, args=args, config=tuple(config))
    except SystemExit as end:
        if end.code == 2:
            print(f"error: {_in_one_line(told.getvalue())}", file=sys.stderr)
        raise


@contextlib.contextmanager
def until_nobody_reads() -> Iterator[None]:
    """Inside, what is printed into a pipe that its reader has closed (`| head`) ends the process: code 141, no word."""
    try:
        try:
            yield
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python tries once more as it ends
        raise SystemExit(141) from None


def _in_one_line(boxed: str) -> str:
    """What tyro says in a box: the mistake, the names that were meant, the subcommands there are, where help is."""
    parts: list[list[str]] = [[]]
    for line in boxed.splitlines():
        if not line.strip(BOX):
            parts.append([])
        elif not line.startswith("╭"):
            parts[-1].append(line.strip("│ "))
    said = [" ".join(part) for part in parts if part]
    meant = [part for part in said[1:] if part.startswith("Perhaps you meant")]
    near = list(dict.fromkeys(re.findall(r"--[a-z][a-z0-9-]+", " ".join(meant))))
    kept = [part for part in said[1:] if part.startswith("Available")]
    hints = [f"perhaps you meant {' or '.join(near[:3])}"] if near else []
    help_ = [
        re.sub("For full helptext, (run|see):?", "help:", part) for part in said[1:] if part.startswith("For full")
    ]
    return one_line("; ".join(part.rstrip(".") for part in (*said[:1], *hints, *kept, *help_)))
