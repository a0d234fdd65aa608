"""Our side of the board: our files for the tools, our reading of theirs, and what a cell says."""

import json
import os
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nir
import numpy as np

from benchmarks.conformance.column import frames_for
from benchmarks.conformance.ours import graphs_for
from benchmarks.conformance.semantics import readings
from deploy.errors import DeployError
from deploy.formats.nir import read_nir, write_nir
from deploy.network import Array, Network
from deploy.runners import floating

ROOT = Path(__file__).resolve().parents[2]
CLOSE = 1e-4
"""Between potentials that are outputs, as a part of the largest: float32, added up in another order."""


@dataclass(frozen=True, kw_only=True)
class Column:
    """What a tool gives under one interpreter. writes, reads: a cell by the name of a module or a graph."""

    name: str
    versions: dict[str, str]
    writes_for: float
    writes: dict[str, str]
    reads: dict[str, str]


def column(tool: str, reads_for: float, python: str) -> Column | str:
    """The column of a tool under an interpreter; the last line of what went wrong where it is not installed there."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        networks = _write_ours(tool, reads_for, folder)
        # The interpreter's own packages, and of ours this folder alone. nirtorch's edges are in the order of hashes.
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "0"}
        command = [python, "-m", f"benchmarks.conformance.{tool}", str(folder)]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        if not (folder / "column.json").exists():
            return (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        found: dict[str, Any] = json.loads((folder / "column.json").read_text())
        writes = {
            name: said.get("refused") or _theirs(folder / "theirs" / str(i), found["writes_for"], said["note"])
            for i, (name, said) in enumerate(found["writes"].items())
        }
        reads = {
            row: said.get("refused") or _read(folder, str(i), networks[row], said["note"])
            for i, (row, said) in enumerate(found["reads"].items())
        }
    return Column(
        name=found["name"], versions=found["versions"], writes_for=found["writes_for"], writes=writes, reads=reads
    )


def _write_ours(tool: str, dt: float, folder: Path) -> dict[str, Network]:
    """Our files and frames; gives the networks by row."""
    for place in ("ours", "theirs", "read"):
        (folder / place).mkdir()
    networks: dict[str, Network] = {}
    for i, (row, graph) in enumerate(graphs_for(tool, dt).items()):
        path = folder / "ours" / f"{i}.nir"
        nir.write(path, graph)
        networks[row] = read_nir(path, dt=dt)
        write_nir(networks[row], path)
        np.save(path.with_suffix(".npy"), frames_for(networks[row].input_shape))
    (folder / "rows.json").write_text(json.dumps(list(networks)))
    return networks


def _theirs(place: Path, dt: float, note: str) -> str:
    try:
        network = read_nir(place.with_suffix(".nir"), dt=dt)
    except DeployError as error:
        return f"refused here: {error}".replace(str(place.with_suffix(".nir")), "the file")
    return compared(np.load(place.with_suffix(".npy")), network, np.load(place.with_suffix(".frames.npy")), note)


def _read(folder: Path, number: str, network: Network, note: str) -> str:
    frames = np.load(folder / "ours" / f"{number}.npy")
    return compared(np.load(folder / "read" / f"{number}.npy"), network, frames, note)


def compared(wanted: Array, network: Network, frames: Array, note: str) -> str:
    """Equal, or the first difference and the reading under which there is none, else the note.

    Args:
        wanted: (T, n) what the tool gave.
        network: ours, in floats. frames: (T, ...). note: what the tool's source says.
    """
    found = _run(network, frames)
    spiking = found.dtype == bool
    if wanted.size != found.size:
        return f"different shape: theirs {wanted.shape[1]}, ours {found.size // len(wanted)}"
    if not _differing(wanted, found).any():
        if not wanted.any():
            return "nothing spikes, which says nothing"
        return f"equal, {int(wanted.sum())} spikes" if spiking else "equal potentials"
    said = _first(wanted, found)
    if spiking and wanted.max() > 1:
        said += f"; theirs sends up to {wanted.max():.0f} spikes in a step"
    for reading, other in readings(network):
        if not _differing(wanted, _run(other, frames)).any():
            return f"{said}; equal with {reading}" + ("" if wanted.any() else ", and silent")
    return f"{said}: {note}" if note else f"{said}; no reading that was tried explains it"


def _differing(wanted: Array, found: Array) -> Array:
    allowed = 0 if found.dtype == bool else CLOSE * max(1.0, float(np.abs(found).max()))
    return np.abs(wanted - found.reshape(wanted.shape).astype(np.float64)) > allowed


def _first(wanted: Array, found: Array) -> str:
    off = _differing(wanted, found)
    step, place = np.argwhere(off)[0]
    theirs, ours = wanted[step, place], float(found.reshape(wanted.shape)[step, place])
    share = f"{off.mean():.1%} of {'spikes' if found.dtype == bool else 'potentials'}"
    return f"differs first at step {step}, neuron {place} (theirs {theirs:.4g}, ours {ours:.4g}), {share}"


def _run(network: Network, frames: Array) -> Array:
    """The output of our float runner: spikes, or the potentials of a layer that never spikes."""
    trace = floating.run(network, frames.reshape(1, len(frames), *network.input_shape))
    return trace.layers[network.output_layer].output[0]
