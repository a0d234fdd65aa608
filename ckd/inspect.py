"""python -m ckd.inspect: what a data set holds, what its frames would keep of it, and what would ruin a training.

Example:
  python -m ckd.inspect MINE                      MINE/recordings/<class>/<file> and MINE/images/<class>/<file>
  python -m ckd.inspect MINE --size 34 --step-us 20000 --time-steps 10
  python -m ckd.inspect DATA --preset nmnist --json

Exit code 0: it can be trained on; 2: it cannot, and why.
"""

import sys

if __name__ == "__main__":  # before anything that takes time to import, and may be interrupted
    from ckd.files import start_command

    sys.exit(start_command("ckd.inspect"))

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

from ckd.config import Data, load_preset, option_of
from ckd.console import inspection_tables, run_command
from ckd.errors import ConfigError
from ckd.files import read_arguments


@dataclass(frozen=True, kw_only=True)
class Options:
    """What to look at."""

    preset: str = "folder"
    """Whose data options hold where nothing else is said."""
    picture: Path | None = None
    """Where the picture of frames beside stills goes; left out: NAME-frames.png in the current folder."""
    json: bool = False
    """Print JSON for a program to read, and draw no picture unless --picture says where."""


def main(arguments: list[str] | None = None) -> int:
    return run_command(lambda: _main(sys.argv[1:] if arguments is None else arguments))


def _main(arguments: list[str]) -> int:
    import tyro

    dataset = option_of("--dataset", arguments)
    preset = load_preset(option_of("--preset", arguments) or Options().preset, factories=[dataset] if dataset else [])

    @dataclass(frozen=True, kw_only=True)
    class Command:
        root: tyro.conf.Positional[Path]
        """Folder with the recordings and images."""
        options: Annotated[Options, tyro.conf.arg(name="")] = Options()
        data: Annotated[Data, tyro.conf.arg(name="")] = preset.data

    command = read_arguments(
        Command,
        prog="python -m ckd.inspect",
        description=__doc__,
        args=arguments,
        config=(tyro.conf.OmitArgPrefixes,),
    )
    if command.data.data_root not in (preset.data.data_root, str(command.root)):
        raise ConfigError(f"--data-root {command.data.data_root}: a second data set beside {command.root}; give one")
    data = replace(command.data, data_root=str(command.root))
    replace(preset, data=data)  # refuses what a training would
    return _show(command.options, data)


def _show(options: Options, data: Data) -> int:
    from ckd.data.inspection import inspect_data
    from ckd.data.picture import draw_inspection, require_picture

    root = Path(str(data.data_root))
    picture = options.picture
    if picture is None and not options.json:
        picture = Path(f"{root.resolve().name}-frames.png")
    if picture is not None:
        require_picture(picture)
    found = inspect_data(data)
    if picture is not None and found.frames is not None:
        draw_inspection(found, picture)
    if options.json:
        print(json.dumps(found.as_dict()))
    else:
        inspection_tables(found.as_dict())
        if found.frames is not None:
            print(f"frames beside images: {picture}")
            alone = "" if found.distills else " --no-distill"
            print(f"train: python -m ckd.train --preset {options.preset} --data-root {root}{alone}")
    if found.refusal is not None:
        print(f"error: {found.refusal}", file=sys.stderr)
    return 0 if found.refusal is None else 2
