"""ckd-deploy: run a model file, check that what runs is what was trained, report on it, map it onto a chip."""

import sys

if __name__ == "__main__":  # before anything that takes time to import, and may be interrupted
    from ckd.files import start_command

    sys.exit(start_command("deploy.cli"))

from typing import Annotated

import tyro

from ckd.events import RecordingError
from ckd.files import escaped, one_line, read_arguments, until_nobody_reads
from deploy.commands import CANNOT, INTERRUPTED
from deploy.commands.certify import Certify
from deploy.commands.check import Check
from deploy.commands.compile import Compile
from deploy.commands.coverage import Cover
from deploy.commands.map import Map
from deploy.commands.report import Report
from deploy.commands.run import Run
from deploy.commands.witness import Witness
from deploy.errors import DeployError
from deploy.formats.files import FORMATS
from deploy.grid.chips import CHIPS
from deploy.runners.table import RUNNERS

Command = (
    Annotated[Run, tyro.conf.subcommand("run", prefix_name=False)]
    | Annotated[Check, tyro.conf.subcommand("check", prefix_name=False)]
    | Annotated[Compile, tyro.conf.subcommand("compile", prefix_name=False)]
    | Annotated[Report, tyro.conf.subcommand("report", prefix_name=False)]
    | Annotated[Map, tyro.conf.subcommand("map", prefix_name=False)]
    | Annotated[Cover, tyro.conf.subcommand("coverage", prefix_name=False)]
    | Annotated[Witness, tyro.conf.subcommand("witness", prefix_name=False)]
    | Annotated[Certify, tyro.conf.subcommand("certify", prefix_name=False)]
)

DESCRIPTION = f"""{__doc__}

Simulators (--on): {", ".join(RUNNERS)}.

Model files: {", ".join(FORMATS)}. Chips (--chip): {", ".join(CHIPS)}."""


def main(args: list[str] | None = None) -> int:
    """The command; returns its exit code."""
    try:
        with until_nobody_reads():
            return read_arguments(Command, args=args, prog="ckd-deploy", description=DESCRIPTION).execute()
    except (DeployError, RecordingError, OSError) as error:
        # OSError: a full disk, a folder that may not be written; the system's message names the path.
        print(f"error: {one_line(str(error))}", file=sys.stderr)
        for note in getattr(error, "__notes__", ()):
            print(escaped(note), file=sys.stderr)
        return CANNOT
    except (MemoryError, RecursionError) as error:
        print(f"error: {one_line(f'{type(error).__name__} {error}')}: what was given is too large", file=sys.stderr)
        return CANNOT
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
