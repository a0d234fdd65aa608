"""What the system refuses is one line: the place as it was given, what it is, and the way out."""

import errno
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import ckd.inspect
import deploy.cli
from ckd.files import in_words, write_then_rename
from tests.builders import write_model, write_own_data
from tests.hostile import ROOT


def refusal(of: Callable[[], object]) -> str:
    with pytest.raises(OSError) as told:
        of()
    line = in_words(told.value)
    assert "Errno" not in line and ".tmp" not in line and "\n" not in line
    return line


def write(path: Path) -> None:
    with write_then_rename(path) as temporary:
        temporary.write_text("new")


def test_a_place_that_cannot_take_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("a thesis")
    (tmp_path / "link").symlink_to("nowhere")
    (tmp_path / "circle").symlink_to("circle")
    (tmp_path / "folder" / "x").mkdir(parents=True)
    for name, said in (
        ("file/x", "file: lies there already|file/x: lies below a file"),
        ("file/x/y", "file/x: lies below a file"),
        ("link/x", "link: is a link that leads nowhere; remove it"),
        ("circle/x", "circle: .*give another"),
        ("folder", "folder: is a folder; give a file"),
        ("n" * 300, "n{300}: a name that is too long"),
    ):
        assert re.match(f"{re.escape(str(tmp_path))}/({said})", refusal(lambda name=name: write(tmp_path / name)))
    assert (tmp_path / "file").read_text() == "a thesis" and len(list(tmp_path.rglob("*"))) == 5


def test_what_others_say_themselves_stays() -> None:
    assert in_words(OSError("not this file: use another")) == "not this file: use another"
    assert in_words(OSError(errno.EINVAL, "their own words")) == "[Errno 22] their own words"
    assert in_words(OSError(errno.EPIPE, os.strerror(errno.EPIPE), "a")) == "a: broken pipe"
    assert in_words(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))).startswith("standard output: no space left")


def test_a_current_folder_that_is_gone(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    code = "import os, sys; os.rmdir(os.getcwd()); from ckd.files import start_command; sys.exit(start_command('x'))"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=gone, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr == "error: the current folder is gone; change into one that is there\n"


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    """A file system that has a model and its trace, and takes nothing more."""
    folder = tmp_path / "read-only"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)]
    if os.name != "posix" or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no file system can be mounted here")
    write_model(folder)
    subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize(
    ("command", "words", "name"),
    [
        (deploy.cli.main, ["run", "MODEL", "--trace"], "x.trace"),
        (deploy.cli.main, ["report", "MODEL", "--out"], "x.html"),
        (deploy.cli.main, ["certify", "MODEL"], "student.certificate"),
        (deploy.cli.main, ["compile", "MODEL", "-o"], "x.nir"),
        (ckd.inspect.main, ["mine", "--picture"], "x.png"),
    ],
)
def test_a_file_system_that_is_read_only(
    command: Callable[[list[str]], int], words: list[str], name: str, read_only: Path,
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    write_own_data(Path("mine"))
    before = sorted(read_only.iterdir())
    given = [word.replace("MODEL", "read-only/student.nir") for word in words]
    assert command([*given, *[f"read-only/{name}"] * (words[0] != "certify")]) == 2
    *_, line = capsys.readouterr().err.splitlines()
    assert re.match(f"error: read-only/{name}: .*read-only.*; give a ", line), line
    assert "Errno" not in line and ".tmp" not in line
    assert sorted(read_only.iterdir()) == before
