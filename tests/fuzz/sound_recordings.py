"""Sound recordings of every format, and frames: small, and laid out by hand where no library writes them."""

import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ckd.events import EVENT_DTYPE, Events, write_recording
from tests.ckd.data.aedat4 import aedat4


def some_events(count: int = 60) -> Events:
    made = np.zeros(count, EVENT_DTYPE)
    made["t"], made["x"], made["y"], made["p"] = np.arange(count) * 130, np.arange(count), 3, np.arange(count) % 2
    return made


def _rows(path: Path) -> None:
    np.save(path, np.stack([some_events()[name].astype(np.int64) for name in "xytp"], axis=1))


def _npz(path: Path, save: Callable[..., None]) -> None:
    save(path, **{name: some_events()[name] for name in "xytp"})


def _dat(path: Path) -> None:
    """Prophesee's DAT: eight bytes an event, t and (p << 28 | y << 14 | x)."""
    events = some_events()
    words = np.empty((len(events), 2), "<u4")
    words[:, 0] = events["t"]
    x, y, p = (events[name].astype(np.uint32) for name in "xyp")
    words[:, 1] = p << 28 | y << 14 | x
    head = b"% Data file containing CD events.\n% Version 2\n% Date 2024-01-01 00:00:00\n% Height 720\n% Width 1280\n"
    path.write_bytes(head + bytes([12, 8]) + words.tobytes())


def _evt2(path: Path) -> None:
    """EVT 2.0: a word of four bytes an event, a word of the time's upper bits where they change."""
    words, high = [], -1
    for event in some_events():
        t = int(event["t"])
        if t >> 6 != high:
            high = t >> 6
            words.append(0x8 << 28 | high)
        words.append(int(event["p"]) << 28 | (t & 63) << 22 | int(event["x"]) << 11 | int(event["y"]))
    path.write_bytes(b"% evt 2.0\n% geometry 1280x720\n% end\n" + struct.pack(f"<{len(words)}I", *words))


def _evt3(path: Path) -> None:
    """EVT 3.0: words of two bytes that change y, x or the time; also twelve events of one row at once."""
    words: list[int] = []
    for event in some_events():
        t = int(event["t"])
        words += [0x8 << 12 | t >> 12 & 0xFFF, 0x6 << 12 | t & 0xFFF, 0x0 << 12 | int(event["y"])]
        words.append(0x2 << 12 | int(event["p"]) << 11 | int(event["x"]))
    words += [0x3 << 12 | 1 << 11 | 100, 0x4 << 12 | 0xABC, 0x5 << 12 | 0xAB]
    head = b"% evt 3.0\n% format EVT3;height=720;width=1280\n% end\n"
    path.write_bytes(head + struct.pack(f"<{len(words)}H", *words))


def _aedat(path: Path) -> None:
    """AEDAT 2 of a DVS128: big-endian pairs of address and microseconds."""
    events = some_events()
    words = np.empty((len(events), 2), ">u4")
    words[:, 0] = (127 - events["y"].astype(int)) << 8 | (127 - events["x"].astype(int)) << 1 | (1 - events["p"])
    words[:, 1] = events["t"]
    path.write_bytes(b"#!AER-DAT2.0\r\n# made by hand\r\n" + words.tobytes())


def _aedat4(path: Path) -> None:
    path.write_bytes(aedat4(some_events()))


def _frames(path: Path) -> None:
    np.save(path, (np.random.default_rng(0).random((3, 5, 2, 6, 6)) < 0.2).astype(np.uint8))


RECORDINGS: dict[str, tuple[str, Callable[[Path], None]]] = {
    "nmnist": (".bin", lambda path: write_recording(path, some_events())),
    "fields": (".npy", lambda path: np.save(path, some_events())),
    "rows": (".npy", _rows),
    "archive": (".npz", lambda path: _npz(path, np.savez)),
    "packed archive": (".npz", lambda path: _npz(path, np.savez_compressed)),
    "dat": (".dat", _dat),
    "evt2": (".raw", _evt2),
    "evt3": (".raw", _evt3),
    "aedat": (".aedat", _aedat),
    "aedat4": (".aedat4", _aedat4),
}

FRAMES: dict[str, tuple[str, Callable[[Path], None]]] = {"frames": (".npy", _frames)}
