"""The table of what is fuzzed: sound files and folders by kind, and by which of `LOADS` each is read."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz.sound_folders import FOLDERS, ONNX, PRESETS
from tests.fuzz.sound_hdf5 import HDF5, LATEST
from tests.fuzz.sound_recordings import FRAMES, RECORDINGS


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of file or folder: its ending, what writes a sound one, and the group that it is counted in.

    load: the key of `tests.fuzz.loads.LOADS` that reads it.
    """

    name: str
    group: str
    ending: str
    load: str
    write: Callable[[Path], None]


KINDS: tuple[Kind, ...] = (
    *(
        Kind(name=name, group=ending[1:], ending=ending, load="trace" if ending == ".trace" else "model", write=write)
        for name, (ending, write) in {**HDF5, **LATEST}.items()
    ),
    *(
        Kind(name=name, group="recordings", ending=ending, load="recording", write=write)
        for name, (ending, write) in RECORDINGS.items()
    ),
    *(
        Kind(name=name, group=load, ending=ending, load=load, write=write)
        for load, table in (("frames", FRAMES), ("preset", PRESETS))
        for name, (ending, write) in table.items()
    ),
    *(
        Kind(name=name, group="onnx", ending=ending, load="model", write=write)
        for name, (ending, write) in ONNX.items()
    ),
    *(Kind(name=name, group=name, ending=ending, load=name, write=write) for name, (ending, write) in FOLDERS.items()),
)
GROUPS = tuple(dict.fromkeys(kind.group for kind in KINDS))


def write_sound(folder: Path, groups: tuple[str, ...] = GROUPS) -> dict[Kind, Path]:
    """A sound specimen of every kind in these groups."""
    written: dict[Kind, Path] = {}
    for kind in KINDS:
        if kind.group in groups:
            written[kind] = folder / f"{kind.name.replace(' ', '_').replace(',', '')}{kind.ending}"
            kind.write(written[kind])
    return written
