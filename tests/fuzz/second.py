"""A second way of damaging files, which knows none of our formats: only bytes, and what packs bytes everywhere.

Tokens of a dictionary, two files spliced, cut and gone on, bits, numbers, blocks, and what zlib and zip have packed.
"""

import io
import random
import shutil
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

TOKENS = (
    *(b"\0", b"\xff" * 8, b"\x80\0\0\0", b"\x7f\xff\xff\xff", b"\0\0\0\x80", b"%s%n", b"../", b"A" * 300, b"\n"),
    *(b"\x89HDF\r\n\x1a\n", b"PK\x03\x04", b"\x93NUMPY\x01\0", b"% evt 3.0\n", b"OHDR", b"TREE", b"\x78\x9c", b"\r\n"),
    *(
        b"{",
        b"}",
        b"[",
        b"]",
        b'"',
        b"null",
        b"NaN",
        b"-1",
        b"1e999",
        b"true",
        b"&x",
        b"*x",
        b"!!",
        b": ",
        b"- ",
        b"\t",
    ),
    *(b"99999999999999999999", b"-9223372036854775808", b"4294967296", b"0.0", b"\xc3\x28", b"\xed\xa0\x80"),
    *(b"\x1b]0;x\x07", b"\x1f\x8b"),
)
INTERESTING = (0, 1, 2, 7, 8, 16, 32, 64, 100, 127, 128, 255, 256, 1000, 4096, 32767, 32768, 65535, 2**31, 2**32, 2**63)
Mutation = Callable[[bytes, bytes, random.Random], bytes]


def damage(sound: Path, out: Path, seed: int) -> str:
    """Write a damaged copy of a file or folder; says what was done to it."""
    rng = random.Random(f"second {seed}")
    if not sound.is_dir():
        content, said = _mutated(sound.read_bytes(), _other(sound, rng), rng)
        out.write_bytes(content)
        return f"{sound.name}, second {seed}: {said}"
    shutil.copytree(sound, out)
    file = rng.choice(sorted(path for path in out.rglob("*") if path.is_file()))
    content, said = _mutated(file.read_bytes(), _other(file, rng), rng)
    file.write_bytes(content)
    return f"{sound.name}, second {seed}: {file.relative_to(out)}: {said}"


def _other(path: Path, rng: random.Random) -> bytes:
    """Another file that lies beside this one."""
    return rng.choice([other for other in sorted(path.parent.iterdir()) if other.is_file()]).read_bytes()


def _mutated(content: bytes, other: bytes, rng: random.Random) -> tuple[bytes, str]:
    said = []
    for _ in range(1 << rng.choice((0, 0, 1, 2, 4))):
        mutation = rng.choice(MUTATIONS)
        content = mutation(content, other, rng)
        said.append(mutation.__name__)
    return content, ", ".join(said)


def _at(content: bytes, rng: random.Random) -> int:
    return rng.randrange(len(content) + 1)


def token(content: bytes, other: bytes, rng: random.Random) -> bytes:
    at, new = _at(content, rng), rng.choice(TOKENS)
    return content[:at] + new + content[at + rng.choice((0, len(new))) :]


def splice(content: bytes, other: bytes, rng: random.Random) -> bytes:
    return content[: _at(content, rng)] + other[_at(other, rng) :]


def cross(content: bytes, other: bytes, rng: random.Random) -> bytes:
    at, size = _at(content, rng), rng.choice((1, 8, 64, 512))
    start = _at(other, rng)
    return content[:at] + other[start : start + size] + content[at + size :]


def cut(content: bytes, other: bytes, rng: random.Random) -> bytes:
    return content[: _at(content, rng)]


def go_on(content: bytes, other: bytes, rng: random.Random) -> bytes:
    more = rng.choice((bytes(rng.randrange(5000)), rng.randbytes(rng.randrange(500)), content[-100:] * 5, content))
    return content[: _at(content, rng)] + more


def bits(content: bytes, other: bytes, rng: random.Random) -> bytes:
    changed = bytearray(content)
    for _ in range(min(len(changed), rng.choice((1, 2, 8, 64)))):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def number(content: bytes, other: bytes, rng: random.Random) -> bytes:
    form = rng.choice(("<B", "<H", ">H", "<I", ">I", "<Q", ">Q"))
    size = struct.calcsize(form)
    if len(content) < size:
        return content
    at = rng.randrange(len(content) - size + 1)
    (value,) = struct.unpack_from(form, content, at)
    new = rng.choice((value + rng.randint(-35, 35), -value, value << 1, *rng.sample(INTERESTING, 3)))
    return content[:at] + struct.pack(form, new % (1 << 8 * size)) + content[at + size :]


def block(content: bytes, other: bytes, rng: random.Random) -> bytes:
    a, b = sorted((_at(content, rng), _at(content, rng)))
    b = min(b, a + 2000)
    part = bytearray(content[a:b])
    match rng.randrange(4):
        case 0:
            rng.shuffle(part)
        case 1:
            part *= 2
        case 2:
            part.clear()
        case _:
            part.reverse()
    return content[:a] + bytes(part) + content[b:]


def packed(content: bytes, other: bytes, rng: random.Random) -> bytes:
    """A stream of zlib, unpacked, changed and packed again, where it fits in its old place."""
    starts = [i for i in range(len(content) - 2) if content[i] == 0x78 and content[i + 1] in (0x01, 0x5E, 0x9C, 0xDA)]
    rng.shuffle(starts)
    for start in starts[:20]:
        unpacking = zlib.decompressobj()
        try:
            inside = unpacking.decompress(content[start:], 1 << 20)
        except zlib.error:
            continue
        size = len(content) - start - len(unpacking.unused_data)
        changed = rng.choice((bits, number, block, go_on))(inside, other, rng)
        new = zlib.compress(changed, 9)
        return content[:start] + new.ljust(size, b"\0") + content[start + size :]
    return bits(content, other, rng)


def zipped(content: bytes, other: bytes, rng: random.Random) -> bytes:
    """A member of a zip archive changed, its checksum right again."""
    if content[:2] != b"PK":
        return token(content, other, rng)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = {info.filename: archive.read(info) for info in archive.infolist()}
    except Exception:  # what was damaged before
        return bits(content, other, rng)
    if not members:
        return content
    name = rng.choice(sorted(members))
    members[name] = rng.choice((bits, number, block, token, cut, go_on))(members[name], other, rng)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))) as archive:
        for each, inside in members.items():
            archive.writestr(zipfile.ZipInfo(each), inside)
    return out.getvalue()


MUTATIONS: tuple[Mutation, ...] = (token, splice, cross, cut, go_on, bits, number, number, block, packed, zipped)
