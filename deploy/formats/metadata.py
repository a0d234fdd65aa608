"""What a graph's metadata says: version, dt, reset, grid, binning, class names, order of the nodes.

NIR itself has no place for these. Everything is a number or a string (lists as JSON), readable in any HDF5 viewer. The
numbers of the network are never repeated here: its parameters are the truth, this only says how to read them.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ckd.events import Binning
from deploy.errors import ModelError, shown
from deploy.network import Network
from deploy.network.parameters import ParameterChange
from deploy.traces.sound import binning_from

FORMAT_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class FileInfo:
    """The metadata of one file; None and empty where it says nothing."""

    dt: float | None = None
    chip: str | None = None
    binning: Binning | None = None
    classes: tuple[str, ...] = ()
    node_order: tuple[str, ...] = ()
    report: tuple[ParameterChange, ...] = ()
    exit_margin: float | None = None


def to_metadata(network: Network) -> dict[str, Any]:
    """The metadata of the graph that holds `network`."""
    usual = all(node.resets_at_once for node in network.neurons.values())
    metadata: dict[str, Any] = {"ckd_version": FORMAT_VERSION, "dt": network.dt}
    metadata["reset"] = "zero" if usual else "per node"  # a version that knows no other reset refuses the second
    if network.chip is not None:
        metadata["grid"] = network.chip
    if network.binning is not None:
        metadata["binning"] = json.dumps(asdict(network.binning))
    if network.classes:
        metadata["classes"] = json.dumps(network.classes)
    if network.report:
        metadata["report"] = json.dumps([change.as_dict() for change in network.report])
    if network.exit_margin is not None:
        metadata["exit_margin"] = json.dumps(network.exit_margin)
    metadata["node_order"] = json.dumps(list(network.nodes))
    return metadata


def from_metadata(metadata: Mapping[str, Any]) -> FileInfo:
    """Read a graph's metadata, ours or another tool's.

    Raises:
        ModelError: written by a version that this one does not know, or damaged.
    """
    version = metadata.get("ckd_version")
    if version is not None and (not isinstance(version, int | np.integer) or version != FORMAT_VERSION):
        raise ModelError(
            f"metadata: file version {shown(version)}, this is version {FORMAT_VERSION}; export the network again"
        )
    if version is None:
        return FileInfo(dt=_step(metadata.get("dt")))
    try:
        binning = from_json(metadata.get("binning", "null"))
        return FileInfo(
            dt=_step(metadata["dt"]),
            chip=_text(metadata["grid"]) if "grid" in metadata else None,
            binning=None if binning is None else binning_from(binning),
            classes=_texts(metadata.get("classes", "[]")),
            node_order=_texts(metadata["node_order"]),
            report=tuple(map(_change, from_json(metadata.get("report", "[]")))),
            exit_margin=_margin(from_json(metadata.get("exit_margin", "null"))),
        )
    except (TypeError, ValueError, LookupError, AttributeError, ArithmeticError) as error:
        raise ModelError(f"metadata: cannot be read ({error!r:.60}); export the network again") from error


def _change(said: Any) -> ParameterChange:
    change = ParameterChange(**said)
    numbers = (change.before, change.after, change.largest_change, change.relative_change)
    for text in (change.node, change.parameter, change.note):
        _text(text)
    if not all(type(n) in (int, float) for n in (*numbers, change.saturated, change.count)):
        raise TypeError(f"numbers expected, not {shown(said)}")
    return change


def _margin(said: Any) -> float | None:
    if said is not None and (type(said) not in (int, float) or not 0 <= said < float("inf")):
        raise TypeError(f"a margin from 0 on expected, not {shown(said)}")
    return said


def _step(dt: Any) -> float | None:
    """A foreign dt that is no positive number is ignored: other tools may mean something else by it."""
    try:
        return float(dt) if 0 < float(dt) < float("inf") else None
    except (TypeError, ValueError):
        return None


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"text expected, not {type(value).__name__}")
    return value


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(_text(item) for item in from_json(value))


def from_json(text: Any) -> Any:
    """What a JSON text of a file says. Raises TypeError or ValueError where it is none, or nested without end."""
    try:
        return json.loads(_text(text))
    except RecursionError:
        raise ValueError("brackets in brackets") from None
