"""Every command of the package: what it says of itself, and its options from the dataclasses that read them."""

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from inspect import cleandoc
from pathlib import Path

from ckd.config import Config, Data
from deploy.cli import COMMANDS
from website.options import Group, Option, groups_of

ROOT = Path(__file__).resolve().parents[1]
BESIDE = {"ckd.train": Config, "ckd.inspect": Data}
"""What a command reads beside its `Options`."""


@dataclass(frozen=True, kw_only=True)
class Command:
    """A command as it is typed, what it says of itself, and what it takes."""

    name: str
    module: str
    """What Python imports for it; its `main(["--help"])` prints its help."""
    about: str
    groups: tuple[Group, ...]

    @property
    def file(self) -> str:
        """Its page, in the folder `commands`."""
        return f"{self.name.replace(' ', '-')}.md"

    @property
    def options(self) -> tuple[Option, ...]:
        return tuple(option for group in self.groups for option in group.options)


@cache
def commands() -> tuple[Command, ...]:
    """Every console script of the package in the order of pyproject.toml, ckd-deploy's commands one by one."""
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    return tuple(command for name in scripts for command in _of_script(name))


def _of_script(name: str) -> list[Command]:
    if name == "ckd-deploy":
        return [_of_deploy(f"{name} {command}", place) for command, (place, _) in COMMANDS.items()]
    if name == "ckd-export":
        kind = import_module("export.cli").Command
        return [_command(name, "export.cli", kind.__doc__, [kind])]
    place = f"ckd.{name.removeprefix('ckd-')}"
    module = import_module(place)
    kinds = [module.Options, *([BESIDE[place]] if place in BESIDE else [])]
    return [_command(name, place, module.__doc__, kinds)]


def _of_deploy(name: str, place: str) -> Command:
    file, _, kind = place.partition(":")
    found = getattr(import_module(f"deploy.commands.{file}"), kind)
    return _command(name, "deploy.cli", found.__doc__, [found])


def _command(name: str, module: str, about: str | None, kinds: list[type]) -> Command:
    groups = tuple(group for kind in kinds for group in groups_of(kind))
    return Command(name=name, module=module, about=cleandoc(about or ""), groups=groups)
