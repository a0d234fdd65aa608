"""A model file and the trace that proves it: written together, and the trace says of which files it is.

A trace may prove several files of one name, student.nir and student.onnx. Where a file is replaced later, the digests
tell.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from ckd.files import sha256_of, write_together
from deploy.errors import DeployError, TraceError
from deploy.formats.files import save
from deploy.hdf5 import open_hdf5
from deploy.network import Network
from deploy.traces.layers import PART, LayerRecord, parts_of
from deploy.traces.storage import TRACE
from deploy.traces.trace import Trace, load_trace

ATTRIBUTE = "models"
"""Of a trace file: by a model file's name, its SHA-256."""


class Part(Protocol):
    """Some of the files of one folder that are written together."""

    @property
    def files(self) -> list[Path]: ...

    def save(self, places: Sequence[Path]) -> None:
        """Write to other places than `files`."""
        ...


@dataclass(frozen=True)
class Proven:
    """A network that goes into a file of the format of its ending, and the trace that goes beside it, if any."""

    network: Network
    path: Path
    trace: Trace | None = None

    @property
    def files(self) -> list[Path]:
        return [self.path] if self.trace is None else [self.path, self.path.with_suffix(".trace")]

    def save(self, places: Sequence[Path]) -> None:
        save(self.network, places[0])
        if self.trace is not None:
            path, trace = self.files[1], self.trace
            proven = {name: digest for name, digest in _named(path).items() if _is(path.with_name(name), digest)}
            if not proven or not proves_the_same(path, trace):
                proven = {}
            proven |= {self.path.name: sha256_of(places[0])}
            trace.save(places[1], attributes={ATTRIBUTE: json.dumps(proven)})


def save_together(*parts: Part) -> list[Path]:
    """Write networks with their traces, say, into one folder, all files or none; gives the files.

    Raises:
        ModelError, UnsupportedError, GridError: as `save`. DiskFullError: they do not fit.
    """
    files = [file for part in parts for file in part.files]
    with write_together(*files) as temporaries:
        places = iter(temporaries)
        for part in parts:
            part.save([next(places) for _ in part.files])
    return files


def save_with_trace(network: Network, trace: Trace, model: Path) -> list[Path]:
    """`save_together` of one network and its trace."""
    return save_together(Proven(network, model, trace))


def names_another(trace: Path, model: Path) -> bool:
    """Whether a trace file says what it is of, and that is not this model, under whatever name."""
    named = _named(trace)
    return bool(named) and model.is_file() and sha256_of(model) not in named.values()


def proves_the_same(path: Path, trace: Trace) -> bool:
    """Whether the trace at `path` has the spikes of `trace`, and its potentials where a layer never spikes."""
    try:
        kept = load_trace(path)
    except TraceError:
        return False  # of another version, or damaged: what it proves is not known
    if list(kept.layers) != list(trace.layers) or set(kept.spiking) != set(trace.spiking):
        return False
    return all(_same_output(kept.layers[name], layer) for name, layer in trace.layers.items())


def _same_output(one: LayerRecord, other: LayerRecord) -> bool:
    if one.shape != other.shape:
        return False
    parts = zip(*(parts_of(layer.source(layer.gives), PART) for layer in (one, other)), strict=True)
    return all(np.array_equal(mine, theirs) for mine, theirs in parts)


def _named(trace: Path) -> dict[str, str]:
    """What a trace file says of its models; nothing where it says nothing that can be read."""
    try:
        found = json.loads(str(open_hdf5(trace, TRACE).attributes.get(ATTRIBUTE, "{}")))
    except (DeployError, ValueError, RecursionError):
        return {}
    valid = isinstance(found, dict) and all(isinstance(digest, str) for digest in found.values())
    return {name: digest for name, digest in found.items() if name == Path(name).name} if valid else {}


def _is(path: Path, digest: str) -> bool:
    return path.is_file() and sha256_of(path) == digest
