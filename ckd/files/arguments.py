"""A command line to the dataclass of a command, by tyro: with --version, and a mistake on one line.

tyro itself is imported when a line is read, so that what only reads files stays light.
"""

import io
import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, redirect_stderr, suppress
from typing import Any

from ckd.files.distribution import DISTRIBUTION, own_version
from ckd.files.names import one_line
from ckd.files.system_errors import flush_output

BOX = "╭╮╰╯│─- "

KINDS = {"INT": "a whole number is", "FLOAT": "a number is", "INT INT": "two whole numbers are", "": "another value is"}
"""What tyro calls the types of values, and we."""
VALUES = [
    (r"invalid literal for int\(\) with base 10: (?P<given>.*)", "INT"),
    (r"could not convert string to float: (?P<given>.*)", "FLOAT"),
    (r"no type matching (\{None\}\|)?\{?(?P<kind>[A-Z ]+)\}? could be instantiated from \[(?P<given>.*)\]", None),
    (r"Could not find valid parse for arguments: \[(?P<given>.*)\]", ""),
]
"""What tyro says of a value, and of which type it is to be where the words do not say it."""


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
        with redirect_stderr(told), _unwrapped() if not {"-h", "--help"} & set(args) else nullcontext():
            return tyro.cli(kind, prog=prog, description=description, args=args, config=tuple(config))
    except SystemExit as end:
        if end.code == 2:
            print(f"error: {_in_one_line(told.getvalue())}", file=sys.stderr)
        raise


@contextmanager
def until_nobody_reads() -> Iterator[None]:
    """Inside, what is printed into a pipe that its reader has closed (`| head`) ends the process: code 141, no word."""
    try:
        try:
            yield
        finally:
            flush_output()
    except BrokenPipeError:
        with suppress(OSError):
            flush_output()
        raise SystemExit(141) from None


@contextmanager
def _unwrapped() -> Iterator[None]:
    """Inside, tyro takes the terminal for so wide that it breaks no name."""
    before = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = "10000"
    try:
        yield
    finally:
        if before is None:
            del os.environ["COLUMNS"]
        else:
            os.environ["COLUMNS"] = before


def _in_one_line(boxed: str) -> str:
    """What tyro says in a box: the mistake, the names that were meant, the subcommands there are, where help is."""
    parts: list[list[str]] = [[]]
    lines = boxed.splitlines()
    for line in lines if boxed.startswith("╭") else lines[1:]:  # without UTF-8 the title has a line of its own
        if not line.strip(BOX):
            parts.append([])
        elif not line.startswith("╭"):
            parts[-1].append(line.strip("│ "))
    said = [" ".join(part) for part in parts if part]
    said[:1] = [_of_value(part) for part in said[:1]]
    meant = [part for part in said[1:] if part.startswith("Perhaps you meant")]
    near = list(dict.fromkeys(re.findall(r"--[a-z][a-z0-9-]+", " ".join(meant))))
    kept = [part for part in said[1:] if part.startswith("Available")]
    hints = [f"perhaps you meant {' or '.join(near[:3])}"] if near else []
    help_ = [
        re.sub("For full helptext, (run|see):?", "help:", part) for part in said[1:] if part.startswith("For full")
    ]
    return one_line("; ".join(part.rstrip(".") for part in (*said[:1], *hints, *kept, *help_)))


def _of_value(said: str) -> str:
    """What tyro says of a value that has another type, in our words; anything else as it is."""
    option, _, reason = said.removeprefix("Error parsing ").partition(": ")
    for pattern, kind in VALUES:
        found = re.fullmatch(pattern, reason.rstrip("."))
        if found is not None and said.startswith("Error parsing "):
            kind = found["kind"] if kind is None else kind
            return f"{option} {found['given']}".rstrip() + f": {KINDS.get(kind, f'{kind} is')} needed"
    return said
