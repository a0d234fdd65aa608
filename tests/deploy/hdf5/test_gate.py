"""A damaged file is one error of ours, whatever it does to HDF5's library; a sound one gives the same numbers."""

import os
import signal
import time
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from deploy.errors import ModelError
from deploy.hdf5 import Dataset, Group, Kind, gate, open_hdf5
from deploy.hdf5.limits import GZIP_RATIO
from deploy.hdf5.tree import Source, grown

KIND = Kind("a test file", ModelError, "write it again", max_bytes=1 << 30)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "x.h5"


def written(path: Path, **options: Any) -> Path:
    """A file with texts of variable length: an attribute and a data set."""
    with h5py.File(path, "w", **options) as file:
        file.attrs["meta"] = "hello world " * 3
        file.create_dataset("texts", data=np.array(["a", "bb"], object), dtype=h5py.string_dtype())
    return path


def patched(path: Path, mark: bytes, offset: int, byte: int) -> Path:
    """The byte `offset` behind the first `mark` changed."""
    content = bytearray(path.read_bytes())
    content[content.index(mark) + offset] = byte
    path.write_bytes(content)
    return path


def test_an_attribute_that_crashes_the_library_is_not_read(path: Path) -> None:
    """A type of variable length (class 9) that is neither list nor text: reading such an attribute ends HDF5 2.0."""
    patched(written(path), b"\x19\x01\x01\x00\x10\x00\x00\x00", 1, 0xFF)
    assert open_hdf5(path, KIND).attributes == {"meta": None}


