"""A network as a table of text: for a person who asks what it is."""

from collections.abc import Mapping, Sequence

import numpy as np

from deploy.network.nodes import Node
from deploy.network.types import Edge, Shape


def table_of(
    order: Sequence[str], nodes: Mapping[str, Node], shapes: Mapping[str, Shape], edges: Sequence[Edge]
) -> str:
    """What `Network.summary` gives."""
    rows = [("node", "kind", "output", "parameters", "from")]
    for name in order:
        node = nodes[name]
        sources = [source for source, target in edges if target == name]
        count = sum(value.size for value in vars(node).values() if isinstance(value, np.ndarray))
        shape = " x ".join(map(str, shapes[name]))
        rows.append((name, type(node).__name__, shape, f"{count:,}" if count else "-", ", ".join(sources) or "-"))
    return "\n".join(_aligned(rows))


def _aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
