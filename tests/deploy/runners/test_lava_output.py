"""What a worker leaves behind is judged before it is read: missing, damaged, or of gigabytes that nobody asked for."""

import json
import os
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from deploy.errors import RunnerError
from deploy.runners.lava.output import read_array, read_done, read_layers


def test_the_array_that_was_asked_for_is_read(tmp_path: Path) -> None:
    for dtype in (np.bool_, np.int32, np.float64):
        values = (np.arange(24).reshape(2, 3, 4) % 2).astype(dtype)
        np.save(tmp_path / "spikes0.npy", values)
        found = read_array(tmp_path / "spikes0.npy", (2, 3, 4), dtype)
        assert found.dtype == dtype and np.array_equal(found, values) and values.any()


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (np.zeros((2, 3), np.int64), "left int64 of shape"),
        (np.zeros((3, 2), np.int32), r"of shape \(3, 2\), not int32 of shape \(2, 3\)"),
        (np.zeros((2, 3), np.int32, order="F"), "left int32"),
        (np.array([[None] * 3] * 2), "cannot be read"),
    ],
)
def test_another_array_is_refused(tmp_path: Path, values: np.ndarray, said: str) -> None:
    np.save(tmp_path / "v0.npy", values, allow_pickle=True)
    with pytest.raises(RunnerError, match=rf"v0\.npy: .*{said}"):
        read_array(tmp_path / "v0.npy", (2, 3), np.int32)


def test_an_array_that_is_missing_or_cut_or_no_truth_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "spikes0.npy"
    with pytest.raises(RunnerError, match="left no such array"):
        read_array(path, (2,), np.bool_)
    np.save(path, np.ones(8, np.uint8) * 7)
    path.write_bytes(path.read_bytes().replace(b"|u1", b"|b1"))
    with pytest.raises(RunnerError, match="other values than true and false"):
        read_array(path, (8,), np.bool_)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(RunnerError, match="cannot be read"):
        read_array(path, (8,), np.bool_)


def test_gigabytes_are_not_read(tmp_path: Path) -> None:
    """2.5 GB of zeros, as a file with a hole that takes no place."""
    path = tmp_path / "spikes0.npy"
    shape = (2_500_000_000,)
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "|b1", "fortran_order": False, "shape": shape})
        os.truncate(path, file.tell() + shape[0])
    (tmp_path / "done.json").touch()
    os.truncate(tmp_path / "done.json", 2_500_000_000)
    tracemalloc.start()
    with pytest.raises(RunnerError, match="left bool of shape"):
        read_array(path, (9, 7), np.bool_)
    with pytest.raises(RunnerError, match="2,500,000,000 bytes"):
        read_done(tmp_path)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 1 << 20


@pytest.mark.parametrize("text", ["", "{", "[1]", "[" * 60_000, "\xff", '"x"', "null"])
def test_a_damaged_done_json_is_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "done.json").write_text(text, encoding="latin-1")
    with pytest.raises(RunnerError, match=r"done\.json") as raised:
        read_done(tmp_path)
    assert str(raised.value).isprintable()


@pytest.mark.parametrize("layers", [None, 0, 4, -1, "2", 1.5, True])
def test_layers_that_cannot_be_are_refused(tmp_path: Path, layers: object) -> None:
    with pytest.raises(RunnerError, match="without writing"):
        read_layers(tmp_path, 3)
    (tmp_path / "done.json").write_text(json.dumps({"layers": layers}))
    with pytest.raises(RunnerError, match="between 1 and 3"):
        read_layers(tmp_path, 3)
    (tmp_path / "done.json").write_text('{"layers": 2}')
    assert read_layers(tmp_path, 3) == 2
