"""Damage to what a text says: YAML, JSON, and the lines at the head of a recording."""

import json
import random
import re
from collections.abc import Callable
from typing import Any

import yaml

from tests.fuzz.damages.at_bytes import Change

TOKENS = (
    *("", "null", "~", "true", "-1", "0", "1e999", "-.inf", ".nan", "1e-320", "9" * 400, "1_000", "0x7fffffffffffffff"),
    *("2020-99-99", "12:30:45", "[]", "{}", "[1, 2]", "{a: 1}", "[[[[]]]]", '"text"', "\x1b[31m", "\u202e", "ü" * 100),
    *("vgg", "os:system", "this:that", "a.b:c", "/dev/zero", "../../etc/passwd", "16-AP-0-AP", "AP", "1000000000"),
    *("&a [x]", "*a", "!!python/object/apply:os.system [true]", "!!binary x", "<<: {a: 1}", "? [a]\n: 1", "- a\n- b"),
    *("evt 2.0", "evt 3.0", "format EVT3;height=0;width=0", "x" * 70_000, "[" * 3000, '{"a":' * 3000, "\0", "\ufeff"),
)
VALUES: tuple[Any, ...] = (
    *(
        None,
        True,
        -1,
        0,
        2**70,
        -(2**63),
        1e308,
        float("nan"),
        float("inf"),
        5e-324,
        "",
        "x",
        "\x1b",
        [],
        {},
        [1],
        {"a": 1},
    ),
    *([None], ["a", 1], [[]], {"": {}}, "a\nb", "9" * 50, ["x"] * 3000, 1.5, "vgg", "resnet18", 3, 1000, 10**6, 10**9),
)


def _word(content: bytearray, rng: random.Random) -> str:
    """A word, a number or a value after a colon replaced."""
    places = list(re.finditer(rb"[\w.+-]+|\"[^\"\n]*\"", content))
    if not places:
        return _line(content, rng)
    place, token = rng.choice(places), rng.choice(TOKENS)
    content[place.start() : place.end()] = token.encode()
    return f"{place[0][:20]!r} is {token[:20]!r}"


def _line(content: bytearray, rng: random.Random) -> str:
    lines = bytes(content).split(b"\n")
    at, how = rng.randrange(len(lines)), rng.choice(("twice", "gone", "new", "deeper", "changed places"))
    match how:
        case "twice":
            lines.insert(rng.randrange(len(lines)), lines[at])
        case "gone":
            del lines[at]
        case "new":
            lines.insert(at, rng.choice(TOKENS).encode())
        case "deeper":
            lines[at] = rng.choice((b" ", b"  ", b"\t", b"- ", b"% ", b"# ")) + lines[at]
        case _:
            other = rng.randrange(len(lines))
            lines[at], lines[other] = lines[other], lines[at]
    content[:] = b"\n".join(lines)
    return f"line {at} {how}"


def _tree(load: Callable[[str], Any], dump: Callable[[Any], str]) -> Change:
    """A value anywhere replaced, taken out or put in, and the text written anew."""

    def change(content: bytearray, rng: random.Random) -> str:
        try:
            values = load(content.decode())
        except (ValueError, RecursionError, yaml.YAMLError):  # of an earlier change
            return _word(content, rng)
        places: list[tuple[Any, Any]] = []
        _walk(values, places)
        if not places:
            return _line(content, rng)
        (holder, key), value = rng.choice(places), rng.choice(VALUES)
        how = rng.random()
        if how < 0.15:
            del holder[key]
        elif how < 0.25 and isinstance(holder, dict):
            holder[rng.choice(("x", "", "format", "preset", "data", "classes"))] = value
        else:
            holder[key] = value
        content[:] = dump(values).encode()
        return f"{key!r} = {value!r:.30}"

    return change


def _walk(value: Any, places: list[tuple[Any, Any]]) -> None:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in items:
        places.append((value, key))
        _walk(child, places)


TEXT: tuple[Change, ...] = (_word, _word, _line)
YAML: tuple[Change, ...] = (*TEXT, *3 * (_tree(yaml.safe_load, yaml.safe_dump),))
JSON: tuple[Change, ...] = (*TEXT, *3 * (_tree(json.loads, json.dumps),))
