"""Classes as folders: which there are, what lies in each, and what of it cannot be meant."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from ckd.errors import DatasetError
from ckd.events import RecordingError, readable_endings
from ckd.events.recordings import what_lies_in

IMAGE_ENDINGS = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp"})


@dataclass(frozen=True, kw_only=True)
class Found:
    """Files by class, in order of name; every class of `recordings` has some."""

    recordings: dict[str, list[Path]]
    stills: dict[str, list[Path]]
    """Of any class."""
    remarks: tuple[str, ...]
    """What was left out, a line each."""


def find_classes(
    recordings: Path, stills: Path | None, *, left_out: frozenset[str], only: tuple[str, ...] | None
) -> Found:
    """Look into folders of classes.

    Args:
        recordings: <class>/<recording> lie below it.
        stills: <class>/<image>, or None.
        left_out: folders that are no classes.
        only: the classes that are wanted; None: all.

    Raises:
        DatasetError: no class is left, one that is wanted is not there, or two names differ in case alone.
        RecordingError: there are no recordings.
    """
    endings = frozenset(readable_endings())
    filmed, odd = _by_class(recordings, endings, left_out)
    pictured, odd_stills = _by_class(stills, IMAGE_ENDINGS, left_out) if stills is not None else ({}, Counter())
    if not any(filmed.values()):
        raise RecordingError(
            f"{recordings}: no recordings found; expected {recordings}/<class>/<recording>, one of "
            f"{', '.join(sorted(endings))}{what_lies_in(recordings)}"
        )
    _refuse_cases({*filmed, *pictured})
    if only == ():
        raise DatasetError(f"--classes: names folders, and none is named; there are {', '.join(list(filmed)[:12])}")
    if only is not None:
        filmed, pictured = _only(filmed, only, recordings), {name: pictured.get(name, []) for name in only}
        if not any(filmed.values()):
            raise DatasetError(f"--classes {' '.join(only)}: hold no recordings in {recordings}; name others")
    remarks = [
        *_left_out(odd, recordings, f"no recordings ({', '.join(sorted(endings))})"),
        *_left_out(odd_stills, stills, f"no images ({', '.join(sorted(IMAGE_ENDINGS))})"),
        *(f"{recordings / name}: holds no recordings, left out" for name, files in filmed.items() if not files),
    ]
    alone = [name for name, files in pictured.items() if files and not filmed.get(name)]
    if alone:
        remarks.append(f"{_some(alone)}: images without recordings, left out; add recordings of them to {recordings}")
    return Found(
        recordings={name: files for name, files in filmed.items() if files}, stills=pictured, remarks=tuple(remarks)
    )


def _by_class(
    root: Path, endings: frozenset[str], left_out: frozenset[str]
) -> tuple[dict[str, list[Path]], Counter[str]]:
    """Files with these endings by class, and how many files have which others."""
    found: dict[str, list[Path]] = {}
    odd: Counter[str] = Counter()
    for folder in sorted(entry for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith(".")):
        if folder.name in left_out:
            continue
        files = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
        found[folder.name] = [path for path in files if _ending(path, endings) in endings]
        odd.update(path.suffix or "no ending" for path in files if _ending(path, endings) not in endings)
    return found, odd


def _ending(path: Path, endings: frozenset[str]) -> str:
    """Images are read whatever the case of their ending; recordings are not."""
    return path.suffix.lower() if endings is IMAGE_ENDINGS else path.suffix


def _refuse_cases(names: set[str]) -> None:
    by_name: dict[str, str] = {}
    for name in sorted(names):
        other = by_name.setdefault(name.casefold(), name)
        if other != name:
            raise DatasetError(f"classes {other!r} and {name!r} differ in case alone; rename one of the folders")


def _only(filmed: dict[str, list[Path]], only: tuple[str, ...], root: Path) -> dict[str, list[Path]]:
    for name in only:
        if name not in filmed:
            raise DatasetError(f"--classes {name}: no such folder in {root}; there are {', '.join(list(filmed)[:12])}")
    return {name: filmed[name] for name in sorted(only)}


def _left_out(odd: Counter[str], root: Path | None, what: str) -> list[str]:
    if not odd:
        return []
    kinds = ", ".join(f"{count} {ending}" for ending, count in odd.most_common(4))
    return [f"{root}: {sum(odd.values())} files are {what} and are left out: {kinds}"]


def _some(names: list[str]) -> str:
    more = f" and {len(names) - 6} more" if len(names) > 6 else ""
    return f"{len(names)} class{'es' * (len(names) > 1)}: {', '.join(names[:6])}{more}"
