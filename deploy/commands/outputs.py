"""What a command must not write over: its own inputs, files of another kind, and what another command is at."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from ckd.files import HeldError, held
from deploy.errors import DeployError
from deploy.formats.files import FORMATS
from deploy.hdf5 import Group, Kind, open_hdf5

BEGINNINGS = {".onnx": b"\x08", ".html": b"<!doctype html>", ".certificate": b'{\n "ckd_certificate"'}
"""How a file of each kind begins; of ONNX, with the number of its version (field 1 of a protocol buffer)."""

HELD: dict[str, Callable[[Group], bool]] = {
    ".trace": lambda file: "ckd_trace" in file.attributes,
    ".nir": lambda file: "node" in file,
    ".net": lambda file: "layer" in file,
}
"""What an HDF5 file of each kind holds."""


@contextmanager
def claimed(out: Path | None, *read: Path | None) -> Iterator[None]:
    """Keep other commands from writing to `out`, and from replacing what is read; any number may read it.

    A model and its trace are one thing here. In a folder that takes no lock the block runs without.

    Raises:
        DeployError: another command is at one of them; the message names its process.
    """
    with ExitStack() as kept:
        if out is not None:
            kept.enter_context(_held(out, "is writing it", shared=False))
        for path in read:
            if path is not None and path.is_file():
                kept.enter_context(_held(path, "is reading it", shared=True))
        yield


@contextmanager
def _held(path: Path, doing: str, *, shared: bool) -> Iterator[None]:
    name = path.with_suffix(".trace").name if path.suffix in (*FORMATS, ".trace") else path.name
    try:
        with held(path.with_name(f".{name}.held"), doing=doing, shared=shared, needed=False):
            yield
    except HeldError as holder:
        raise DeployError(f"{path}: {holder}; wait until it is done, or give another name") from None


def refuse_to_replace(out: Path | None, kind: str, *inputs: Path | None) -> None:
    """Look where a file of a kind, named by its ending, is to be written.

    Raises:
        DeployError: there lies what the command reads, or a file of another kind; or no file can lie there.
    """
    if out is None:
        return
    for given in inputs:
        if given is not None and given.exists() and _same(out, given):
            raise DeployError(f"{out}: would replace what it is made from, or held against; give another name")
    require_file_name(out, kind)


def refuse_to_replace_proof(out: Path | None) -> None:
    """Raises DeployError where a trace lies at `out`, and a model beside it that it may prove."""
    if out is None or not out.is_file():
        return
    proven = next((model for model in map(out.with_suffix, FORMATS) if model.is_file()), None)
    if proven is not None:
        raise DeployError(f"{out}: is the trace that proves {proven.name}, beside it; give another name")


def require_file_name(out: Path, kind: str) -> None:
    """Raises DeployError where no file of this kind can be written under this name, or one of another lies there."""
    if out.is_dir() or any(parent.is_file() for parent in out.absolute().parents):
        raise DeployError(f"{out}: is a folder, or lies below a file; give the name of a file")
    if not out.exists():
        _require_room(out)
        return
    if not out.is_file():
        raise DeployError(f"{out}: is a device or a pipe; give the name of a file")
    if out.stat().st_size and not _is_kind(out, kind):
        raise DeployError(f"{out}: lies there and is no {kind} file, so it is not replaced; give another name")


def _require_room(out: Path) -> None:
    """Before a command has worked for it."""
    folder = next((parent for parent in out.absolute().parents if parent.exists()), None)
    if folder is not None and not os.access(folder, os.W_OK | os.X_OK):
        raise DeployError(f"{out}: {folder} takes no files, it is read-only or another's; give a name elsewhere")


def _is_kind(path: Path, kind: str) -> bool:
    if kind in BEGINNINGS:
        with path.open("rb") as file:
            return file.read(len(BEGINNINGS[kind])) == BEGINNINGS[kind]
    try:
        return HELD[kind](open_hdf5(path, Kind("an HDF5 file", DeployError, "give another name")))
    except DeployError:
        return False


def trace_beside(model: Path | None) -> Path | None:
    """The trace that proves a model, whether or not it is there."""
    return None if model is None else model.with_suffix(".trace")


def _same(one: Path, other: Path) -> bool:
    """Whether both are the same file, by whatever name."""
    return one.resolve() == other.resolve() or (one.exists() and other.exists() and one.samefile(other))
