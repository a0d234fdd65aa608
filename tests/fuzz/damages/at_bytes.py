"""Damage to the bytes of any file: near what gives it structure, or anywhere."""

import random
from collections.abc import Callable

Change = Callable[[bytearray, random.Random], str]
"""Damages the content of a file in place, and says how."""

SIGNATURES = (
    *b"TREE SNOD HEAP GCOL OHDR OCHK FRHP FHDB BTHD BTLF FADB FAHD".split(),
    *(b"PK\1\2", b"PK\3\4", b"PK\5\6", b"NUMPY", b"shape", b"descr", b"IHDR", b"IDAT", b"JFIF", b"\xff\xda", b"RIFF"),
    *(b"\n% ", b"\n#", b"EVTS", b"IOHE", b"AER-DAT", b'"dtype"', b"data_offsets", b"ckd_version", b"frame"),
)
NUMBERS = (0, 1, 8, 0x7F, 0xFF, 0xFFFF, 1 << 20, (1 << 31) - 1, 1 << 32, (1 << 40) + 8, (1 << 63) - 1, (1 << 64) - 1)


def _at(content: bytearray, rng: random.Random) -> int:
    """A byte near a structure, or anywhere."""
    places = [i for sign in SIGNATURES if (i := content.find(sign, rng.randrange(len(content)))) >= 0]
    if places and rng.random() < 0.6:
        return min(len(content) - 1, rng.choice(places) + rng.randrange(96))
    return rng.randrange(min(len(content), rng.choice((100, 2000, 1 << 40))))


def _flip(content: bytearray, rng: random.Random) -> str:
    at = _at(content, rng)
    content[at] ^= 1 << rng.randrange(8)
    return f"flipped {at}"


def _number(content: bytearray, rng: random.Random) -> str:
    at, size = _at(content, rng), rng.choice((1, 2, 4, 8))
    number = rng.choice((*NUMBERS, at, len(content), len(content) - 1)) % (1 << 8 * size)
    content[at : at + size] = number.to_bytes(size, rng.choice(("little", "little", "big")))
    return f"{number} at {at}"


def _cut(content: bytearray, rng: random.Random) -> str:
    del content[rng.randrange(len(content)) :]
    content += b"\0" * (not content)
    return f"cut to {len(content)}"


def _move(content: bytearray, rng: random.Random) -> str:
    """One part of the file over another: an address that points into a circle, say."""
    source, target, size = _at(content, rng), _at(content, rng), rng.choice((8, 8, 16, 40, 512))
    content[target : target + size] = content[source : source + size]
    return f"{size} from {source} to {target}"


def _take_out(content: bytearray, rng: random.Random) -> str:
    at, size = _at(content, rng), rng.choice((1, 1, 2, 7, 100))
    del content[at : at + size]
    content += b"\0" * (not content)
    return f"without {size} at {at}"


def _put_in(content: bytearray, rng: random.Random) -> str:
    at, size = _at(content, rng), rng.choice((1, 1, 2, 7, 100, 5000))
    content[at:at] = rng.randbytes(size) if rng.random() < 0.5 else bytes(size)
    return f"{size} more at {at}"


BYTES: tuple[Change, ...] = (_flip, _number, _number, _move, _cut, _take_out, _put_in)


def damage_bytes(content: bytearray, rng: random.Random) -> str:
    """One change or several."""
    return ", ".join(rng.choice(BYTES)(content, rng) for _ in range(rng.choice((1, 1, 2, 4, 16))))
