"""The format of run folders, and how those of earlier formats are read as if this version had written them.

Format 1 said `kd_centre` in config.yaml, "step" in metrics.jsonl, and `step` and `optimiser` in checkpoint.pt; a
checkpoint of format 1 does not say its format.
"""

from pathlib import Path
from typing import Any

from ckd.errors import RunError

FORMAT = 2


def migrated_config(values: dict[str, Any], path: Path) -> dict[str, Any]:
    """The values of a config.yaml, its format taken off.

    Raises:
        RunError: the run folder `path` has a format that this version does not read.
    """
    values = dict(values)
    found = values.pop("format", None)
    if found not in (1, FORMAT):
        raise RunError(
            f"{path}: run folder of format {found!r}, this version reads formats 1 and {FORMAT}; "
            "train it again, or install the version of ckd that wrote it"
        )
    if found == 1 and isinstance(values.get("method"), dict):
        values["method"] = _renamed(values["method"], {"kd_centre": "kd_center"})
    return values


def migrated_checkpoint(values: dict[str, Any], file: Path) -> dict[str, Any]:
    """The values of a checkpoint.pt, its format taken off.

    Raises:
        RunError: a format that this version does not read.
    """
    values = dict(values)
    found = values.pop("format", 1)
    if found not in (1, FORMAT):
        raise RunError(
            f"{file}: checkpoint of format {found!r}, this version reads formats 1 and {FORMAT}; install the version "
            "of ckd that wrote it, or remove the file: the student that it belongs to then begins again"
        )
    if found == 1:
        values["progress"] = _renamed(values["progress"], {"step": "iteration", "optimiser": "optimizer"})
    return values


def migrated_record(record: dict[str, Any]) -> dict[str, Any]:
    """A record of metrics.jsonl, whose records do not say their format."""
    return _renamed(record, {"step": "iteration"})


def _renamed(values: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    return {names.get(name, name): value for name, value in values.items()}
