"""The formats of recordings, a function each; libraries are imported where they are used."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ckd.errors import RecordingError
from ckd.events.arrays import read_npy, read_npz
from ckd.events.decoded import read_decoded
from ckd.events.fields import columns, field_names, polarities, whole_numbers
from ckd.events.prophesee import prophesee_encoding
from ckd.events.sizes import judge
from ckd.events.types import EVENT_DTYPE, Events
from ckd.files import how_to_install


def read_events(path: Path) -> Events:
    """Read a file of one of the endings in `READERS`. Raises RecordingError."""
    judge(path, path.stat().st_size)
    try:
        x, y, t, p = READERS[path.suffix](path)
    except ImportError as error:
        raise RecordingError(f"{path}: reading {path.suffix} needs {error.name}: {how_to_install('events')}") from None
    except RecordingError:
        raise
    except Exception as error:
        # The libraries raise whatever comes to hand on a damaged file.
        raise RecordingError(f"{path}: cannot be read ({type(error).__name__}: {error}); copy it again") from None
    return _as_events(path, x, y, t, p)


def _as_events(path: Path, x: Any, y: Any, t: Any, p: Any) -> Events:
    arrays = [np.asarray(values).ravel() for values in (x, y, t, p)]
    if len({len(values) for values in arrays}) != 1:
        raise RecordingError(f"{path}: x, y, t, p have {[len(values) for values in arrays]} values; they must agree")
    events = pack_events(path, *arrays)
    ordered = (events["t"][1:] >= events["t"][:-1]).all()
    return events if ordered else events[np.argsort(events["t"], kind="stable")]


def pack_events(path: Path, x: NDArray[Any], y: NDArray[Any], t: NDArray[Any], p: NDArray[Any]) -> Events:
    """Events from four arrays of numbers.

    Raises:
        RecordingError: what would be another number as an event: no number, a fraction, a pixel beyond 32767, a time
            whose distance to another would not be one, or a polarity of another kind.
    """
    events = np.empty(len(t), EVENT_DTYPE)
    for name, values, largest in (("x", x, 1 << 15), ("y", y, 1 << 15), ("t", t, 1 << 62)):
        if values.dtype.kind not in "biuf":
            raise RecordingError(f"{path}: {name} holds {values.dtype}; events are numbers")
        # As Python's numbers: a float16 cannot be held against 2^62.
        whole_numbers(path, name, values)
        low, high = (values.min().item(), values.max().item()) if len(values) else (0, 0)
        if not -largest <= low <= high < largest:
            raise RecordingError(
                f"{path}: {name} reaches from {low} to {high}; allowed are {-largest if name == 't' else 0} to "
                f"{largest - 1}"
            )
        events[name] = values
    polarities(path, p)
    # Some formats say -1 for falling light.
    events["p"] = p > 0
    return events


def _read_npy(path: Path) -> tuple[Any, ...]:
    stored = read_npy(path)
    if stored.dtype.names:
        names = field_names(path, stored.dtype.names)
        return tuple(stored[names[name]] for name in "xytp")
    if stored.ndim != 2 or stored.shape[1] != 4:
        raise RecordingError(
            f"{path}: array of shape {stored.shape}; expected fields x, y, t, p or (events, 4) columns"
        )
    return columns(path, stored)


def _read_npz(path: Path) -> tuple[Any, ...]:
    return tuple(read_npz(path))


def _read_prophesee(path: Path) -> tuple[Any, ...]:
    return read_decoded(path, prophesee_encoding(path))


def _read_aedat(path: Path) -> tuple[Any, ...]:
    """AEDAT 2 of a DVS128, as in CIFAR10-DVS: big-endian pairs of address and microseconds after "#" lines.

    Address bits: 0 polarity, 1 to 7 x, 8 to 14 y (jAER's DVS128 layout).
    """
    raw = path.read_bytes()
    start = 0
    while raw[start : start + 1] == b"#":
        start = raw.index(b"\n", start) + 1
    if (len(raw) - start) % 8:
        raise RecordingError(f"{path}: {len(raw) - start} bytes of events is no multiple of 8; the file is truncated")
    address, t = np.frombuffer(raw, ">u4", offset=start).reshape(-1, 2).astype(np.int64).T
    return 127 - ((address >> 1) & 127), 127 - ((address >> 8) & 127), t, 1 - (address & 1)


def _read_nmnist(path: Path) -> tuple[Any, ...]:
    return tuple(decode_nmnist(np.fromfile(path, np.uint8), path)[name] for name in "xytp")


def decode_nmnist(raw: NDArray[np.uint8], path: Path) -> Events:
    """Events from bytes of an N-MNIST file; `path` is named where they are no whole events."""
    if len(raw) % 5:
        raise RecordingError(
            f"{path}: {len(raw)} bytes is no multiple of 5, the size of an event; the file is truncated, copy it again"
        )
    columns = raw.reshape(-1, 5).astype(np.int64)
    events = np.empty(len(columns), EVENT_DTYPE)
    events["x"], events["y"], events["p"] = columns[:, 0], columns[:, 1], columns[:, 2] >> 7
    events["t"] = ((columns[:, 2] & 127) << 16) | (columns[:, 3] << 8) | columns[:, 4]
    return events


READERS: dict[str, Callable[[Path], tuple[Any, ...]]] = {
    ".bin": _read_nmnist,
    ".npy": _read_npy,
    ".npz": _read_npz,
    ".dat": _read_prophesee,
    ".raw": _read_prophesee,
    ".aedat": _read_aedat,
    ".aedat4": lambda path: read_decoded(path, "aedat4"),
}
"""By a file's ending, what gives its x, y, t and p."""


def readable_endings() -> tuple[str, ...]:
    """The endings of recordings that can be read; some need libraries of the extra `events`."""
    return tuple(READERS)
