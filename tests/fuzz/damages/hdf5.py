"""Damage to what an HDF5 file holds."""

import random
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np

TEXTS = (
    *("", "gibberish", "null", "[]", "{}", "[1]", '{"a": 1}', "[" * 20_000, '{"a":' * 5_000, "1e999", "NaN", "\u0000x"),
    *("9" * 6000, '["a", 1]', "[[[]]]", "true", "-1", '"text"', "LIF", "NIRGraph", "\x1b[31m", "ü" * 200),
    *('{"lif1": "7"}', '{"lif1": 1e300}', '{"vth": ["int64", [99999999999]], "du": 3}', '{"weight": ["O", [1]]}'),
)
VALUES: tuple[Any, ...] = (
    *(np.float64(1e300), np.float64(-1e300), np.float64(5e-324), np.nan, np.inf, -np.inf, -7, 0, 2**62, -(2**63)),
    *(np.uint64(2**64 - 1), True, np.bool_(False), np.float16(1), np.zeros(0, np.float32), np.zeros((0, 3), np.int8)),
    *(np.full((3, 3), 1e300), np.ones((1, 2, 1, 2, 1)), np.zeros((1,) * 9), np.arange(4, dtype=">i8")),
    *(
        np.complex64(1j),
        np.zeros(2, [("a", "i4")]),
        np.zeros(5, "S3"),
        np.full(70_000, 1e39),
        np.array([b"\xff\xfe", b"a"]),
    ),
)


def damage_hdf5(path: Path, rng: random.Random) -> str:
    """Change what a file holds, by HDF5's own library; says how."""
    with h5py.File(path, "r+") as file:
        return ", ".join(rng.choice(STRUCTURE)(file, rng) for _ in range(rng.choice((1, 1, 1, 2))))


def _structure(file: h5py.File, rng: random.Random) -> tuple[h5py.Group, str]:
    """Any place of the file."""
    places: list[str] = []
    file.visit(places.append)
    path = rng.choice(places)
    parent, _, name = path.rpartition("/")
    group = file[parent] if parent else file
    assert isinstance(group, h5py.Group)
    return group, name


def _value(rng: random.Random) -> Any:
    if rng.random() < 0.5:
        text = rng.choice(TEXTS)
        return text.replace("\0", "") if rng.random() < 0.7 else np.bytes_(text.encode())
    return rng.choice(VALUES)


def _delete(file: h5py.File, rng: random.Random) -> str:
    group, name = _structure(file, rng)
    del group[name]
    if not len(file):
        file.create_group("empty")
    return f"no {group.name}/{name}"


def _replace(file: h5py.File, rng: random.Random) -> str:
    group, name = _structure(file, rng)
    value = _value(rng)
    del group[name]
    group[name] = value
    return f"{group.name}/{name} = {value!r:.40}"


def _text(file: h5py.File, rng: random.Random) -> str:
    """A text in place of a text: metadata in JSON, a type, an edge."""
    texts: list[str] = []
    file.visititems(lambda path, item: texts.append(path) if _is_text(item) else None)
    if not texts:
        return _attribute(file, rng)
    path, text = rng.choice(texts), rng.choice(TEXTS).replace("\0", "")
    shape = getattr(file[path], "shape", ())
    del file[path]
    file.create_dataset(path, data=np.full(shape, text, object), dtype=h5py.string_dtype())
    return f"{path} = {text!r:.40}"


def _is_text(item: Any) -> bool:
    return isinstance(item, h5py.Dataset) and h5py.check_string_dtype(item.dtype) is not None


def _attribute(file: h5py.File, rng: random.Random) -> str:
    owners: list[h5py.Group | h5py.Dataset] = [file]
    file.visititems(lambda _, item: owners.append(item) if len(item.attrs) else None)
    owner = rng.choice(owners)
    name = rng.choice([*owner.attrs, "dt", "scale_bits"])
    if rng.random() < 0.2 and name in owner.attrs:
        del owner.attrs[name]
        return f"{owner.name} no {name}"
    value = _value(rng)
    owner.attrs[name] = value[:200] if isinstance(value, str | np.ndarray) else value
    return f"{owner.name} {name} = {value!r:.40}"


def _json(file: h5py.File, rng: random.Random) -> str:
    """A word or a number of a JSON text replaced: `meta` of a trace, the metadata of a network."""
    found = [(file.attrs, name) for name, value in file.attrs.items() if isinstance(value, str)]
    if not found:
        return _text(file, rng)
    attributes, name = rng.choice(found)
    parts = str(attributes[name]).split(" ")
    at = rng.randrange(len(parts))
    parts[at] = rng.choice(('"x",', "-1,", "1e400,", "null,", "[],", "{},", "99999999999999999999,", "2.5}", "true,"))
    attributes[name] = " ".join(parts)
    if "crc32" in attributes and name == "meta" and rng.random() < 0.8:  # a stranger writes its checksum, too
        attributes["crc32"] = zlib.crc32(str(attributes[name]).encode())
    return f"{name}: word {at} is {parts[at]}"


def _nest(file: h5py.File, rng: random.Random) -> str:
    group, name = _structure(file, rng)
    name, how = f"{name}_{rng.randrange(1 << 30)}", rng.randrange(4)
    if how == 0:
        group[f"{name}_in_itself"] = file["/"]
    elif how == 1:
        group[f"{name}_soft"] = h5py.SoftLink("/node")
    elif how == 2:
        group.create_group("/".join((name, *("g" * 45))))
    else:
        group.create_dataset(f"{name}_bomb", (1 << 14, 1 << 14), np.float32, chunks=(256, 256), compression="gzip")
    return f"{group.name}: {('itself inside', 'a soft link', 'depth', 'a bomb')[how]}"


STRUCTURE: tuple[Callable[[h5py.File, random.Random], str], ...] = (
    *(_replace, _replace, _text, _text, _attribute, _json, _json, _delete, _nest),
)
