"""A .nir file as plain dictionaries, and nested graphs made flat: subgraph "a" with node "b" gives node "a.b".

The Input and Output of a subgraph are only doors: what feeds the subgraph feeds what its Input feeds.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from deploy.errors import ModelError, UnsupportedError
from deploy.formats.nir.guard import checked
from deploy.hdf5 import Group

Tree = dict[str, Any]

MAX_EDGES = 1 << 20
"""That one end of a subgraph may stand for."""


@dataclass
class FlatGraph:
    """The leaf nodes of a NIR graph as dictionaries by dotted name, its edges, and the metadata of the graphs in it."""

    nodes: dict[str, Tree] = field(default_factory=dict)
    edges: list[tuple[str, str]] = field(default_factory=list)
    metadata: Tree = field(default_factory=dict)
    inner_metadata: dict[str, Tree] = field(default_factory=dict)


def load_graph(path: Path) -> FlatGraph:
    """Read a .nir file. Raises ModelError where it is broken, hostile, or no graph."""
    node = checked(path)["node"]
    if not isinstance(node, Group) or "nodes" not in node:
        raise ModelError(f"{path}: holds a single NIR node, not a graph; wrap it into nir.NIRGraph")
    tree = _to_dict(node)
    _require_graph(tree, str(path))
    flat = FlatGraph(metadata=_metadata(tree))
    doors = _collect(tree, "", flat)
    _remove_doors(flat, doors)
    return flat


def _to_dict(group: Group) -> Tree:
    return {name: _to_dict(item) if isinstance(item, Group) else item.read() for name, item in group.items()}


def _metadata(tree: Tree) -> Tree:
    metadata = tree.get("metadata", {})
    return metadata if isinstance(metadata, dict) else {}


def _require_graph(tree: Tree, name: str) -> None:
    if not isinstance(tree.get("nodes"), dict) or isinstance(tree.get("edges", {}), dict):
        raise ModelError(f"{name}: a graph needs a group 'nodes' and a data set 'edges'; export the network again")


def _collect(tree: Tree, prefix: str, flat: FlatGraph) -> list[str]:
    """Add the nodes and edges of one graph and of those inside it; give the names of the doors."""
    doors: list[str] = []
    inlet: dict[str, str] = {}
    outlet: dict[str, str] = {}
    for name, node in tree["nodes"].items():
        if not isinstance(node, dict) or not isinstance(node.get("type"), str):
            raise ModelError(f"{prefix}{name}: a node without a type")
        full = prefix + name
        if node["type"] == "NIRGraph":
            _require_graph(node, full)
            flat.inner_metadata[full] = _metadata(node)
            doors += _collect(node, full + ".", flat)
            inlet[name] = f"{name}.{_only(node, 'Input', full)}"
            outlet[name] = f"{name}.{_only(node, 'Output', full)}"
            continue
        if full in flat.nodes:
            raise ModelError(f"{full}: two nodes get this name when nested graphs are made flat; rename one")
        flat.nodes[full] = node
        if prefix and node["type"] in ("Input", "Output"):
            doors.append(full)
    seen: set[tuple[str, str]] = set()
    for source, target in _edges(tree["edges"], prefix):
        for end in (source, target):
            if end not in tree["nodes"]:
                raise ModelError(f"edge {source} -> {target}: there is no node {prefix + end!r}")
        if (source, target) in seen:
            raise ModelError(f"edge {prefix}{source} -> {prefix}{target} stands twice in the file; remove one")
        seen.add((source, target))
        flat.edges.append((prefix + outlet.get(source, source), prefix + inlet.get(target, target)))
    return doors


def _edges(raw: Any, prefix: str) -> list[tuple[str, str]]:
    edges = np.asarray(raw, object)
    if edges.size == 0:
        return []
    if edges.ndim != 2 or edges.shape[1] != 2:
        raise ModelError(f"{prefix or 'graph'}: edges of shape {edges.shape} where (n, 2) is expected")
    return [(str(a), str(b)) for a, b in edges]


def _only(graph: Tree, kind: str, name: str) -> str:
    found = [inner for inner, node in graph["nodes"].items() if isinstance(node, dict) and node.get("type") == kind]
    if len(found) != 1:
        raise UnsupportedError(f"{name}: a subgraph needs exactly one {kind}, this one has {found}; split it in two")
    return found[0]


def _remove_doors(flat: FlatGraph, doors: list[str]) -> None:
    for door in doors:
        targets = [b for a, b in flat.edges if a == door]
        sources = sum(b == door for _, b in flat.edges)
        if len(targets) * sources > MAX_EDGES:
            raise ModelError(f"{door}: joins {sources} nodes to {len(targets)}; at most {MAX_EDGES} edges are read")
        if not targets or not sources:
            raise ModelError(f"{door}: this end of a subgraph is not connected; connect it or remove the subgraph")
        flat.edges = [(a, target) for a, b in flat.edges if a != door for target in (targets if b == door else [b])]
        del flat.nodes[door]
