"""Damage to pictures, and to what is packed by gzip."""

import gzip
import random
import struct
import zlib

from tests.fuzz.damages.at_bytes import Change, damage_bytes

SIZES = (0, 1, 7, 8000, 20_000, 60_000, 1 << 20, (1 << 31) - 1, (1 << 32) - 1)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _picture(content: bytearray, rng: random.Random) -> str:
    """Another size, or more in it, with checksums that are right."""
    width, height = rng.choice(SIZES), rng.choice(SIZES)
    if content[:8] == b"\x89PNG\r\n\x1a\n" and len(content) > 33:
        if rng.random() < 0.4:
            kinds = ((b"tEXt", b"a\0" + b"x" * 5000), (b"zTXt", b"a\0\0" + zlib.compress(bytes(1 << 22))))
            profile = (b"iCCP", b"a\0\0" + zlib.compress(bytes(1 << 22)))
            kind, data = rng.choice((*kinds, profile, (b"PLTE", b"abc"), (b"acTL", struct.pack(">2I", 1 << 30, 0))))
            content[33:33] = _chunk(kind, data)
            return f"with {kind!r}"
        depth, color = rng.choice((1, 8, 16, 3)), rng.choice((0, 2, 3, 4, 6, 9))
        content[8:33] = _chunk(b"IHDR", struct.pack(">2I5B", width, height, depth, color, 0, 0, rng.choice((0, 1, 7))))
    elif content[:2] == b"BM" and len(content) > 30:
        content[18:26] = struct.pack("<2I", width, height)
        content[28:30] = struct.pack("<H", rng.choice((1, 4, 8, 16, 24, 32, 7)))
    elif content[:4] == b"RIFF":
        at = content.find(b"VP8") + 8
        content[at : at + 8] = rng.randbytes(8)
    else:  # JPEG: the frame's header
        at = max(content.find(b"\xff\xc0"), 0)
        content[at + 5 : at + 9] = struct.pack(">2H", height % 65_536, width % 65_536)
    return f"{width} x {height}"


def _packed(content: bytearray, rng: random.Random) -> str:
    """What is inside damaged, cut, or made very long."""
    try:
        inside = bytearray(gzip.decompress(content))
    except (OSError, EOFError, zlib.error):
        return damage_bytes(content, rng)
    how = rng.choice(("bytes", "header", "header", "zeros", "twice"))
    match how:
        case "bytes":
            damage_bytes(inside or bytearray(1), rng)
        case "header":
            at = rng.randrange(16)
            inside[at : at + 4] = struct.pack(">I", rng.choice(SIZES))
        case "zeros":
            inside += bytes(1 << rng.choice((10, 24, 27)))
        case _:
            inside += bytes(inside)
    content[:] = gzip.compress(bytes(inside), 1, mtime=0)
    return f"inside: {how}"


PICTURE: tuple[Change, ...] = (_picture,)
PACKED: tuple[Change, ...] = (_packed,)
