"""A run folder: what training leaves behind and the export wing reads.

config.yaml            the resolved configuration, and the folder's format version
split.json             names of the recordings that trained, validated and tested
student.safetensors    baseline.safetensors    teacher.safetensors
contrastive.safetensors    the student that learned without labels, which every student of the run then began as
metrics.jsonl          a line an iteration; metrics.csv: the same as a table, curves.png as curves
summary.json           written last: a folder without it is unfinished
"""

import json
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ckd.config import Config, config_from_dict, config_to_dict, named, read_yaml_file, require_named, shown
from ckd.data.base import Source, binning_of
from ckd.data.sources import open_source
from ckd.data.split import PARTS, Split
from ckd.data.stored import AnyFrames
from ckd.errors import ConfigError, DatasetError, MissingRootError, RunError
from ckd.events import Binning
from ckd.events.types import Int
from ckd.files import HeldError, fill, held, perhaps_meant, read_small, sha256_of, write_then_rename, write_together
from ckd.models.build import build_trained
from ckd.models.spiking import SpikingStudent
from ckd.runs.migration import FORMAT, migrated_config

CONFIG, SPLIT, SUMMARY = "config.yaml", "split.json", "summary.json"
MOST_JSON = 1 << 28
"""Bytes of a file of JSON: a split of a million recordings has fifty million."""

LOCK = ".training"
"""Held by the process that trains into the folder."""


@dataclass(frozen=True)
class Run:
    """A finished run, read back."""

    path: Path
    config: Config
    student: SpikingStudent
    split: Split
    binning: Binning
    classes: tuple[str, ...]
    summary: dict[str, Any]

    def recordings(self, part: str) -> tuple[AnyFrames, Int, tuple[str, ...]]:
        """Frames (R, T, 2, H, W) uint8, labels (R,) and names of the "train", "validation" or "test" recordings.

        Frames that lie on disk stay there: `frames[rows]` reads some, `numpy.asarray(frames)` all.
        """
        rows = self.split.rows(part, self._source)
        return self._source.frames(rows), self._source.labels[rows], getattr(self.split, part)

    def frames(self, part: str, chosen: Int) -> AnyFrames:
        """Frames of the recordings of a part with these numbers; no others are read or made."""
        return self._source.frames(self.split.rows(part, self._source)[chosen])

    @cached_property
    def _source(self) -> Source:
        try:
            return open_source(self.config.data)
        except MissingRootError as error:
            raise moved(error, self.path) from None


def load_run(path: Path | str, *, student: str = "student", factories: Collection[str] = ()) -> Run:
    """Read a finished run; the student in eval mode.

    Args:
        path: the run folder.
        student: "student", or "baseline" for the one trained without distillation.
        factories: the names of the student and the data set of the run, where they are PACKAGE.MODULE:FACTORY: their
            code runs, so a folder that names others is refused.

    Raises:
        RunError: no such folder, unfinished, damaged, or written by another version.
        ConfigError: the run names a factory that is not among `factories` or cannot be imported.
    """
    path = Path(path)
    config, summary, split = trusted_config(path, factories), read_summary(path), read_split(path)
    binning = binning_of(config.data)
    classes = tuple(summary["classes"])
    if student == "baseline" and not (path / "baseline.safetensors").exists():
        raise RunError(
            f"{path}: this run trained no student without distillation, so it has no baseline.safetensors; leave out "
            "--baseline, or train with one"
        )
    built = build_trained(config, path / f"{student}.safetensors", classes=len(classes))
    _require_own_weights(path, student, summary)  # now that the file is known to be of the network's size
    return Run(path, config, built.eval(), split, binning, classes, summary)


