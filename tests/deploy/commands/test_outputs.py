"""What a command writes replaces neither what it reads nor a file of another kind; model and trace go together."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from deploy.cli import main
from deploy.commands.outputs import claimed
from deploy.formats.files import load_network
from deploy.formats.proven import names_another, save_with_trace
from deploy.network import Conv
from deploy.traces.trace import load_trace
from tests import builders
from tests.hostile import ROOT


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    path = tmp_path / "frames.npy"
    np.save(path, builders.small_frames())
    return path


def refused(capsys: pytest.CaptureFixture[str], kept: Path, *args: object) -> str:
    """Exit code 2, one line, and `kept` is as it was."""
    before = kept.read_bytes()
    assert main([str(arg) for arg in args]) == 2
    assert kept.read_bytes() == before
    captured = capsys.readouterr()
    assert captured.err.startswith("error: ") and captured.err.count("\n") == 1
    return captured.err


def test_no_command_replaces_what_it_reads(model: Path, frames: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trace, folder = model.with_suffix(".trace"), model.parent
    os.link(frames, folder / "linked.trace")
    (folder / "pointing.html").symlink_to(trace)
    other = shutil.copy(model, folder / "other.nir")
    shutil.copy(trace, folder / "other.trace")
    for kept, command in (
        (trace, ("run", model, "--trace", trace)),
        (trace, ("run", model, "--frames", frames, "--trace", trace)),
        (frames, ("run", model, "--frames", frames, "--trace", frames)),
        (frames, ("run", model, "--frames", frames, "--trace", folder / "linked.trace")),
        (trace, ("report", model, "--out", folder / "pointing.html")),
        (model, ("report", model, other, "--out", model)),
        (trace, ("report", model, other, "--out", trace)),
        (trace, ("report", other, "--trace", trace, "--out", trace)),
    ):
        assert "would replace" in refused(capsys, kept, *command), command


def test_what_another_command_is_at_is_refused_with_its_process(
    model: Path, frames: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trace, page = model.with_suffix(".trace"), model.with_suffix(".html")
    page.write_text("<!doctype html>")
    given = shutil.copy(model, model.parent / "other.nir"), "--frames", frames
    other = ("compile", *given, "-o", model)
    with claimed(model):
        for command in (("check", model), ("report", model), other):
            assert "is writing it; wait" in refused(capsys, trace, *command), command
    with claimed(page, model):
        said = refused(capsys, page, "report", model)
        assert said.startswith(f"error: {page}: process {os.getpid()} on ") and "is writing it" in said
        assert "is reading it" in refused(capsys, model, *other)
        assert main(["check", str(model)]) == 0  # any number may read
    assert main([str(word) for word in other]) == 0
    assert not [path.name for path in model.parent.iterdir() if path.name.startswith(".")]


FILLS = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (%d, %d))
from deploy.cli import main
sys.exit(main())
"""


def test_a_model_whose_trace_does_not_fit_is_not_replaced(model: Path, frames: Path) -> None:
    """HDF5's library would crash where a file cannot grow."""
    out, size = model.parent / "out.nir", model.stat().st_size
    assert main(["compile", str(model), "--frames", str(frames), "-o", str(out)]) == 0
    before = {path: path.read_bytes() for path in (out, out.with_suffix(".trace"))}
    limit = size + 100
    assert limit < len(before[out.with_suffix(".trace")])
    command = ["compile", model, "--frames", frames, "-o", out, "--chip", "loihi1"]
    done = subprocess.run(
        [sys.executable, "-c", FILLS % (limit, limit), *map(str, command)],
        env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2 and done.stderr.count("\n") == 1, done.stderr
    assert "out.trace: file too large: " in done.stderr and "bytes are to be written" in done.stderr
    assert before == {path: path.read_bytes() for path in before}


@pytest.mark.parametrize("content", [b"my thesis", b"\x89HDF\r\n\x1a\nno more of it"], ids=["text", "damaged"])
def test_a_file_of_another_kind_is_not_replaced(
    model: Path, frames: Path, content: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = model.parent / "mine.nir"
    mine.write_bytes(content)
    for command in (
        ("run", model, "--frames", frames, "--trace", mine),
        ("report", model, "--out", mine),
        ("compile", model, "-o", mine),
    ):
        assert "not replaced" in refused(capsys, mine, *command), command


def test_a_model_is_not_replaced_by_a_trace(model: Path, frames: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = Path(shutil.copy(model, model.parent / "other.nir"))
    assert "no .trace file" in refused(capsys, other, "run", model, "--frames", frames, "--trace", other)


def test_a_device_is_not_replaced(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert main(["run", str(model), "--trace", str(tmp_path / "pipe")]) == 2
    assert "device or a pipe" in capsys.readouterr().err and (tmp_path / "pipe").is_fifo()


def test_an_earlier_output_is_replaced(model: Path, frames: Path, tmp_path: Path) -> None:
    for _ in range(2):
        assert main(["run", str(model), "--frames", str(frames), "--trace", str(tmp_path / "new.trace")]) == 0
        assert main(["report", str(model), "--out", str(tmp_path / "new.html")]) == 0
    assert load_trace(tmp_path / "new.trace").recordings == 9


def test_a_trace_says_when_its_model_was_replaced(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    network, trace = load_network(model), load_trace(model.with_suffix(".trace"))
    proven = model.with_name("proven.nir")
    save_with_trace(network, trace.take(range(9)), proven)
    assert main(["check", str(proven)]) == 0 and not names_another(proven.with_suffix(".trace"), proven)
    capsys.readouterr()

    conv = network.nodes["conv2"]
    assert isinstance(conv, Conv)
    other = network.replace(nodes=dict(network.nodes) | {"conv2": Conv(**{**vars(conv), "weight": -conv.weight})})
    other_folder = model.parent / "other"
    save_with_trace(other, trace.take(range(9)), other_folder / "proven.nir")
    shutil.copy(other_folder / "proven.nir", proven)  # as a crash between two renames would leave them
    assert names_another(proven.with_suffix(".trace"), proven)
    assert main(["check", str(proven)]) == 1
    assert "this trace is of another model" in capsys.readouterr().out


def test_a_trace_proves_two_files_of_its_name(model: Path) -> None:
    network, trace = load_network(model), load_trace(model.with_suffix(".trace")).take(range(9))
    save_with_trace(network, trace, model)
    save_with_trace(network, trace, model.with_suffix(".onnx"))
    path = model.with_suffix(".trace")
    assert not names_another(path, model) and not names_another(path, model.with_suffix(".onnx"))
    model.write_bytes(model.read_bytes() + b" ")
    assert names_another(path, model) and not names_another(path, model.with_suffix(".onnx"))


def test_where_the_trace_cannot_be_written_the_model_stays(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network, trace = load_network(model), load_trace(model.with_suffix(".trace")).take([0])
    before = {path.name: path.read_bytes() for path in model.parent.iterdir()}

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("deploy.traces.storage.write", full)
    with pytest.raises(OSError, match="no space left"):
        save_with_trace(network, trace, model)
    assert {path.name: path.read_bytes() for path in model.parent.iterdir()} == before
