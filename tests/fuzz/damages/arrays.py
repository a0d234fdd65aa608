"""Damage to what arrays in files say of themselves: .npy, archives (.npz, .pt), safetensors."""

import io
import json
import random
import struct
import warnings
import zipfile
from typing import Any

import numpy as np
from numpy.lib import format as npy

from tests.fuzz.damages.at_bytes import Change, damage_bytes
from tests.fuzz.damages.texts import JSON

SHAPES = (
    "()",
    "(0,)",
    "(-1, 4)",
    "(1 << 40,)",
    "(4, 1 << 62)",
    "[3]",
    "3",
    "(1,) * 99",
    "(2.0, 4)",
    "'x'",
    "(1000000000,)",
)
TYPES = (
    *("'|O'", "'<f8'", "'>u2'", "'|V1073741824'", "'<U9'", "'|b1'", "'<c16'", "'<M8[us]'", "'x'", "7", "None", "[]"),
    *("[('x', '<i2'), ('y', '<i2'), ('t', '<i8')]", "[('x', 'O')]"),
    "[('x', '<i2', (2,)), ('y', '<i2'), ('t', '<i8'), ('p', '|i1')]",
    "[('x', [('a', '<i4')]), ('y', '|i1'), ('t', '|i1'), ('p', '|i1')]",
    "[('x', '<U3'), ('y', '|S1'), ('t', '<M8[s]'), ('p', '|b1')]",
)
CLAIMS: tuple[tuple[str, Any], ...] = (
    *(("shape", [1 << 40]), ("shape", [-1]), ("shape", []), ("shape", [1 << 32, 1 << 32])),
    *(("dtype", "F8_E4M3"), ("dtype", "X"), ("dtype", "I64"), ("dtype", "F16")),
    *(("data_offsets", [0, 1 << 40]), ("data_offsets", [8, 4])),
)
"""Of a tensor in a safetensors file."""

OTHERS = (
    *("", "{}", "{'descr': '<i8'}", "[1]", "open('x')", "{'descr': '<i8', 'fortran_order': 3, 'shape': (1,)}"),
    *("(" * 900, "1" * 5000, "{'a': " * 200, "{**{}}", "\x00"),
)


def _npy(content: bytearray, rng: random.Random) -> str:
    """Another header before the same numbers."""
    file = io.BytesIO(bytes(content))
    try:
        version = npy.read_magic(file)
        (npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0)(file)
    except Exception:  # numpy raises whatever its parser comes upon in what was damaged before
        return damage_bytes(content, rng)
    numbers = file.read()
    shape, dtype = rng.choice((rng.choice(SHAPES), f"({len(numbers) // 8},)")), rng.choice(TYPES)
    text = f"{{'descr': {dtype}, 'fortran_order': {rng.choice(('True', 'False'))}, 'shape': {shape}, }}"
    if rng.random() < 0.3:
        text = rng.choice(OTHERS)
    header = text.encode() + b"\n"
    wide = rng.random() < 0.3
    size = struct.pack("<I" if wide else "<H", min(len(header), 65_535))
    content[:] = b"\x93NUMPY" + bytes([rng.choice((1, 2, 3, 9)) if wide else 1, 0]) + size + header + numbers
    return f"header {text:.60}"


def _claims(content: bytearray, rng: random.Random) -> str:
    """A true header of very many numbers."""
    file = io.BytesIO()
    shape = rng.choice(((1 << 28,), (1 << 20, 4), (1 << 38, 4), (0, 4), (1 << 16, 1 << 16)))
    header = {"descr": rng.choice(("<i8", "|u1")), "fortran_order": False, "shape": shape}
    npy.write_array_header_1_0(file, header)
    content[:] = file.getvalue()
    return f"claims {shape}"


