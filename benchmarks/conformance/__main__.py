"""Who reads whose NIR files, spike by spike, as Markdown.

    python -m benchmarks.conformance                                   the tools that are installed here
    python -m benchmarks.conformance --python A --python B --out docs/conformance.md

Tools pin versions of nir that exclude each other; each --python is an interpreter with some of them, ours beside.
"""

import argparse
import sys
from collections import Counter
from pathlib import Path

from benchmarks.conformance.board import Column, column

TOOLS = {"snntorch": 1e-4, "spikingjelly": 1e-4, "norse": 1e-3, "sinabs": 1.0, "rockpool": 1e-3, "nirtorch": 1.0}
"""And the step for which files are written that it reads."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", action="append", default=[], help="an interpreter; default: this one")
    parser.add_argument("--out", type=Path, help="a file; default: stdout")
    given = parser.parse_args()
    text = page({tool: columns(tool, given.python or [sys.executable]) for tool in TOOLS})
    if given.out is None:
        print(text)
    else:
        given.out.write_text(text)


def columns(tool: str, pythons: list[str]) -> list[Column]:
    """One for each interpreter that has the tool, without those that say what another says."""
    kept: list[Column] = []
    for python in pythons:
        found = column(tool, TOOLS[tool], python)
        if isinstance(found, str):
            print(f"{tool}: not under {python}: {found}", file=sys.stderr)
        elif all((found.writes, found.reads) != (other.writes, other.reads) for other in kept):
            kept.append(found)
    return kept


def page(board: dict[str, list[Column]]) -> str:
    parts = [HEAD, _summary(board)]
    for tool, found in board.items():
        if not found:
            parts.append(f"## {tool}\n\nnot installed where this page was made\n")
            continue
        said = "; ".join(f"{_label(i, found)}: {_versions(c)}" for i, c in enumerate(found))
        parts.append(f"## {found[0].name}\n\n{said}.\n")
        parts.append(_table([c.writes for c in found], found, f"it writes, we read with --dt {found[0].writes_for:g}"))
        parts.append(_table([c.reads for c in found], found, f"we write for a step of {TOOLS[tool]:g} s, it reads"))
    return "\n".join(parts)


def _summary(board: dict[str, list[Column]]) -> str:
    lines = ["| tool | it writes, we read | we write, it reads |", "|---|---|---|"]
    for found in board.values():
        for i, one in enumerate(found):
            name = one.name + ("" if len(found) == 1 else f" ({_label(i, found)})")
            lines.append(f"| {name} | {_counts(one.writes)} | {_counts(one.reads)} |")
    return "\n".join(lines) + "\n"


def _counts(cells: dict[str, str]) -> str:
    kinds = Counter(_kind(cell) for cell in cells.values())
    return ", ".join(f"{kinds[kind]} {kind}" for kind in KINDS if kinds[kind])


KINDS = ("equal", "equal under another reading", "different", "refused here", "refused there")


def _kind(cell: str) -> str:
    if cell.startswith("equal"):
        return "equal"
    if cell.startswith("refused here"):
        return "refused here"
    if " cannot " in cell.partition(":")[0]:
        return "refused there"
    return "equal under another reading" if "; equal with" in cell else "different"


def _table(cells: list[dict[str, str]], found: list[Column], heading: str) -> str:
    """A row a case; of a column in which the tool refuses everything, one line below."""
    labels = [_label(i, found) for i in range(len(found))] if len(found) > 1 else ["result"]
    shown = [i for i, one in enumerate(cells) if any(_kind(cell) != "refused there" for cell in one.values())]
    lines = [f"| {heading} | {' | '.join(labels[i] for i in shown)} |", f"|{'---|' * (len(shown) + 1)}"]
    for name in cells[0] if shown else ():
        lines.append(f"| {name} | {' | '.join(_safe(cells[i][name]) for i in shown)} |")
    refused = [i for i in range(len(cells)) if i not in shown]
    said = [
        f"{labels[i]}: all {len(cells[i])} refused, as in: {_safe(next(iter(cells[i].values())))}\n" for i in refused
    ]
    return "\n".join([*(lines if shown else [heading + ":"]), "", *said])


def _label(index: int, found: list[Column]) -> str:
    return f"nir {found[index].versions['nir']}" if len(found) > 1 else "with"


def _versions(found: Column) -> str:
    return ", ".join(f"{name} {version}" for name, version in found.versions.items())


def _safe(cell: str) -> str:
    return cell.replace("|", "/")


HEAD = """# Conformance: who reads whose NIR files, spike by spike

This page is written by `python -m benchmarks.conformance --python A --python B --out docs/conformance.md`, where A and
B are interpreters with the tools and two versions of nir: sinabs and rockpool pin nir <= 1.0.4, snnTorch and
spikingjelly need a later one.

Each tool's own module, run by the tool, is the reference. "It writes, we read": the tool exports its module,
`deploy.load` reads the file, our float runner runs it on the same 150 steps. "We write, it reads": a graph of ours
(`benchmarks/nir_forms.py`) is written by `deploy.save`, read and run by the tool. A cell says that all spikes are equal
(where nothing spikes, potentials to 1e-4), or the first difference, and then under which other reading of the file
every spike is equal, which names the cause (`benchmarks/conformance/semantics.py` tries them, alone and up to three
together), or what the tool's source says; or who refuses, and how. "And silent": under that reading nothing spikes.
"""

if __name__ == "__main__":
    main()
