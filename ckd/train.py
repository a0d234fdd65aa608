"""python -m ckd.train: train a teacher, a distilled student, and the same student without distillation.

Example:
  python -m ckd.train                       the embedded digits, minutes on two cores
  python -m ckd.train --preset nmnist --data-root DIR --labels-per-class 10 --out runs/few
  python -m ckd.train --student my_package.models:make --dataset my_package.data:make --data-root DIR
  python -m ckd.train --resume runs/few     go on after an interruption
"""

import shlex
import sys

if __name__ == "__main__":  # before anything that takes time to import, and may be interrupted
    from ckd.files import start_command

    sys.exit(start_command("ckd.train"))

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from ckd.config import Config, load_preset, named, option_of, preset_names
from ckd.config.factories import is_factory
from ckd.console import run_command
from ckd.errors import ConfigError, MissingRootError, RunError
from ckd.files import DiskFullError, Interrupted, Interruption, read_arguments


@dataclass(frozen=True, kw_only=True)
class Options:
    """What is asked for, beside the configuration itself."""

    out: Path | None = None
    """Run folder; left out: runs/PRESET-seedSEED, with a number behind it where that exists."""
    overwrite: bool = False
    """Replace a run folder that exists."""
    resume: Path | None = None
    """Go on with this run folder; takes no other option, but the names of a student and data set from outside again."""
    dry_run: bool = False
    """Print the resolved configuration and one batch's shapes, and train nothing."""


def main(arguments: list[str] | None = None) -> int:
    return run_command(lambda: _main(sys.argv[1:] if arguments is None else arguments))


def _main(arguments: list[str]) -> int:
    options, config = parse(arguments)
    if options.resume is not None and len(arguments) > _words(arguments, "--resume", "--student", "--dataset"):
        raise ConfigError(
            "--resume takes no other option: a run goes on as it began; only the names of a student and data set from "
            "outside are given again"
        )
    if options.dry_run:
        from ckd.runs.folder import refuse_taken
        from ckd.training.dry_run import describe

        if options.out is not None:
            refuse_taken(options.out, overwrite=options.overwrite)
        print(describe(config))
        return 0
    return _train(options, config, factories=_named(arguments))


def parse(arguments: list[str]) -> tuple[Options, Config]:
    """Command line to options and configuration: the preset's values where nothing else is said."""
    import tyro

    from ckd.data.sources import SOURCES

    preset = option_of("--preset", arguments)
    if preset == "":
        raise ConfigError("--preset needs a name")
    defaults = load_preset(preset or Config().preset, factories=_named(arguments))

    @dataclass(frozen=True, kw_only=True)
    class Command:
        options: Annotated[Options, tyro.conf.arg(name="")] = Options()
        config: Annotated[Config, tyro.conf.arg(name="")] = defaults

    command = read_arguments(
        Command,
        prog="python -m ckd.train",
        description=f"{__doc__}\nPresets: {', '.join(preset_names())}.\n\nData sets: {', '.join(SOURCES)}.",
        args=arguments,
        config=(tyro.conf.OmitArgPrefixes,),
    )
    return command.options, command.config


def _named(arguments: list[str]) -> list[str]:
    """The student and data set that a command line names: where they are from outside, their code may run."""
    return [name for option in ("--student", "--dataset") if (name := option_of(option, arguments))]


def _words(arguments: list[str], *options: str) -> int:
    """How many words of a command line these options and their values are."""
    return sum(2 * (word in options) + word.startswith(tuple(f"{option}=" for option in options)) for word in arguments)


def _train(options: Options, config: Config, *, factories: list[str]) -> int:
    """Train with a progress bar, and show the results."""
    from ckd.console import RichReporter, results_table
    from ckd.runs.folder import moved
    from ckd.training.parallel import is_first_process
    from ckd.training.pipeline import resume_run, train_run

    interruption = Interruption()
    reporter = RichReporter(shown=is_first_process(), interruption=interruption)
    try:
        with interruption, reporter:
            if options.resume:
                summary = resume_run(options.resume, factories=factories, reporter=reporter)
            else:
                summary = train_run(config, options.out, overwrite=options.overwrite, reporter=reporter)
    except MissingRootError as error:
        if options.resume is None:
            raise
        raise moved(error, options.resume) from None
    except DiskFullError as error:
        if reporter.out is None:
            raise
        raise RunError(f"{error}; then continue with: {_resuming(reporter.out)}") from None
    except KeyboardInterrupt as end:
        goes_on = f"; continue with: {_resuming(reporter.out)}" if reporter.out else ""
        if reporter.shown:
            print(f"interrupted{goes_on}", file=sys.stderr)
        return end.code if isinstance(end, Interrupted) else 130
    if reporter.shown and reporter.out:
        results_table(summary, reporter.out)
    return 0


def _resuming(out: Path) -> str:
    """The command that goes on with an interrupted run."""
    from ckd.runs.folder import read_config

    outside = [(option, name) for option, name in named(read_config(out)).items() if is_factory(name)]
    return shlex.join(["python", "-m", "ckd.train", "--resume", str(out), *(word for pair in outside for word in pair)])
