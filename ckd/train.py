"""python -m ckd.train: train a teacher, a distilled student, and the same student without distillation.

Example:
  python -m ckd.train                       the embedded digits, minutes on two cores
  python -m ckd.train --preset nmnist --data-root DIR --labels-per-class 10 --out runs/few
  python -m ckd.train --resume runs/few     go on after an interruption
"""

import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

from ckd.config import Config, load_preset
from ckd.console import run_command
from ckd.errors import ConfigError, RunError


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
    if options.resume is not None:
        return _resume(options.resume, arguments)
    if options.dry_run:
        from ckd.training.dry_run import describe

        print(describe(config))
        return 0
    return _train(config, _free_folder(options, config), resume=False)


def parse(arguments: list[str]) -> tuple[Options, Config]:
    """Command line to options and configuration: the preset's values where nothing else is said."""
    import tyro

    preset = _preset_of(arguments)
    defaults = load_preset(preset)

    @dataclass(frozen=True, kw_only=True)
    class Command:
        options: Annotated[Options, tyro.conf.arg(name="")] = Options()
        config: Annotated[Config, tyro.conf.arg(name="")] = defaults

    command = tyro.cli(
        Command,
        prog="python -m ckd.train",
        description=__doc__,
        args=arguments,
        config=(tyro.conf.OmitArgPrefixes,),
    )
    config = command.config
    # A run folder is read from other working directories too.
    data = replace(config.data, data_root=_absolute(config.data.data_root))
    teacher = replace(config.teacher, teacher_file=_absolute(config.teacher.teacher_file))
    return command.options, replace(config, data=data, teacher=teacher)


def _absolute(path: str | None) -> str | None:
    return path and str(Path(path).resolve())


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


def _free_folder(options: Options, config: Config) -> Path:
    """Where the run goes. Only the first of several processes writes, so only it looks whether the place is free; the
    others learn its answer in `carry_out`."""
    base = Path("runs") / f"{Path(config.preset).stem}-seed{config.seed}"
    if not _first_process():
        return options.out or base
    if options.out is None:
        candidates = [base, *(base.with_name(f"{base.name}-{n}") for n in range(2, 10_000))]
        return next(path for path in candidates if not path.exists())
    from ckd.runs.folder import is_run

    out = options.out
    ours = is_run(out)
    if out.exists() and not out.is_dir():
        raise RunError(f"--out {out}: is a file; give a folder")
    if out.is_dir() and any(out.iterdir()) and not ours:
        raise RunError(f"--out {out}: holds files that are no run's, which stay untouched; give another folder")
    if ours and not options.overwrite:
        if not (out / "summary.json").is_file():
            raise RunError(f"--out {out}: an unfinished run; continue it with --resume {out}, or give --overwrite")
        raise RunError(f"--out {out}: exists already; give another folder, or --overwrite")
    return out


def _first_process() -> bool:
    """torchrun tells every process its number."""
    return os.environ.get("RANK", "0") == "0"


def _resume(path: Path, arguments: list[str]) -> int:
    from ckd.runs.folder import read_config

    if len(arguments) > 2:
        raise ConfigError("--resume takes no other option: a run goes on as it began")
    config = read_config(path)
    if (path / "summary.json").is_file():
        raise RunError(f"--resume {path}: this run is finished")
    return _train(config, path, resume=True)


def _train(config: Config, out: Path, *, resume: bool) -> int:
    from ckd.console import RichReporter, results_table
    from ckd.runs.folder import is_run
    from ckd.training.memory import keep_freed_memory
    from ckd.training.pipeline import carry_out

    keep_freed_memory()

    try:
        with RichReporter(shown=_first_process()) as reporter:
            summary = carry_out(config, out, reporter, resume=resume)
    except KeyboardInterrupt:
        if is_run(out) and _first_process():
            print(f"interrupted; python -m ckd.train --resume {out} goes on", file=sys.stderr)
        return 130
    if _first_process():
        results_table(summary, out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
