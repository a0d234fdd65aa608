"""Tables of measured figures, written into the pages from what the benchmarks left in docs/figures.

    python -m website.figures    # after a new measurement; a test fails where a page says something else

On a page a table stands between `<!-- figures: NAME -->` and `<!-- end of figures -->`.
"""

import json
import re
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import training_table
from benchmarks.memory import TURN
from website.markdown import table

DOCS = Path(__file__).resolve().parents[1] / "docs"
PLACE = re.compile(r"(<!-- figures: (\w+) -->\n).*?(\n<!-- end of figures -->)", re.DOTALL)
HOW = ("eager", "compiled")


def filled(text: str) -> str:
    """A page, its tables of figures made anew."""
    return PLACE.sub(lambda place: place[1] + TABLES[place[2]]() + place[3], text)


def pages() -> dict[Path, str]:
    """Every page with such tables, and what it should say."""
    texts = {path: path.read_text() for path in sorted(DOCS.glob("*.md"))}
    return {path: filled(text) for path, text in texts.items() if PLACE.search(text)}


def _read(name: str) -> Any:
    """A file as the benchmark's --json wrote it."""
    return json.loads((DOCS / "figures" / f"{name}.json").read_text())


def _simulators() -> str:
    """python -m benchmarks.simulators --only pytorch --json"""
    heads = ("network", "input", "ms a step", "eager float32, bfloat16", "compiled float32, bfloat16")
    batches = {"16": "batch 64", "the": "batch 4"}
    rows = []
    for run in _read("simulators")["rows"]:
        network = f"{run['network']}, {batches[re.split('[- ]', run['network'])[0]]}"
        beside = [", ".join(f"{run[f'{how} {kind}']:.1f}" for kind in ("float32", "bfloat16")) for how in HOW]
        rows.append((network, _percent(run["input"]), f"{run['ms']:#.2g}", *beside))
    return table(heads, _said_once(rows))


def _memory() -> str:
    """python -m benchmarks.memory --json"""
    found = _read("memory")
    sides = [found["sides"][name] for name in ("large", "fits")]
    heads = [f"{side['gigabytes']:g} GB, {sum(side['recordings'].values()):,} recordings" for side in sides]
    resident = [f"{side['training'] / 1e6:,.0f} MB" for side in sides]
    rows = [("most resident memory: reading, training, measuring", *resident)]
    rounds = [[turn[name] / TURN * 1e3 for turn in found["rounds"]] for name in ("large", "fits")]
    rows.append((f"an iteration (median of {len(rounds[0])} rounds)", *(f"{median(times):.1f} ms" for times in rounds)))
    rows.append(("time by that of the other in the same round", f"{found['ratio']:.3f}", ""))
    return table(("", *heads), rows)


def _scaling() -> str:
    """python -m benchmarks.scaling --json"""
    found, rows = _read("scaling"), []
    for side in ("simulator", "training"):
        for axis, values in found[side].items():
            costs = ", ".join(f"{row['value']:g}: {row['ratio']:.2f}" for row in values)
            rows.append((side, axis, costs))
    return table(("", "of", "value: cost of a step of a recording, by that of the start"), _said_once(rows))


TABLES: dict[str, Callable[[], str]] = {
    "simulators": _simulators,
    "memory": _memory,
    "scaling": _scaling,
    "training": lambda: training_table.table(training_table.read()),
}


def _percent(share: float) -> str:
    return f"{100 * share:g} %"


def _said_once(rows: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """The rows, their first cell empty where it says what stands above."""
    before = [None, *(row[0] for row in rows)]
    return [("" if row[0] == above else row[0], *row[1:]) for row, above in zip(rows, before, strict=False)]


if __name__ == "__main__":
    for path, text in pages().items():
        path.write_text(text)