def _values(content: bytearray, rng: random.Random) -> str:
    """Numbers that no event holds, in types that an event may have."""
    dtype, shape = (
        rng.choice(("<f4", ">f8", "<i8", "<u8", "|b1", "<f2", "|i1")),
        rng.choice(((7, 4), (0, 4), (1, 4), (9,))),
    )
    with np.errstate(all="ignore"):
        values = np.array(rng.choices((0, 1, -1, 32767, 32768, 1e300, np.nan, np.inf, 2.0**62), k=63))[
            : int(np.prod(shape))
        ]
        array = np.nan_to_num(values, nan=0, posinf=0).astype(dtype) if dtype[1] != "f" else values.astype(dtype)
    file = io.BytesIO()
    np.save(file, array.reshape(shape))
    content[:] = file.getvalue()
    return f"{dtype} {shape}"


def _archive(content: bytearray, rng: random.Random) -> str:
    """The same archive with one member changed, missing, twice, renamed, or packed in another way."""
    try:
        with zipfile.ZipFile(io.BytesIO(bytes(content))) as archive:
            members = [[info.filename, bytearray(archive.read(info))] for info in archive.infolist()]
    except (zipfile.BadZipFile, ValueError, OSError, RuntimeError, NotImplementedError, EOFError, KeyError):
        return damage_bytes(content, rng)
    if not members:
        return damage_bytes(content, rng)
    at = rng.randrange(len(members))
    name, inside = members[at]
    how = rng.choice(("bytes", "header", "header", "gone", "twice", "name", "packing", "bomb"))
    packing = zipfile.ZIP_STORED
    match how:
        case "bytes":
            damage_bytes(inside or bytearray(1), rng)
        case "header":
            rng.choice(NPY)(inside, rng) if inside else None
        case "gone":
            del members[at]
        case "twice":
            members.append([name, bytearray(members[rng.randrange(len(members))][1])])
        case "name":
            members[at][0] = rng.choice(("../x.npy", "/etc/x.npy", "x", "X.npy", "ü.npy", "x.npy/", "t.npy"))
        case "packing":
            packing = rng.choice((zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA))
        case _:
            packing = zipfile.ZIP_DEFLATED
            inside += bytes(rng.choice((1 << 16, 1 << 22)))
    out = io.BytesIO()
    # The same name twice is one of the damages.
    with warnings.catch_warnings(action="ignore"), zipfile.ZipFile(out, "w", packing) as archive:
        for name, inside in members:
            archive.writestr(zipfile.ZipInfo(name), bytes(inside), packing)
    content[:] = out.getvalue()
    if rng.random() < 0.2:  # what the list at the end says, and what lies there
        place = max(0, content.rfind(b"PK\1\2"))
        field = rng.choice((6, 8, 10, 16, 20, 24, 28, 30, 42))
        content[place + field : place + field + 4] = rng.choice((0, 1, 99, 1 << 31, (1 << 32) - 1)).to_bytes(
            4, "little"
        )
        how += " lies"
    return f"{name}: {how}"


def _safetensors(content: bytearray, rng: random.Random) -> str:
    """Another header before the same tensors."""
    size = int.from_bytes(content[:8], "little")
    if size > len(content) - 8 or rng.random() < 0.15:
        content[:8] = rng.choice((0, 1, size + 1, 1 << 31, 1 << 62, (1 << 64) - 1, len(content))).to_bytes(8, "little")
        return "another length of its header"
    header, how = bytearray(content[8 : 8 + size]), ""
    if rng.random() < 0.5:
        how = rng.choice(JSON)(header, rng)
    else:
        try:
            said = json.loads(header)
            name = rng.choice(sorted(said))
            key, value = rng.choice(CLAIMS)
            said[name][key] = value
            header, how = bytearray(json.dumps(said).encode()), f"{name} {key} = {value}"
        except (ValueError, TypeError, IndexError, AttributeError, KeyError, RecursionError):
            how = damage_bytes(header or bytearray(1), rng)
    content[:] = len(header).to_bytes(8, "little") + header + content[8 + size :]
    return how


NPY: tuple[Change, ...] = (_npy, _npy, _claims, _values)
ARCHIVE: tuple[Change, ...] = (_archive,)
SAFETENSORS: tuple[Change, ...] = (_safetensors,)
