"""ckd-deploy: run a model file, check that what runs is what was trained, report on it, map it onto a chip."""

import sys

if __name__ == "__main__":  # before anything that takes time to import, and may be interrupted
    from ckd.files import start_command

    sys.exit(start_command("deploy.cli"))

from importlib import import_module
from inspect import cleandoc

from ckd.events import RecordingError
from ckd.files import DISTRIBUTION, escaped, in_words, one_line, own_version, read_arguments, until_nobody_reads
from deploy.commands import CANNOT, INTERRUPTED
from deploy.errors import DeployError

COMMANDS = {
    "run": ("run:Run", "a model on recordings, on a simulator: accuracy, speed, spikes"),
    "check": ("check:Check", "is what runs what was trained, spike by spike? else where and why"),
    "compile": ("compile:Compile", "a float model onto the integer grid"),
    "report": ("report:Report", "a check as one HTML page"),
    "map": ("map:Map", "cores, memory and energy on a chip"),
    "coverage": ("coverage:Cover", "how many of the smallest changes of a model would these recordings show?"),
    "witness": ("witness:Witness", "frames on which two models, or two simulators, differ"),
    "certify": ("certify:Certify", "a file that says what was checked, and that anyone can verify"),
}
"""By name, the file of `deploy.commands` and its class, and what it does. A file is imported for its command alone."""

HELP = """usage: ckd-deploy COMMAND [OPTIONS]

{about}

{commands}

Simulators (--on): {runners}. Model files: {formats}. Chips (--chip): {chips}.

Exit code 0: done, and equal; 1: different; 2: could not be done. What each command takes: ckd-deploy COMMAND --help.

  ckd-deploy run student.nir --on integer --events recordings/
  ckd-deploy check student.nir --on lava
  ckd-deploy compile other.nir --events recordings/ -o ready.nir --step-us 1000 --steps 300
"""


def main(args: list[str] | None = None) -> int:
    """The command; returns its exit code."""
    try:
        with until_nobody_reads():
            return _main(sys.argv[1:] if args is None else args)
    except (DeployError, RecordingError, OSError) as error:
        # OSError: a full disk, a folder that may not be written.
        print(f"error: {one_line(in_words(error))}", file=sys.stderr)
        for note in getattr(error, "__notes__", ()):
            print(escaped(note), file=sys.stderr)
        return CANNOT
    except (MemoryError, RecursionError) as error:
        print(f"error: {one_line(f'{type(error).__name__} {error}')}: what was given is too large", file=sys.stderr)
        return CANNOT
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED


def _main(args: list[str]) -> int:
    name = args[0] if args else "--help"
    if name in ("-h", "--help"):
        print(_help(), end="")
        return 0 if args else CANNOT
    if name == "--version":
        print(f"{DISTRIBUTION} {own_version()}")
        return 0
    if name not in COMMANDS:
        raise DeployError(f"{name}: no such command; use one of {', '.join(COMMANDS)}; help: ckd-deploy --help")
    file, _, kind = COMMANDS[name][0].partition(":")
    command = getattr(import_module(f"deploy.commands.{file}"), kind)
    about = cleandoc(command.__doc__)
    return read_arguments(command, args=args[1:], prog=f"ckd-deploy {name}", description=about).execute()


def _help() -> str:
    from deploy.formats.files import FORMATS
    from deploy.grid.chips import CHIPS
    from deploy.runners.table import RUNNERS

    width = max(map(len, COMMANDS))
    return HELP.format(
        about=__doc__,
        commands="\n".join(f"  {name:<{width}}  {what}" for name, (_, what) in COMMANDS.items()),
        runners=", ".join(RUNNERS),
        formats=", ".join(FORMATS),
        chips=", ".join(CHIPS),
    )
