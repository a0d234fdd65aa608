"""Recordings on disk: found by class, read, written, and binned."""

from collections import Counter
from pathlib import Path

import numpy as np

from ckd.errors import RecordingError
from ckd.events.binning import Binning
from ckd.events.frames import to_frames
from ckd.events.readers import READERS, read_events
from ckd.events.types import Events, Frames
from ckd.files import fill, perhaps_meant, write_then_rename


def read_recording(path: Path) -> Events:
    """Read one recording; the file's ending says its format: .bin (N-MNIST, five bytes an event, big endian), .npy and
    .npz (arrays x, y, t, p), and .dat, .raw, .aedat, .aedat4 by libraries of the extra `events`.

    Raises:
        RecordingError: missing, truncated, empty, or of a format that cannot be read.
    """
    path = Path(path)
    if path.suffix not in READERS:
        raise RecordingError(
            f"{path}: recordings of format {path.suffix!r} cannot be read; known: {', '.join(READERS)}"
        )
    if not path.is_file():
        raise RecordingError(f"{path}: no such recording")
    events = read_events(path)
    if len(events) == 0:
        raise RecordingError(f"{path}: holds no events; remove it or record it again")
    return events


def write_recording(path: Path, events: Events) -> None:
    """Write one recording in N-MNIST's format (.bin): sensors up to 256 x 256, times below 2^23 microseconds."""
    x, y, t, p = (events[field].astype(np.int64) for field in ("x", "y", "t", "p"))
    if len(t) and (t.max() >= 1 << 23 or max(x.max(), y.max()) > 255):
        raise RecordingError(f"{path}: .bin holds times below 2^23 us and pixels below 256; this recording has more")
    columns = np.stack([x, y, (p << 7) | (t >> 16), (t >> 8) & 255, t & 255], axis=1)
    with write_then_rename(Path(path)) as temporary:
        fill(temporary, columns.astype(np.uint8).tobytes())


def find_recordings(root: Path) -> tuple[list[Path], list[str]]:
    """Every recording below `root` as <class>/<file>, in order of class and name.

    Returns:
        paths, and the class name of each (its folder's name).

    Raises:
        RecordingError: `root` is missing or holds no recordings.
    """
    root = Path(root)
    if not root.is_dir():
        what = "a file, no folder" if root.is_file() else "no such folder"
        raise RecordingError(
            f"{root}: {what}; expected one folder per class with recordings in it"
            + perhaps_meant(root, _holds_recordings)
        )
    paths = sorted(path for path in root.glob("*/*") if path.suffix in READERS)
    if not paths:
        raise RecordingError(
            f"{root}: no recordings found; expected {root}/<class>/<recording>, one of {', '.join(READERS)}"
            + (perhaps_meant(root, _holds_recordings) or what_lies_in(root))
        )
    return paths, [path.parent.name for path in paths]


def _holds_recordings(root: Path) -> bool:
    return any(path.suffix in READERS for path in root.glob("*/*"))


def what_lies_in(root: Path) -> str:
    """Files that are no recordings, or in no folder of a class, as the end of a message."""
    flat = sum(path.suffix in READERS for path in root.iterdir())
    if flat:
        return f"; {flat} lie in {root} itself, so put each into the folder of its class"
    endings = Counter(path.suffix for path in root.glob("*/*") if path.is_file() and path.suffix)
    if not endings:
        return ""
    ending, count = endings.most_common(1)[0]
    return f"; here lie {count} of {ending}, and docs/data.md has the lines that turn a format into another"


def load_frames(paths: list[Path], binning: Binning) -> Frames:
    """Read recordings and bin them: (R, T, 2, H, W) uint8. Raises RecordingError for the first that is unusable."""
    frames = np.empty((len(paths), binning.steps, *binning.frame_shape), np.uint8)
    for row, path in enumerate(paths):
        frames[row] = to_frames(read_recording(path), binning, name=str(path))
    return frames
