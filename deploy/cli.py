"""ckd-deploy: run a model file on a simulator, and check that what runs is what was trained."""

import sys
from typing import Annotated

import tyro

from ckd.events import RecordingError
from deploy.commands import CANNOT
from deploy.commands.check import Check
from deploy.commands.run import Run
from deploy.errors import DeployError

Command = (
    Annotated[Run, tyro.conf.subcommand("run", prefix_name=False)]
    | Annotated[Check, tyro.conf.subcommand("check", prefix_name=False)]
)


def main(args: list[str] | None = None) -> int:
    """The command; returns its exit code."""
    try:
        command: Run | Check = tyro.cli(Command, args=args, prog="ckd-deploy", description=__doc__)  # pyright: ignore
        return command.execute()
    except (DeployError, RecordingError) as error:
        print(f"error: {error}", file=sys.stderr)
        return CANNOT


if __name__ == "__main__":
    sys.exit(main())
