"""metrics.jsonl: a line an iteration, with its number and its stage ("teacher", "contrastive", "student", "baseline").

A run that is finished has the same as a table, metrics.csv.
"""

import contextlib
import csv
import json
from collections.abc import Callable, Iterator
from io import StringIO
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


def write_table(run: Path) -> None:
    """metrics.csv: the records of metrics.jsonl as rows, a column a number."""
    rows = [{key: value for name in record for key, value in by_name(name, record[name])} for record in _records(run)]
    columns = list(dict.fromkeys(key for row in rows for key in row))
    text = StringIO(newline="")
    table = csv.DictWriter(text, columns)
    table.writeheader()
    table.writerows(rows)
    with write_then_rename(run / "metrics.csv") as temporary:
        fill(temporary, text.getvalue().encode())


def by_name(name: str, value: Any) -> list[tuple[str, Any]]:
    """A record's value as named numbers: time steps of a list and layers of a dictionary one by one."""
    if isinstance(value, dict):
        return [(f"{name}/{key}", part) for key, part in value.items()]
    if isinstance(value, list):
        return [(f"{name}/{place}", part) for place, part in enumerate(value)]
    return [(name, value)]


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
