"""Sets of files: all of them or none, whenever their writer is killed and however full the disk is."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ckd.files import HeldError, finish_writes, held, write_then_rename, write_together
from tests.hostile import ROOT


@pytest.mark.skipif(sys.platform != "linux", reason="there is no /proc here")
def test_a_folder_that_can_never_be_made_is_an_error() -> None:
    """/proc says that it is not there, as of a folder that goes in between."""
    with pytest.raises(FileNotFoundError), held(Path("/proc/there/.held")):
        pass


WRITER = """
import os, signal, sys
from pathlib import Path
from ckd.files import fill, write_together

renames = 0

def hook(event, given):
    global renames
    renames += event == "os.rename"
    if event == "os.rename" and renames == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(hook)
folder = Path(sys.argv[1])
with write_together(folder / "a", folder / "b") as temporaries:
    for temporary in temporaries:
        fill(temporary, b"new")
"""
FILLS = """
import resource, sys
from pathlib import Path
from ckd.files import fill, write_together

resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
a, b = (Path(sys.argv[1]) / name for name in "ab")
try:
    with write_together(a, b) as (one, other):
        fill(one, b"x" * 900)
        fill(other, b"x" * 1100) if sys.argv[2] == "known" else other.open("wb", buffering=0).write(b"x" * 1100)
        other.open("ab", buffering=0).write(b"x")
except OSError as error:
    print(error)
"""


def python(code: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


@pytest.mark.parametrize(("rename", "then"), [(1, "new"), (2, "new"), (3, "new")])
def test_a_set_whose_writer_is_killed_between_its_renames_is_finished(tmp_path: Path, rename: int, then: str) -> None:
    (tmp_path / "a").write_text("old")
    (tmp_path / "b").write_text("old")
    done = python(WRITER, tmp_path, rename)
    assert done.returncode == (0 if rename == 3 else -signal.SIGKILL), done.stderr
    assert sum(path.name.startswith(".") for path in tmp_path.iterdir()) == {1: 3, 2: 2, 3: 0}[rename]
    finish_writes(tmp_path)
    assert contents(tmp_path) == {"a": then, "b": then}


def test_what_somebody_has_put_there_since_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "b").write_text("old")
    assert python(WRITER, tmp_path, 2).returncode == -signal.SIGKILL
    (tmp_path / "b").unlink()
    (tmp_path / "b").write_text("from elsewhere")
    finish_writes(tmp_path)
    assert contents(tmp_path) == {"a": "new", "b": "from elsewhere"}


def test_half_a_set_is_cleared_away_by_the_next_writer_but_not_a_live_ones(tmp_path: Path) -> None:
    left = tmp_path / ".1-0.tmp.a"
    left.write_text("ne")
    left.with_suffix("").write_text("process 1 on nowhere is writing")
    with write_then_rename(tmp_path / "a") as mine:
        mine.write_text("mine")
        finish_writes(tmp_path)
        assert mine.is_file() and not left.exists()
    assert contents(tmp_path) == {"a": "mine"}


def test_what_only_looks_like_a_leftover_stays(tmp_path: Path) -> None:
    for name in (".1-0.tmp.x.tmp", ".tmp", "1-0.tmp", ".a-0.tmp"):
        (tmp_path / name).write_text("a user's")
    (tmp_path / ".2-0.tmp").symlink_to(tmp_path / ".tmp")
    before = sorted(path.name for path in tmp_path.iterdir())
    finish_writes(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == before


@pytest.mark.parametrize("how", ["known", "unknown"])
def test_what_does_not_fit_is_told_with_its_size_and_nothing_is_lost(tmp_path: Path, how: str) -> None:
    (tmp_path / "a").write_text("old")
    done = python(FILLS, tmp_path, how)
    said = {"known": f"{tmp_path / 'b'}: file too large: 1,100 bytes", "unknown": f"{tmp_path / 'a'}: file too large"}
    assert done.stdout.startswith(said[how]) and done.stdout.count("\n") == 1, done
    assert "are to be written" in done.stdout and "are free; make room" in done.stdout
    assert contents(tmp_path) == {"a": "old"}


def test_an_interruption_between_two_renames_waits_for_the_second(tmp_path: Path) -> None:
    code = WRITER.replace("os.kill(os.getpid(), signal.SIGKILL)", "signal.raise_signal(signal.SIGINT)")
    code = code.replace(
        "import os", "import os, signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)\nimport os", 1
    )
    done = python(code, tmp_path, 2)
    assert "KeyboardInterrupt" in done.stderr
    assert contents(tmp_path) == {"a": "new", "b": "new"}


def test_a_lock_that_is_shared_keeps_others_out_and_goes_with_its_last_holder(tmp_path: Path) -> None:
    path = tmp_path / "new" / ".held"
    with held(path, doing="is reading it", shared=True), held(path, shared=True):
        with pytest.raises(HeldError, match=f"process {os.getpid()} on .*"), held(path):
            pass
        assert path.exists()
    assert not path.parent.exists()
    with held(path, doing="is writing it"):
        with pytest.raises(HeldError, match="is writing it"), held(path, shared=True):
            pass
        (path.parent / "result").touch()
    assert [entry.name for entry in path.parent.iterdir()] == ["result"]


def test_a_folder_that_takes_no_lock_is_done_without(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with held(tmp_path / "file" / ".held", needed=False) as left:
        assert left == ""
    with pytest.raises(OSError), held(tmp_path / "file" / ".held"):
        pass


def test_a_set_lies_in_one_folder_that_is_made(tmp_path: Path) -> None:
    with write_together(tmp_path / "x" / "a", tmp_path / "x" / "b") as temporaries:
        for temporary in temporaries:
            temporary.write_text("new")
        assert [path.name for path in (tmp_path / "x").iterdir() if not path.name.startswith(".")] == []
    assert contents(tmp_path / "x") == {"a": "new", "b": "new"}
