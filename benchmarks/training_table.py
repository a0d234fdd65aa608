"""The table of docs/performance.md, from what `benchmarks.training --json` wrote.

`python -m website.figures` writes it there.

Of a network and a rate the last line counts.
"""

import json
from pathlib import Path
from typing import Any

from benchmarks.networks import PAPER
from benchmarks.training import SHAPES

RESULTS = Path(__file__).parents[1] / "docs" / "figures" / "training.jsonl"


def table(lines: list[dict[str, Any]]) -> str:
    """A row for training and for inference of every network and rate; each side's time by ReLU's."""
    found = {(line["network"], line["rate"]): line for line in lines}
    names = [name for name in dict.fromkeys(name for line in lines for name in line["training"]) if name != "ReLU"]
    rows = [["network", "spikes", "", *names], ["---"] * (3 + len(names))]
    for network, rate in sorted(found, key=lambda of: (list(SHAPES).index(of[0]), of[1])):
        widths, size, _, batch = SHAPES[network]
        label = "the paper's VGG" if widths == PAPER else widths
        for kind in ("training", "inference"):
            sides = found[network, rate][kind]
            shown = [f"{sides[name]['ratio']:.2f}" if name in sides else "" for name in names]
            rows.append([f"{label}, {size} x {size}, batch {batch}", f"{rate:.0%}", kind, *shown])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def read() -> list[dict[str, Any]]:
    return [json.loads(line) for line in RESULTS.read_text().splitlines()]