def test_what_the_library_never_ends_with_is_an_error_and_the_next_file_is_read(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The size of an object in the heap of texts, one that leads to no next object: HDF5 2.0 looks for it for ever."""
    monkeypatch.setattr("deploy.hdf5.limits.SECONDS", 1)
    patched(written(path, libver="latest"), b"GCOL", 24, 0xFF)
    with pytest.raises(ModelError, match=r"x.h5: not a test file, or a damaged one \(.*\); write it again"):
        open_hdf5(path, KIND)
    assert open_hdf5(written(tmp_path / "sound.h5"), KIND).attributes["meta"] == "hello world " * 3


def test_no_more_memory_is_taken_than_allowed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deploy.hdf5.limits.MEMORY", 64 << 20)
    with h5py.File(path, "w") as file:
        data = file.create_dataset("texts", (4096,), dtype=h5py.string_dtype())
        data[0] = "x" * (1 << 20)
        for i in range(1, 200):
            data[i] = "x" * (1 << 20)
    with pytest.raises(ModelError, match=r"x\.h5"):
        open_hdf5(path, KIND)


def test_a_process_that_was_killed_is_started_again(path: Path) -> None:
    open_hdf5(written(path), KIND)
    running = gate._running[os.getpid()]
    os.kill(running.pid, signal.SIGKILL)
    running.wait()
    assert set(open_hdf5(path, KIND)) == {"texts"}


def test_hundreds_of_thousands_of_empty_texts_take_no_time(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file.create_dataset("texts", data=np.full(399_000, "", object), dtype=h5py.string_dtype())
    start = time.monotonic()
    texts = open_hdf5(path, KIND)["texts"]
    assert isinstance(texts, Dataset) and (texts.read() == "").all() and texts.shape == (399_000,)
    assert time.monotonic() - start < 20, "0.3 s where nothing else runs; 40 s when read two at a time"


def test_a_name_that_no_terminal_should_show_is_refused(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["a\x1b[2Jb"] = 1
    with pytest.raises(ModelError, match="no text") as caught:
        open_hdf5(path, KIND)
    assert str(caught.value).isprintable()


def test_texts_and_attributes_are_those_that_h5py_reads(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["one"], file["fixed"], file["table"] = "ü", np.bytes_(b"abc"), np.array([[b"a", b"bc"]] * 3)
        file.attrs["number"], file.attrs["list"], file.attrs["float"] = 7, np.arange(3), 0.5
        file.attrs["odd"] = np.zeros(3, [("a", "i4")])
    root = open_hdf5(path, KIND)
    read = {name: data.read() for name, data in root.items() if isinstance(data, Dataset)}
    assert read["one"] == "ü" and read["fixed"] == "abc" and read["table"].tolist() == [["a", "bc"]] * 3
    assert root.attributes == {"number": 7, "list": [0, 1, 2], "float": 0.5, "odd": None}


LAYOUTS: dict[str, dict[str, Any]] = {
    "in one block": {},
    "in chunks": {"chunks": (3, 4)},
    "gzip": {"chunks": (3, 4), "compression": "gzip"},
    "gzip, shuffled": {"chunks": (3, 4), "compression": "gzip", "shuffle": True},
    "shuffled": {"chunks": (3, 4), "shuffle": True},
    "one chunk": {"chunks": (7, 9), "compression": "gzip"},
    "it may grow": {"chunks": (3, 4), "maxshape": (None, 9)},
    "it may grow both ways": {"chunks": (3, 4), "maxshape": (None, None), "compression": "gzip"},
    "lzf": {"chunks": (3, 4), "compression": "lzf"},
    "with checksums": {"chunks": (3, 4), "compression": "gzip", "fletcher32": True},
}
TYPES = ("f4", ">f4", "f8", "f2", "i1", "u1", "i8", ">u2", "u8", "bool")


@pytest.mark.parametrize(("version", "layout"), product(("earliest", "latest"), LAYOUTS))
def test_numbers_are_those_that_h5py_reads(path: Path, version: str, layout: str) -> None:
    rng = np.random.default_rng(0)
    given = {name: (rng.normal(size=(7, 9)) * 50).astype(np.int64).astype(name) for name in TYPES}
    with h5py.File(path, "w", libver=version) as file:
        for name, values in given.items():
            file.create_dataset(f"group/{name}", data=values, **LAYOUTS[layout])
        file["nothing"], file["one"] = np.zeros((0, 3), np.float32), np.float64(0.1)
    root = open_hdf5(path, KIND)
    with h5py.File(path) as file:
        for name in [f"group/{name}" for name in TYPES] + ["nothing", "one"]:
            ours, theirs = root[name], file[name]
            assert isinstance(ours, Dataset) and isinstance(theirs, h5py.Dataset)
            value = ours.read()
            assert value.dtype == theirs.dtype and value.shape == theirs.shape, name
            assert np.array_equal(value, theirs[()]), name


def test_a_file_that_was_replaced_is_not_mixed_with_the_one_before(path: Path, tmp_path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["a"] = np.arange(100)
    found = open_hdf5(path, KIND)["a"]
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["a"] = np.arange(100) * 2
    (tmp_path / "other.h5").replace(path)
    assert isinstance(found, Dataset) and not found.unchanged
    with pytest.raises(ModelError, match="replaced"):
        found.read()


def test_a_chunk_that_is_no_gzip_is_an_error(path: Path) -> None:
    with h5py.File(path, "w") as file:
        data = file.create_dataset("a", data=np.arange(1000), chunks=(100,), compression="gzip")
        place = data.id.get_chunk_info(3)
    content = bytearray(path.read_bytes())
    content[place.byte_offset : place.byte_offset + place.size] = b"\x55" * place.size
    path.write_bytes(content)
    found = open_hdf5(path, KIND)["a"]
    assert isinstance(found, Dataset)
    with pytest.raises(ModelError, match=r"x.h5: .*/a: a chunk cannot be unpacked"):
        found.read()


PLAIN: dict[str, Any] = {"shape": [4], "dtype": "<f4", "attributes": {}}
ANSWERS: dict[str, Any] = {
    "no attributes": {"children": {}},
    "a shape below nothing": PLAIN | {"shape": [-1], "offset": 0},
    "a shape beyond the file": PLAIN | {"shape": [GZIP_RATIO * 1000], "offset": 0},
    "an endless shape": PLAIN | {"shape": [1 << 62, 1 << 62], "offset": 0},
    "objects": PLAIN | {"dtype": "|O8", "offset": 0},
    "bytes that did not come": PLAIN | {"values": [0, 1 << 40]},
    "another count": PLAIN | {"values": [0, 12]},
    "bytes before the file": PLAIN | {"offset": -4},
    "bytes behind the file": PLAIN | {"offset": 1 << 40},
    "no place": PLAIN,
    "chunks of nothing": PLAIN | {"table": [0, 32], "chunks": [0], "filters": []},
    "a chunk elsewhere": PLAIN | {"table": [0, 32], "chunks": [4], "filters": []},
    "a chunk too few": PLAIN | {"table": [0, 0], "chunks": [4], "filters": []},
    "texts that are none": PLAIN | {"dtype": "text", "texts": 5},
}


@pytest.mark.parametrize("what", ANSWERS)
def test_an_answer_that_makes_no_sense_is_no_harm(what: str, path: Path) -> None:
    """The process that looks through a file may be made to say anything by the file."""
    path.write_bytes(b"\1" * 100)
    status = path.stat()
    source = Source(path, KIND, (status.st_ino, status.st_size, status.st_mtime_ns), memoryview(b"\1" * 48))
    with pytest.raises((ValueError, TypeError, LookupError, ModelError)):
        found = grown(source, "", ANSWERS[what])
        assert isinstance(found, Dataset)
        found.read()


FILES: dict[str, Callable[[h5py.File], object]] = {
    "many attributes": lambda file: [file.attrs.create(f"a{i}", i) for i in range(1001)],
    "lzf of 300 MB": lambda file: file.create_dataset("a", data=np.zeros(75 << 20, "i4"), compression="lzf"),
}


@pytest.mark.parametrize("what", FILES)
def test_what_is_beyond_a_limit_is_refused_with_the_limit(what: str, path: Path) -> None:
    with h5py.File(path, "w") as file:
        FILES[what](file)
    with pytest.raises(ModelError, match=r"allowed are|are allowed"):
        open_hdf5(path, KIND)


def test_a_path_leads_through_groups(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["a/b/c"] = 1
    root = open_hdf5(path, KIND)
    assert isinstance(root["a/b"], Group) and "a/b/c" in root and "a/b/c/d" not in root and root.get("x/y") is None