def read_summary(path: Path) -> dict[str, Any]:
    """summary.json of a finished run. Raises RunError."""
    read_config(path)
    file = path / SUMMARY
    summary = _read_json(file, missing=f"the run is unfinished; continue it with python -m ckd.train --resume {path}")
    if not _are_names(summary.get("classes")):
        raise RunError(
            f"{file}: classes (={shown(summary.get('classes'))}) must be a list of names; train the run again"
        )
    numbers = {name: value for name, value in summary.items() if name.endswith("accuracy") or name == "seed"}
    for name, value in {"seed": None, **numbers}.items():
        if type(value) not in (int, float):
            raise RunError(f"{file}: {name} (={shown(value)}) must be a number; train the run again")
    return summary


def weight_digests(path: Path) -> dict[str, str]:
    """By student, the SHA-256 of its weights."""
    files = {name: path / f"{name}.safetensors" for name in ("student", "baseline")}
    return {name: sha256_of(file) for name, file in files.items() if file.is_file()}


def _require_own_weights(path: Path, student: str, summary: dict[str, Any]) -> None:
    """Of runs that say which weights they wrote; others are taken as they are."""
    said = summary.get("weights")
    file = path / f"{student}.safetensors"
    if isinstance(said, dict) and said.get(student) != sha256_of(file):
        raise RunError(
            f"{file}: are not the weights that this run trained (their SHA-256 is another), so "
            "summary.json tells of others; put its own back, or train the run again"
        )


def free_folder(preset: str, seed: int) -> Path:
    """Where a run goes of which nothing else is said: runs/PRESET-seedSEED, with a number where that is taken."""
    base = Path("runs") / f"{Path(preset).stem}-seed{seed}"
    candidates = [base, *(base.with_name(f"{base.name}-{n}") for n in range(2, 10_000))]
    return next(path for path in candidates if not path.exists())


@contextmanager
def claim_folder(path: Path) -> Iterator[None]:
    """Hold a run folder, which is made, as long as a run is trained into it; if it is still empty then, it goes.

    Raises:
        RunError: another process trains into it.
    """
    try:
        with held(path / LOCK, doing="is training into it"):
            yield
    except HeldError as holder:
        raise RunError(f"--out {path}: {holder}; wait until it is done, or give another") from None


@contextmanager
def share_folder(path: Path) -> Iterator[None]:
    """Keep trainings out of a run folder as long as it is read; any number may read it.

    Raises:
        RunError: a run is being trained into it.
    """
    if not path.is_dir():
        yield  # nothing is there to be held; who reads it says so
        return
    try:
        with held(path / LOCK, doing="is exporting it", shared=True, needed=False):
            yield
    except HeldError as holder:
        raise RunError(f"{path}: {holder}; wait until it is done") from None


def refuse_taken(path: Path, *, overwrite: bool) -> None:
    """Raise RunError where something lies at `path` that a new run must not replace."""
    ours = is_run(path)
    if path.exists() and not path.is_dir():
        raise RunError(f"--out {path}: is a file; give a folder")
    if path.is_dir() and any(entry.name != LOCK for entry in path.iterdir()) and not ours:
        raise RunError(f"--out {path}: holds files that are no run's, which stay untouched; give another folder")
    if ours and not overwrite:
        if not (path / SUMMARY).is_file():
            raise RunError(f"--out {path}: an unfinished run; continue it with --resume {path}, or give --overwrite")
        raise RunError(f"--out {path}: exists already; give another folder, or --overwrite")


def is_run(path: Path) -> bool:
    """Whether a folder is a run's, of any format: nothing else is ever replaced."""
    try:
        values = read_yaml_file(path / CONFIG)
    except (OSError, ValueError):
        return False
    return isinstance(values, dict) and {"format", "preset", "training"} <= set(values)


def require_run(path: Path) -> None:
    """Raises RunError where a path is no run folder, with the one that may be meant."""
    near = perhaps_meant(path, lambda folder: (folder / CONFIG).is_file())
    if not path.is_dir():
        raise RunError(f"{path}: {'is a file, not a run folder' if path.is_file() else 'no such run folder'}{near}")
    if not (path / CONFIG).is_file():
        raise RunError(f"{path}: not a run folder (it has no {CONFIG}){near}")


