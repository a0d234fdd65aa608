"""How commands end: what they leave behind when they are ended, their exit codes, and errors on one line."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ckd.files import scratch_folder
from deploy.cli import main
from tests import builders
from tests.deploy.marks import needs_lava
from tests.hostile import ROOT, SCRIPTS, installed, run_script

WICKED = "[/red]\n\x1b[2J\u202e:bomb:"
"""A name that would break markup, the line, and the terminal."""

BEGINS = "from ckd.files import begin_command\nbegin_command()\n"
INTERRUPT = """
import os, signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's job in the background ignores it
os.kill(os.getpid(), signal.SIGINT)
"""
LONG_RUN = """
import numpy as np
from deploy.runners.lava import fixed
from tests.builders import small
fixed.run(small(), np.ones((1, 60000, 3), np.uint8))
"""


def processes_of(folder: Path) -> list[int]:
    """Processes of this machine that name the folder in their arguments."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if str(folder) in path.read_text():
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


def wait_until(holds: Callable[[], object], seconds: float) -> bool:
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True


@needs_lava
@pytest.mark.parametrize(("how", "begins", "remain"), [("SIGKILL", "", 1), ("SIGTERM", BEGINS, 0)])
def test_a_lava_ends_with_the_command_that_started_it(
    tmp_path: Path, how: str, begins: str, remain: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A command that is told to end leaves nothing; one that is killed, a folder that the next one clears away."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen([sys.executable, "-c", begins + LONG_RUN], env=environment, stderr=subprocess.DEVNULL)
    try:
        # Lava's own processes, one for each layer, are there: it is running.
        assert wait_until(lambda: len(processes_of(tmp_path)) > 3, 120)
    finally:
        process.send_signal(signal.Signals[how])
    assert process.wait(30) == (143 if begins else -signal.SIGKILL)
    assert wait_until(lambda: not processes_of(tmp_path), 10), processes_of(tmp_path)
    left = [path for path in tmp_path.glob("ckd-lava-*") if path.is_dir()]
    assert len(left) == remain
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with scratch_folder("ckd-lava-") as folder:
        assert folder.is_dir() and not any(path.exists() for path in left)
    assert not list(tmp_path.glob("ckd-lava-*"))


def test_a_scratch_folder_that_is_in_use_is_not_cleared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with scratch_folder("ckd-lava-") as one, scratch_folder("ckd-lava-") as other:
        assert one.is_dir() and other.is_dir() and one != other


@pytest.mark.parametrize(("script", "library"), [("ckd-deploy", "tyro"), ("ckd-export", "rich"), ("ckd-train", "rich")])
def test_ctrl_c_while_a_command_is_imported_is_one_line(tmp_path: Path, script: str, library: str) -> None:
    """A library that is interrupted as it is imported."""
    (tmp_path / f"{library}.py").write_text(INTERRUPT)
    command = ["check", "--help"] if script == "ckd-deploy" else ["--help"]  # its own help needs no library
    done = run_script(script, *command, cwd=tmp_path, PYTHONPATH=f"{tmp_path}{os.pathsep}{ROOT}")
    assert done.returncode == 130 and done.stderr == "interrupted\n"


@pytest.mark.parametrize("module", ["ckd.train", "deploy.cli", "export.cli"])
def test_ctrl_c_while_python_m_imports_is_one_line_and_a_defect_no_difference(tmp_path: Path, module: str) -> None:
    command = [sys.executable, "-m", module, *["check"] * (module == "deploy.cli"), "--help"]
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
    for code, returned, said in ((INTERRUPT, 130, "interrupted\n"), ("raise RuntimeError('ours')", 2, "ours\n")):
        (tmp_path / "rich.py").write_text(code)
        (tmp_path / "tyro.py").write_text(code)
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == returned and done.stderr.endswith(said)
        assert ("Traceback" in done.stderr) == (returned == 2)


def test_a_full_disk_behind_standard_output_is_one_line(model: Path, tmp_path: Path) -> None:
    program = installed("ckd-deploy", tmp_path / "programs")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, str(program), "check", str(model), "--json"],
            env=environment, stdout=full, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    assert (
        done.returncode == 2
        and done.stderr.count("\n") == 1
        and "standard output: no space left on device" in done.stderr
    )


def test_ctrl_c_in_a_check_is_one_line(model: Path, tmp_path: Path) -> None:
    program = installed("ckd-deploy", tmp_path / "programs")
    code = program.read_text().replace(
        "sys.exit", f"import deploy.checking.check as c\nc.check = lambda *a, **k: exec({INTERRUPT!r})\nsys.exit", 1
    )  # fmt: skip
    command = [sys.executable, "-c", code, "check", str(model)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 130 and done.stderr == "interrupted\n"


def test_a_defect_of_ours_is_not_taken_for_a_difference(tmp_path: Path) -> None:
    (tmp_path / "tyro.py").write_text("raise RuntimeError('as if by a defect')\n")
    done = run_script("ckd-deploy", "check", "x.nir", cwd=tmp_path, PYTHONPATH=f"{tmp_path}{os.pathsep}{ROOT}")
    assert done.returncode == 2 and "as if by a defect" in done.stderr


@pytest.mark.parametrize("script", sorted(set(SCRIPTS) - {"ckd-download"}))
def test_a_wicked_name_is_shown_on_one_line(tmp_path: Path, script: str) -> None:
    name = tmp_path / WICKED / "nothing.nir"
    arguments = {"ckd-deploy": ["check", name], "ckd-train": ["--resume", name]}.get(script, [name])
    done = run_script(script, *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1 and "[/red]" in done.stderr
    assert "\x1b" not in done.stderr and "\u202e" not in done.stderr


def test_wicked_names_of_folders_and_layers_are_only_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / WICKED
    model = builders.write_model(folder)
    for command in (["check"], ["map"], ["run", "--against", "float"], ["run"]):
        code = main([command[0], str(model), *command[1:]])
        captured = capsys.readouterr()
        assert code in (0, 2), captured
        assert "\x1b" not in captured.out + captured.err and "Traceback" not in captured.err
    assert main(["run", str(model), "--frames", str(_frames(folder))]) == 0
    assert "[/red]" in capsys.readouterr().out


def test_a_name_that_is_no_text_is_shown(tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"\xff\xfe")
    folder.mkdir()
    model = builders.write_model(folder)
    done = run_script("ckd-deploy", "report", model, cwd=tmp_path, PYTHONIOENCODING="utf-8:strict")
    assert done.returncode == 0 and done.stdout.startswith("EQUAL: wrote "), done.stderr
    done = run_script("ckd-deploy", "check", model, "--json", cwd=tmp_path)
    assert json.loads(done.stdout)["equal"]


def _frames(folder: Path) -> Path:
    path = folder / "frames.npy"
    np.save(path, builders.small_frames())
    return path


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return builders.write_model(tmp_path)
