"""metrics.jsonl: a line an iteration, each with the stage ("student" or "baseline") and the number of the iteration."""

import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ckd.files import append, fill, write_then_rename
from ckd.runs.migration import migrated_record

LONGEST = 1 << 20
"""Characters of a record; ours have some hundred."""

Record = dict[str, Any]


def read_metrics(run: Path) -> dict[str, list[Record]]:
    """Records of a run's metrics.jsonl by stage, in order; a line that an interruption cut is left out."""
    stages: dict[str, list[Record]] = {}
    for record in _records(run):
        stages.setdefault(record["stage"], []).append(record)
    return stages


@contextlib.contextmanager
def metrics_log(run: Path, stage: str, *, start: int) -> Iterator[Callable[[Record], None]]:
    """What writes a stage's records to a run's metrics.jsonl, from iteration `start` on.

    What an interrupted run wrote after its last checkpoint is taken out: it comes again.
    """
    path = run / "metrics.jsonl"
    kept = [record for record in _records(run) if record["stage"] != stage or record["iteration"] < start]
    with write_then_rename(path) as temporary:
        fill(temporary, "".join(map(_line, kept)).encode())
    yield lambda record: append(path, _line({"stage": stage, **record}).encode())


def _records(run: Path) -> Iterator[Record]:
    for line in _lines(run / "metrics.jsonl"):
        with contextlib.suppress(ValueError, RecursionError):
            record = json.loads(line)
            if isinstance(record, dict):
                record = migrated_record(record)
                if isinstance(record.get("stage"), str) and isinstance(record.get("iteration"), int):
                    yield record


def _lines(path: Path) -> Iterator[str]:
    """The lines of a file one by one, those that no record has left out: longer ones, and without an end."""
    if path.is_file():
        with path.open(encoding="utf-8", errors="replace") as file:
            while line := file.readline(LONGEST):
                yield line


def _line(record: Record) -> str:
    return json.dumps(record) + "\n"
