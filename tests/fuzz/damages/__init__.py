"""Damage to a sound file or folder: of its bytes, or of what it says. The same random numbers give the same damage."""

import os
import random
import shutil
from pathlib import Path

from tests.fuzz.damages.arrays import ARCHIVE, NPY, SAFETENSORS
from tests.fuzz.damages.at_bytes import Change, damage_bytes
from tests.fuzz.damages.hdf5 import damage_hdf5
from tests.fuzz.damages.images import PACKED, PICTURE
from tests.fuzz.damages.onnx_graphs import ONNX
from tests.fuzz.damages.texts import JSON, TEXT, YAML

HDF5 = (".nir", ".net", ".trace")
CHANGES: dict[str, tuple[Change, ...]] = {
    ".npy": NPY,
    ".npz": ARCHIVE,
    ".pt": ARCHIVE,
    ".safetensors": SAFETENSORS,
    ".onnx": ONNX,
    ".yaml": YAML,
    ".json": JSON,
    ".jsonl": JSON,
    ".dat": TEXT,
    ".raw": TEXT,
    ".aedat": TEXT,
    ".aedat4": TEXT,
    ".gz": PACKED,
    **dict.fromkeys((".png", ".jpg", ".bmp", ".webp"), PICTURE),
}
"""By a file's ending, what changes what it says."""


def damage(sound: Path, out: Path, seed: int) -> str:
    """Write a damaged copy; says what was done to it."""
    rng = random.Random(seed)
    if not sound.is_dir():
        shutil.copyfile(sound, out)
        return f"{sound.name}, seed {seed}: {_damage_file(out, rng)}"
    remove(out)
    shutil.copytree(sound, out)
    file = rng.choice(sorted(path for path in out.rglob("*") if path.is_file()))
    how = _replace(file, rng) if rng.random() < 0.1 else _damage_file(file, rng)
    return f"{sound.name}, seed {seed}: {file.relative_to(out)}: {how}"


def remove(path: Path) -> None:
    """A file or folder that an earlier damage left."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _damage_file(path: Path, rng: random.Random) -> str:
    done: list[str] = []
    structure = rng.random() < 0.55
    if path.suffix in HDF5:
        done += [damage_hdf5(path, rng)] if structure else []
        if done and rng.random() < 0.9:
            return done[0]
    content = bytearray(path.read_bytes())
    changes = CHANGES.get(path.suffix)
    if changes and structure:
        done += [rng.choice(changes)(content, rng) for _ in range(rng.choice((1, 1, 1, 2)))]
    if (not done or rng.random() < 0.1) and content:
        done.append(damage_bytes(content, rng))
    path.write_bytes(content)
    return ", ".join(done) or "nothing"


def _replace(path: Path, rng: random.Random) -> str:
    """Something else in the place of a file: archives hold links and pipes, too."""
    path.unlink()
    kind = rng.choice(("nothing", "folder", "pipe", "endless", "link to itself", "link to nowhere", "empty", "hole"))
    match kind:
        case "folder":
            path.mkdir()
        case "pipe":
            os.mkfifo(path)
        case "endless":
            path.symlink_to("/dev/zero")
        case "link to itself":
            path.symlink_to(path.name)
        case "link to nowhere":
            path.symlink_to("no/such/place")
        case "empty":
            path.touch()
        case "hole":
            path.touch()
            os.truncate(path, 3 << 30)
    return kind
