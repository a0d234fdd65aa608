"""What a user's own project gets: options, and a fixture whose failure tells the story."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from deploy.formats.nir import write_nir
from deploy.runners.table import run
from tests.deploy.report.test_report import damaged
from tests.equivalence.networks import convolutional, frames_for

ROOT = Path(__file__).resolve().parents[2]

PROJECT = """
def test_chip(assert_same_spikes):
    assert_same_spikes("student.trace", "chip.trace", model="student.nir")


def test_itself(assert_same_spikes):
    assert_same_spikes("student.trace", "student.trace")
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A user's project: a model, its trace, a wrong trace, and a test."""
    rng = np.random.default_rng(0)
    network = convolutional(rng)
    frames = frames_for(rng, network, 4)
    write_nir(network, tmp_path / "student.nir")
    run(network, frames, states=4, digests=True).save(tmp_path / "student.trace")
    chip = run(damaged(network), frames, states=4, digests=True)
    replace(chip, runner="chip").save(tmp_path / "chip.trace")
    (tmp_path / "test_mine.py").write_text(PROJECT)
    return tmp_path


def pytest_in(folder: Path, *args: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *args]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)


def test_a_failing_users_test_tells_the_story(project: Path) -> None:
    done = pytest_in(project)
    assert done.returncode == 1 and "1 failed, 1 passed" in done.stdout
    for part in ("neuron-steps differ", "first difference: layer lif2", "cause:", "1 weight(s) differ: [1, 2, 0, 1]"):
        assert part in done.stdout


def test_the_shipped_checks_take_a_model_of_the_users(project: Path) -> None:
    checks = str(ROOT / "tests" / "equivalence")
    good = pytest_in(ROOT, checks, "--ckd-model", str(project / "student.nir"))
    assert good.returncode == 0, good.stdout
    wrong = str(project / "chip.trace")
    bad = pytest_in(ROOT, checks, "--ckd-model", str(project / "student.nir"), "--ckd-trace", wrong)
    assert bad.returncode == 1 and "first difference: layer lif2" in bad.stdout
    assert "test_what_runs_is_what_was_trained[integer]" in bad.stdout


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--ckd-model", "nope.nir", "--ckd-model nope.nir: no such file"),
        ("--ckd-trace", "nope.trace", "--ckd-trace nope.trace: no such file"),
        ("--ckd-on", "integer,integr", "--ckd-on integr: not known; use some of integer, float"),
    ],
)
def test_an_option_that_names_nothing_ends_the_session(project: Path, option: str, value: str, said: str) -> None:
    done = pytest_in(project, option, value)
    assert done.returncode == 4 and said in done.stderr and "passed" not in done.stdout


OWN_OPTIONS = """
def pytest_addoption(parser):
    for name in ("--model", "--on", "--trace-file"):
        parser.addoption(name)
"""
OWN_TEST = """
def test_mine(request):
    assert request.config.getoption("--on") == "a"
"""
LIGHT = """
import sys


def test_light():
    assert not {"numpy", "numba", "h5py", "nir", "torch"} & set(sys.modules)
"""


def test_a_project_keeps_its_own_options(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(OWN_OPTIONS)
    (tmp_path / "test_mine.py").write_text(OWN_TEST)
    done = pytest_in(tmp_path, "--model", "b", "--on", "a")
    assert done.returncode == 0 and "1 passed" in done.stdout, done.stdout + done.stderr


def test_the_start_of_pytest_pays_for_nothing(tmp_path: Path) -> None:
    (tmp_path / "test_mine.py").write_text(LIGHT)
    done = pytest_in(tmp_path)
    assert done.returncode == 0, done.stdout
