"""One tool's side of the board, under its own versions of everything: it imports nothing of ours but this folder.

It makes, runs and writes modules of the tool's own, and reads and runs files of ours, which lie in a folder:

    ours/NUMBER.nir, ours/NUMBER.npy         a graph and the frames for it (T, *shape)
    theirs/NUMBER.nir, .frames.npy, .npy     a module, frames, and what it gives for them (T, n)
    read/NUMBER.npy                          what a graph of ours gives as a module of the tool's
    column.json                              names, versions, and what was refused
"""

import contextlib
import importlib
import importlib.metadata
import io
import json
import sys
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

STEPS = 150
Array = NDArray[Any]
Shape = tuple[int, ...]
Module = Any


@dataclass(frozen=True, kw_only=True)
class Case:
    """A module of the tool's own, the shape of one step of its input, and why it differs where we cannot tell."""

    make: Callable[[], Module]
    shape: Shape
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Tool:
    """How a tool is called.

    packages: whose versions count. writes_for: the dt of its files.
    write: (module, sample shape, path). run: (module, frames (T, *shape)) to what it gives (T, ...).
    read: a path to a module. run_read: as `run`, for what was read. reading: notes on what is read, by row.
    """

    name: str
    packages: tuple[str, ...]
    writes_for: float
    cases: Mapping[str, Case]
    write: Callable[[Module, Shape, Path], None]
    run: Callable[[Module, Array], Array]
    read: Callable[[Path], Module]
    run_read: Callable[[Module, Array], Array]
    reading: Mapping[str, str] = field(default_factory=dict)


class RefusedError(Exception):
    """Who does not go on, and what it says."""


def package(name: str) -> Any:
    """A module of a tool that is no dependency of ours."""
    return importlib.import_module(name)


def outputs(step: Callable[[torch.Tensor], Any], frames: Array) -> Array:
    """What a module gives for each step (T, n)."""
    with torch.no_grad():
        return np.stack([np.asarray(step(x)).reshape(-1) for x in torch.from_numpy(frames).float()])


def step_by_step(module: Any, frames: Array) -> Array:
    """The same for a module that takes a batch and a state, and gives its output and the next state."""
    state: Any = None

    def step(x: torch.Tensor) -> Any:
        nonlocal state
        out, state = module(x[None], state)
        return out[0] if isinstance(out, tuple) else out

    return outputs(step, frames)


def frames_for(shape: Shape) -> Array:
    return (np.random.default_rng(1).random((STEPS, *shape)) < 0.4).astype(np.uint8)


def main(make: Callable[[], Tool]) -> None:
    """Do the tool's side in the folder that the command line names, whatever the tool itself prints."""
    folder = Path(sys.argv[1])
    warnings.simplefilter("ignore")
    with contextlib.redirect_stdout(io.StringIO()):
        torch.manual_seed(0)
        tool = make()
        writes = {
            name: _write(tool, case, folder / "theirs" / str(i)) for i, (name, case) in enumerate(tool.cases.items())
        }
        rows = json.loads((folder / "rows.json").read_text())
        reads = {row: _read(tool, row, folder, str(i)) for i, row in enumerate(rows)}
    versions = {name: importlib.metadata.version(name) for name in (*tool.packages, "torch")}
    said = {"name": tool.name, "writes_for": tool.writes_for, "versions": versions, "writes": writes, "reads": reads}
    (folder / "column.json").write_text(json.dumps(said))


def _write(tool: Tool, case: Case, place: Path) -> dict[str, str]:
    """A note; or what was refused."""
    try:
        module, frames = _by(f"{tool.name} cannot make it", case.make), frames_for(case.shape)
        given = _by(f"{tool.name} cannot run it", lambda: tool.run(module, frames))
        _by(f"{tool.name} cannot write it", lambda: tool.write(module, case.shape, place.with_suffix(".nir")))
    except RefusedError as error:
        return {"refused": str(error)}
    np.save(place.with_suffix(".frames.npy"), frames)
    np.save(place.with_suffix(".npy"), np.asarray(given, np.float64).reshape(STEPS, -1))
    return {"note": case.note}


def _read(tool: Tool, row: str, folder: Path, number: str) -> dict[str, str]:
    try:
        frames = np.load(folder / "ours" / f"{number}.npy")
        module = _by(f"{tool.name} cannot read it", lambda: tool.read(folder / "ours" / f"{number}.nir"))
        given = _by(f"{tool.name} cannot run it", lambda: tool.run_read(module, frames))
    except RefusedError as error:
        return {"refused": str(error)}
    np.save(folder / "read" / f"{number}.npy", np.asarray(given, np.float64).reshape(STEPS, -1))
    return {"note": tool.reading.get(row, "")}


def _by(who: str, what: Callable[[], Any]) -> Any:
    """Raises RefusedError with the first line of whatever the tool raises."""
    try:
        return what()
    except Exception as error:  # tools raise anything
        said = " ".join(str(error).split()) or "no word"
        raise RefusedError(f"{who}: {type(error).__name__}, {said[:160]}") from error
