"""One folder, one training: the second is told who holds it, and the first one's files stay."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ckd.files import HeldError, held
from ckd.train import main
from tests.ckd.conftest import TINY
from tests.hostile import ROOT

HOLD = """
import sys, time
from pathlib import Path
from ckd.runs.folder import claim_folder
with claim_folder(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


@contextmanager
def holder(out: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that holds a run folder, and is killed at the end."""
    command = [sys.executable, "-c", HOLD, str(out)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("options", [[], ["--overwrite"]], ids=["", "overwrite"])
def test_a_second_training_names_the_first(
    tmp_path: Path, options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    with holder(out) as process:
        assert main([*TINY, "--out", str(out), *options]) == 2
        error = capsys.readouterr().err
        assert f"process {process.pid} on " in error and "is training into it" in error and error.count("\n") == 1
    # The system's lock is gone with its holder, though the file is not.
    assert (out / ".training").is_file()
    assert main([*TINY, "--no-distill", "--out", str(out), *options]) == 0
    assert not (out / ".training").exists() and (out / "summary.json").is_file()


def test_two_trainings_that_start_at_once_do_not_mix(tmp_path: Path) -> None:
    out = tmp_path / "run"
    command = [sys.executable, "-m", "ckd.train", *TINY, "--no-distill", "--out", str(out)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    both = [
        subprocess.Popen([*command, "--seed", str(seed)], env=environment, stderr=subprocess.PIPE, text=True)
        for seed in (1, 2)
    ]
    errors = [process.communicate(timeout=300)[1] for process in both]
    codes = [process.returncode for process in both]
    assert sorted(codes) == [0, 2], errors
    winner = codes.index(0)
    assert f"seed: {winner + 1}\n" in (out / "config.yaml").read_text()
    assert "error: " in errors[1 - winner] and str(out) in errors[1 - winner]


def test_a_refused_training_leaves_no_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*TINY, "--out", str(tmp_path / "run"), "--teacher", "no-such-teacher"]) == 2
    assert "error: --teacher" in capsys.readouterr().err and not (tmp_path / "run").exists()


def test_a_lock_is_waited_for_and_goes(tmp_path: Path) -> None:
    path = tmp_path / ".training"
    with held(path), pytest.raises(HeldError, match=f"process {os.getpid()} on "), held(path):
        pass
    with holder(tmp_path) as process:
        threading.Timer(0.5, process.kill).start()
        with held(path, wait=True):
            assert process.wait(10) == -signal.SIGKILL
    assert not path.exists()
