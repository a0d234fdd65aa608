"""The pages of the commands, in Markdown."""

import contextlib
import io
import re
from dataclasses import fields, is_dataclass
from typing import Any

from ckd.config import Config, load_preset, preset_names
from deploy.cli import main
from website.commands import BESIDE, Command, commands
from website.markdown import code, escaped, table
from website.options import Group, shown

INDEX = """# Commands

The pages of the commands are made from the code that reads the options, as this site is built. `ckd-train` and the
others of `ckd` may also be typed as `python -m ckd.train`, which imports from the current folder, too
([trust](../trust.md)). Each has `--help` and `--version`, and a mistake is one line and exit code 2.
"""
EXAMPLES = "Example:"
PRESETS = (
    "What `--preset` sets, where it differs from the defaults above. A file of one's own in the same form is named by "
    "its path: `--preset mine.yaml`."
)


def index_page() -> str:
    """The page that lists all commands."""
    rows = [(f"[`{command.name}`]({command.file})", _first_sentence(command)) for command in commands()]
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        main(["--help"])
    listed = table(("command", "what it does"), rows)
    return f"{INDEX}\n{listed}\n\n## What `ckd-deploy --help` says\n\n```text\n{said.getvalue()}```\n"


def command_page(command: Command) -> str:
    """A command's page: its help, its options, and what presets make of them."""
    prose, examples = _prose(command), examples_of(command)
    parts = [f"# {command.name}", *prose]
    if examples:
        parts.append("```sh\n" + "\n".join(examples) + "\n```")
    for number, group in enumerate(command.groups):
        parts += [f"## {'Options' if number == 0 else _title(group)}", _options(group)]
    if command.module in BESIDE:
        parts += ["## Presets", PRESETS, _presets(BESIDE[command.module])]
    return "\n\n".join(parts) + "\n"


def examples_of(command: Command) -> list[str]:
    """The examples of a help as commands, what it says of them as comments."""
    blocks = [block for block in command.about.split("\n\n") if block.startswith(EXAMPLES)]
    return [_example(line.strip()) for block in blocks for line in block.removeprefix(EXAMPLES).strip().splitlines()]


def _prose(command: Command) -> list[str]:
    """The other paragraphs of a help."""
    text = command.about.split(": ", 1)[1] if command.about.startswith("python -m") else command.about
    return [escaped(block) for block in (text[0].upper() + text[1:]).split("\n\n") if not block.startswith(EXAMPLES)]


def _example(line: str) -> str:
    """An example, and behind it what the help says of it."""
    typed, _, told = line.partition("   ")
    return f"{typed}  # {told.strip()}" if told else typed


def _first_sentence(command: Command) -> str:
    return _prose(command)[0].replace("\n", " ").split(". ")[0].rstrip(".")


def _title(group: Group) -> str:
    """The first words of what a group says of itself."""
    return escaped(re.split(r"\. |; | \(", group.about.splitlines()[0])[0].rstrip("."))


def _options(group: Group) -> str:
    rows = []
    for option in group.options:
        takes = f" {code(option.takes)}" if option.takes else ""
        names = ", ".join(_name(name) + takes for name in option.names)
        rows.append((names, code(option.default) if option.default else "", escaped(option.help)))
    return table(("option", "default", "what it does"), rows)


def _name(option: str) -> str:
    """The name of an option, which is kept in one line."""
    return f"{code(option)}{{.option}}"


def _presets(kind: type) -> str:
    """The presets side by side, a row for every option that one of them sets."""
    presets = {name: _flat(_part(load_preset(name), kind)) for name in preset_names()}
    rows = []
    for name, default in _flat(kind()).items():
        values = [preset[name] for preset in presets.values()]
        if name != "preset" and any(value != default for value in values):
            cells = ["" if value == default else code(value) for value in values]
            rows.append((_name(f"--{name.replace('_', '-')}"), *cells))
    return table(("option", *presets), rows)


def _part(config: Config, kind: type) -> Any:
    """The configuration, or the part of it that is of this kind."""
    parts = (config, *(getattr(config, field.name) for field in fields(config)))
    return next(part for part in parts if isinstance(part, kind))


def _flat(config: Any) -> dict[str, str]:
    flat: dict[str, str] = {}
    for field in fields(config):
        value = getattr(config, field.name)
        flat |= _flat(value) if is_dataclass(value) else {field.name: shown(value)}
    return flat
