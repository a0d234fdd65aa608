"""What a graph's metadata says: version, dt, reset, grid, binning, class names, order of the nodes.

NIR itself has no place for these. Everything is a number or a string (lists as JSON), readable in any HDF5 viewer. The
numbers of the network are never repeated here: its parameters are the truth, this only says how to read them.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ckd.events import Binning
from deploy.errors import ModelError, UnsupportedError
from deploy.network import Network

FORMAT_VERSION = 1
RESETS_TO_VALUE = ("zero", "hard", "value", "to_zero", "to_value")


@dataclass(frozen=True, kw_only=True)
class FileInfo:
    """The metadata of one file; None and empty where it says nothing."""

    dt: float | None = None
    grid: str | None = None
    binning: Binning | None = None
    classes: tuple[str, ...] = ()
    node_order: tuple[str, ...] = ()


def to_metadata(network: Network) -> dict[str, Any]:
    """The metadata of the graph that holds `network`."""
    metadata: dict[str, Any] = {"ckd_version": FORMAT_VERSION, "dt": network.dt, "reset": "zero"}
    if network.grid is not None:
        metadata["grid"] = network.grid
    if network.binning is not None:
        metadata["binning"] = json.dumps(asdict(network.binning))
    if network.classes:
        metadata["classes"] = json.dumps(network.classes)
    metadata["node_order"] = json.dumps(list(network.nodes))
    return metadata


def from_metadata(metadata: Mapping[str, Any]) -> FileInfo:
    """Read a graph's metadata, ours or another tool's.

    Raises:
        ModelError: written by a version that this one does not know, or damaged.
        UnsupportedError: a soft reset.
    """
    version = metadata.get("ckd_version")
    if version is not None and version != FORMAT_VERSION:
        raise ModelError(
            f"metadata: file version {version}, this is version {FORMAT_VERSION}; export the network again"
        )
    refuse_soft_reset("graph", metadata)
    try:
        binning = metadata.get("binning")
        return FileInfo(
            dt=_step(metadata.get("dt")),
            grid=str(metadata["grid"]) if "grid" in metadata and version is not None else None,
            binning=Binning(**json.loads(binning)) if binning is not None and version is not None else None,
            classes=tuple(json.loads(metadata["classes"])) if "classes" in metadata and version is not None else (),
            node_order=tuple(json.loads(metadata["node_order"])) if version is not None else (),
        )
    except (TypeError, ValueError, KeyError) as error:
        raise ModelError(f"metadata: cannot be read ({error}); export the network again") from error


def refuse_soft_reset(name: str, metadata: Mapping[str, Any]) -> None:
    """NIR resets to a value. A file that says otherwise was written by an exporter that lost the difference."""
    for key in ("reset", "reset_mechanism", "reset_method"):
        reset = metadata.get(key)
        if isinstance(reset, str) and reset.lower() not in RESETS_TO_VALUE:
            raise UnsupportedError(
                f"{name}: {key} is {reset!r}; NIR and the chip reset to a value. Train with "
                "reset_mechanism='zero' and export again"
            )


def _step(dt: Any) -> float | None:
    if dt is None:
        return None
    if not 0 < float(dt) < float("inf"):
        raise ValueError(f"dt is {dt}, a positive number of seconds is expected")
    return float(dt)