def moved(error: MissingRootError, run: Path) -> DatasetError:
    """The data of a run is not where its configuration says: the error, with where to say it."""
    return DatasetError(f"{error}; where this run's data has moved, say so in {run / CONFIG}")


def read_config(path: Path) -> Config:
    """The configuration of a run folder, finished or not. Raises RunError."""
    require_run(path)
    file = path / CONFIG
    try:
        values = read_yaml_file(file)
    except (OSError, ValueError) as error:
        raise RunError(f"{file}: cannot be read as YAML ({error}); train the run again") from None
    if not isinstance(values, dict):
        raise RunError(f"{file}: cannot be read as YAML, it holds no keys and values; train the run again")
    try:
        return config_from_dict(migrated_config(values, path), source=str(file))
    except (ConfigError, TypeError) as error:
        raise RunError(str(error)) from None


def trusted_config(path: Path, factories: Collection[str]) -> Config:
    """The configuration of a run folder whose code of the user's own may run.

    Args:
        path: the run folder.
        factories: the PACKAGE.MODULE:FACTORY names that its reader gave.

    Raises:
        RunError: as `read_config`. ConfigError: it names another factory, or not one of these.
    """
    config = read_config(path)
    require_named(config, factories, source=str(path))
    found = named(config)
    for name in factories:
        if name not in found.values():
            has = " and ".join(f"{option} {value}" for option, value in found.items())
            raise ConfigError(f"{path}: is a run with {has}, not with {name}; where it has moved, change config.yaml")
    return config


def create_run(path: Path, config: Config, split: Split) -> None:
    """Begin a run folder; a run's that lies there goes, or weights left in it would pass for this one's."""
    files = path / CONFIG, path / SPLIT
    old = [entry for entry in path.iterdir() if entry.name != LOCK and entry not in files] if is_run(path) else []
    with write_together(*files) as (new_config, new_split):
        fill(new_config, _as_yaml(config))
        fill(new_split, _as_json(vars(split)))
        # Now that the new run has its place. Killed in between, the old one is unfinished.
        for entry in sorted(old, key=lambda entry: entry.name != SUMMARY):
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink(missing_ok=True)


def write_config(path: Path, config: Config) -> None:
    _write(path / CONFIG, _as_yaml(config))


def _as_yaml(config: Config) -> bytes:
    import yaml

    return yaml.safe_dump({"format": FORMAT, **config_to_dict(config)}, sort_keys=False).encode()


def read_split(path: Path) -> Split:
    """Which recordings a run trained, validated and tested on. Raises RunError."""
    file = path / SPLIT
    parts = _read_json(file, missing="train the run again")
    if set(parts) != set(PARTS) or not all(_are_names(names) for names in parts.values()):
        raise RunError(f"{file}: cannot be read as a split, lists of names by {', '.join(PARTS)}; train the run again")
    return Split(**{part: tuple(names) for part, names in parts.items()})


def write_summary(path: Path, summary: dict[str, Any]) -> None:
    """The end of a run: from now on it is finished."""
    _write(path / SUMMARY, _as_json(summary))


def _as_json(values: dict[str, Any]) -> bytes:
    return f"{json.dumps(values, indent=1)}\n".encode()


def _write(path: Path, content: bytes) -> None:
    with write_then_rename(path) as temporary:
        fill(temporary, content)


def _read_json(path: Path, *, missing: str) -> dict[str, Any]:
    try:
        values = json.loads(read_small(path, MOST_JSON))
    except FileNotFoundError:
        raise RunError(f"{path}: missing; {missing}") from None
    except (OSError, ValueError, RecursionError) as error:
        raise RunError(f"{path}: not valid JSON ({error}); train the run again") from None
    if not isinstance(values, dict):
        raise RunError(f"{path}: expected keys and values, found {shown(values)}; train the run again")
    return values


def _are_names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) for name in value)
