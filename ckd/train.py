"""python -m ckd.train: train a teacher, a distilled student, and the same student without distillation.

Example:
  python -m ckd.train                       the embedded digits, minutes on two cores
  python -m ckd.train --preset nmnist --data-root DIR --labels-per-class 10 --out runs/few
  python -m ckd.train --resume runs/few     go on after an interruption
"""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from ckd.config import Config, load_preset, preset_names
from ckd.console import run_command
from ckd.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Options:
    """What is asked for, beside the configuration itself."""

    out: Path | None = None
    """Run folder; left out: runs/PRESET-seedSEED, with a number behind it where that exists."""
    overwrite: bool = False
    """Replace a run folder that exists."""
    resume: Path | None = None
    """Go on with this run folder; takes no other option."""
    dry_run: bool = False
    """Print the resolved configuration and one batch's shapes, and train nothing."""


def main(arguments: list[str] | None = None) -> int:
    return run_command(lambda: _main(sys.argv[1:] if arguments is None else arguments))


def _main(arguments: list[str]) -> int:
    options, config = parse(arguments)
    if options.resume is not None and len(arguments) > 2:
        raise ConfigError("--resume takes no other option: a run goes on as it began")
    if options.dry_run:
        from ckd.training.dry_run import describe

        print(describe(config))
        return 0
    return _train(options, config)


def parse(arguments: list[str]) -> tuple[Options, Config]:
    """Command line to options and configuration: the preset's values where nothing else is said."""
    import tyro

    from ckd.data.sources import SOURCES

    preset = _preset_of(arguments)
    defaults = load_preset(preset)

    @dataclass(frozen=True, kw_only=True)
    class Command:
        options: Annotated[Options, tyro.conf.arg(name="")] = Options()
        config: Annotated[Config, tyro.conf.arg(name="")] = defaults

    command = tyro.cli(
        Command,
        prog="python -m ckd.train",
        description=f"{__doc__}\nPresets: {', '.join(preset_names())}.\nData sets: {', '.join(SOURCES)}.",
        args=arguments,
        config=(tyro.conf.OmitArgPrefixes,),
    )
    return command.options, command.config


def _preset_of(arguments: list[str]) -> str:
    """The preset must be known before the rest can be read: it decides the defaults."""
    for place, word in enumerate(arguments):
        if word == "--preset":
            if place + 1 == len(arguments):
                raise ConfigError("--preset needs a name")
            return arguments[place + 1]
        if word.startswith("--preset="):
            return word.removeprefix("--preset=")
    return Config().preset


def _train(options: Options, config: Config) -> int:
    """Train with a progress bar, and show the results."""
    from ckd.console import RichReporter, results_table
    from ckd.training.parallel import is_first_process
    from ckd.training.pipeline import resume_run, train_run

    reporter = RichReporter(shown=is_first_process())
    try:
        with reporter:
            if options.resume:
                summary = resume_run(options.resume, reporter=reporter)
            else:
                summary = train_run(config, options.out, overwrite=options.overwrite, reporter=reporter)
    except KeyboardInterrupt:
        goes_on = f"; python -m ckd.train --resume {reporter.out} goes on" if reporter.out else ""
        if reporter.shown:
            print(f"interrupted{goes_on}", file=sys.stderr)
        return 130
    if reporter.shown and reporter.out:
        results_table(summary, reporter.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
