"""What a command takes, read from the dataclass of its options as tyro reads it: names, values, defaults, help."""

import ast
import inspect
import math
import types
from collections.abc import Iterator
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from functools import cache
from pathlib import Path
from textwrap import dedent
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import tyro


@dataclass(frozen=True, kw_only=True)
class Option:
    """One option: `--name`, or NAME where it is told by its place."""

    names: tuple[str, ...]
    """As they are typed, the longest name last."""
    takes: str
    """What follows it."""
    default: str
    """Empty where it must be given."""
    help: str


@dataclass(frozen=True, kw_only=True)
class Group:
    """The options of one dataclass."""

    about: str
    options: tuple[Option, ...]


def groups_of(kind: type) -> list[Group]:
    """The options of a dataclass, and after them those of the dataclasses in it, a group each."""
    hints = get_type_hints(kind, include_extras=True)
    options, inner = [], []
    for field in fields(kind):
        bare, extras = _unwrapped(hints[field.name])
        if is_dataclass(bare) and isinstance(bare, type):
            inner.extend(groups_of(bare))
        else:
            options.append(_option(field, bare, extras, _told(kind).get(field.name, "")))
    own = [Group(about=inspect.cleandoc(kind.__doc__ or ""), options=tuple(options))] if options else []
    return own + inner


def _option(field: Field[Any], bare: Any, extras: tuple[Any, ...], told: str) -> Option:
    said = {
        name: value for extra in extras if hasattr(extra, "metavar") for name, value in vars(extra).items() if value
    }
    name = field.name.replace("_", "-")
    if tyro.conf.Positional in extras:
        names: tuple[str, ...] = (name.upper(),)
    elif bare is bool:
        names = (f"--{name}", f"--no-{name}")
    else:
        names = (*said.get("aliases", ()), f"--{name}")
    many = "..." if get_origin(bare) is tuple and Ellipsis in get_args(bare) else ""
    takes = "" if bare is bool or tyro.conf.Positional in extras else said.get("metavar", _takes(bare)) + many
    help_text = " ".join(f"{said.get('help', told)}{_range(field)}".split())
    return Option(names=names, takes=takes, default=_default(field), help=help_text)


def _unwrapped(hint: Any) -> tuple[Any, tuple[Any, ...]]:
    """A type that is no Annotated and no Optional, and what was annotated to it; what is annotated inside is left out,
    as tyro's help leaves it out."""
    extras = getattr(hint, "__metadata__", ())
    hint = hint.__origin__ if extras else hint
    if get_origin(hint) in (Union, types.UnionType) and type(None) in get_args(hint):
        hint = Union[tuple(kind for kind in get_args(hint) if kind is not type(None))]  # noqa: UP007 (made of a list)
    while hasattr(hint, "__metadata__"):
        hint = hint.__origin__
    return hint, extras


def _takes(kind: Any) -> str:
    """The word for a type, as the help of tyro has it."""
    if get_origin(kind) is Literal:
        return " | ".join(map(str, get_args(kind)))
    if get_origin(kind) is tuple:
        inside = [part for part in get_args(kind) if part is not Ellipsis]
        return " ".join(_takes(part) for part in inside)
    if get_origin(kind) in (Union, types.UnionType):
        return " | ".join(dict.fromkeys(_takes(part) for part in get_args(kind)))
    return {int: "INT", float: "FLOAT", str: "TEXT", Path: "PATH"}[kind]


def _default(field: Field[Any]) -> str:
    value = field.default_factory() if field.default_factory is not MISSING else field.default
    return "" if value is MISSING else shown(value)


def shown(value: object) -> str:
    """The value of an option as one reads it."""
    if value is None or isinstance(value, bool):
        return {None: "none", True: "on", False: "off"}[value]
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _range(field: Field[Any]) -> str:
    """Which numbers a field of a configuration may hold, in the words of its refusal."""
    bounds = field.metadata.get("bounds")
    return f" ({bounds.refusal(math.nan)})" if bounds is not None else ""


@cache
def _told(kind: type) -> dict[str, str]:
    """The text below each field of a dataclass and of those that it inherits from, by the field's name."""
    told: dict[str, str] = {}
    for base in reversed(kind.__mro__[:-1]):
        told |= dict(_texts(base))
    return told


def _texts(kind: type) -> Iterator[tuple[str, str]]:
    (tree,) = ast.parse(dedent(inspect.getsource(kind))).body
    assert isinstance(tree, ast.ClassDef)
    for above, below in zip(tree.body, tree.body[1:], strict=False):
        match above, below:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                yield name, text
