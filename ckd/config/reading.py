"""Configurations from presets and files: by name, with types checked, and back to plain values."""

import contextlib
import dataclasses
from collections.abc import Collection
from importlib import resources
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from ckd.config.factories import is_factory
from ckd.config.plain_yaml import read_yaml_file, shown
from ckd.config.schema import Config
from ckd.errors import ConfigError


def preset_names() -> list[str]:
    """The presets that come with the package."""
    folder = resources.files("ckd.config") / "presets"
    return sorted(Path(entry.name).stem for entry in folder.iterdir() if entry.name.endswith(".yaml"))


def load_preset(name: str, *, factories: Collection[str] = ()) -> Config:
    """The configuration of a preset by its name, or of a YAML file of one's own by its path.

    Args:
        name: of the preset, or the file's path.
        factories: PACKAGE.MODULE:FACTORY names that the file may hold: training would run their code.

    Raises:
        ConfigError: there is no such preset, it holds what is not allowed, or it names another factory.
    """
    if name in preset_names():
        file = Path(str(resources.files("ckd.config") / "presets" / f"{name}.yaml"))
    elif name.endswith((".yaml", ".yml")) and Path(name).is_file():
        file = Path(name)
    else:
        raise ConfigError(
            f"--preset {name!r}: unknown; known are {', '.join(preset_names())}, or a path to a .yaml file"
        )
    try:
        values = read_yaml_file(file)
    except (OSError, ValueError) as error:
        raise ConfigError(f"preset {name}: not valid YAML ({error})") from None
    if not isinstance(values, dict | None):
        raise ConfigError(f"preset {name}: expected keys and values, found {shown(values)}")
    # A run's own config.yaml says its format before all else, and is a preset otherwise.
    said = {key: value for key, value in (values or {}).items() if key != "format"}
    config = config_from_dict({"preset": Path(name).stem, **said}, source=f"preset {name}")
    require_named(config, factories, source=f"preset {name}")
    return config


def require_named(config: Config, factories: Collection[str], *, source: str) -> None:
    """Raise ConfigError where a configuration that was read from a file names a factory that its reader did not.

    Args:
        config: as it was read.
        factories: those that the reader named.
        source: what an error message calls the file.
    """
    outside = {option: name for option, name in named(config).items() if is_factory(name)}
    unnamed = {option: name for option, name in outside.items() if name not in factories}
    if unnamed:
        said = " ".join(word for pair in outside.items() for word in pair)
        raise ConfigError(
            f"{source}: names {' and '.join(unnamed.values())}, code that is no part of ckd and would run; if you "
            f"trust it, say so by {said}"
        )


def named(config: Config) -> dict[str, str]:
    """What a configuration has at the options that may name code of one's own."""
    return {"--student": config.student.student, "--dataset": config.data.dataset}


def option_of(option: str, arguments: list[str]) -> str | None:
    """What stands behind an option, "" where nothing does, None where it is not there: known before the rest is."""
    for place, word in enumerate(arguments):
        if word == option:
            return "".join(arguments[place + 1 : place + 2])
        if word.startswith(f"{option}="):
            return word.removeprefix(f"{option}=")
    return None


def config_to_dict(config: Config) -> dict[str, Any]:
    """Nested plain values, for YAML and JSON."""
    return dataclasses.asdict(config)


def config_from_dict(values: dict[str, Any], *, source: str) -> Config:
    """The inverse of `config_to_dict`; keys that are left out keep their defaults.

    Raises:
        ConfigError: an unknown key, or a value that is not allowed.
    """
    return _build(Config, values, source)


def _build(kind: Any, values: Any, source: str) -> Any:
    if not isinstance(values, dict):
        raise ConfigError(f"{source}: expected keys and values, found {shown(values)}")
    fields = {f.name: f for f in dataclasses.fields(kind)}
    unknown = sorted(set(values) - set(fields))
    if unknown:
        raise ConfigError(f"{source}: unknown key {shown(unknown[0])}; known are {', '.join(fields)}")
    built = {}
    for name, value in values.items():
        group = fields[name].default_factory
        if dataclasses.is_dataclass(group):
            built[name] = _build(group, value, f"{source}, {name}")
            continue
        wanted = get_type_hints(kind)[name]
        built[name] = _as_python(value, wanted)
        _check_type(name, built[name], wanted, source)
    return kind(**built)


def _as_python(value: Any, wanted: Any) -> Any:
    """A value of a YAML file as the field's type has it: YAML knows no tuples, and reads 2e-3 as text."""
    if isinstance(value, list):
        return tuple(value)
    if isinstance(value, str) and float in (wanted, *get_args(wanted)):
        with contextlib.suppress(ValueError):
            return float(value)
    return value


def _check_type(name: str, value: Any, wanted: Any, source: str) -> None:
    """Whether a value from a file is one that a field may hold; an int may stand for a float."""
    allowed: list[Any] = []
    for kind in get_args(wanted) if get_origin(wanted) in (UnionType, Union) else (wanted,):
        if get_origin(kind) is Literal:
            if value in get_args(kind):
                return
            allowed += map(repr, get_args(kind))
            continue
        plain = get_origin(kind) or kind
        fits = isinstance(value, (int, float) if plain is float else plain)
        fits = fits and (plain is not tuple or _are(value, get_args(kind)))
        if fits and (plain is bool or not isinstance(value, bool)):
            return
        allowed.append("null" if plain is type(None) else str(kind) if plain is tuple else plain.__name__)
    raise ConfigError(f"{source}: {name} (={shown(value)}) is not allowed; it must be {' or '.join(allowed)}")


def _are(values: Any, kinds: tuple[type, ...]) -> bool:
    """Whether a tuple holds these types alone; how many is for the field to say."""
    return all(type(value) in kinds for value in values)
