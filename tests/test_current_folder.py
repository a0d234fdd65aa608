"""No command of ours runs or obeys anything that lies in the folder it is typed in."""

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest

from ckd.events import EVENT_DTYPE
from deploy.runners.lava.python310 import find_uv
from tests import builders
from tests.ckd.conftest import TINY
from tests.ckd.data.aedat4 import aedat4
from tests.deploy.marks import needs_lava
from tests.hostile import SCRIPTS, hostile_folder, ran_in, run_script


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return hostile_folder(tmp_path / "strange")


@pytest.mark.parametrize("script", sorted(SCRIPTS))
def test_the_help_of_a_command_runs_nothing(folder: Path, script: str) -> None:
    done = run_script(script, "--help", cwd=folder)
    assert done.returncode == 0 and "usage" in done.stdout.lower(), done.stderr
    assert not ran_in(folder) and "matplotlibrc" not in done.stderr


def test_a_training_and_an_export_run_nothing_of_the_folder(folder: Path, tmp_path: Path) -> None:
    cache = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    for script, *args in (
        ("ckd-train", *TINY, "--no-distill", "--out", tmp_path / "run"),
        ("ckd-evaluate", tmp_path / "run"),
        ("ckd-export", tmp_path / "run"),
    ):
        done = run_script(script, *args, cwd=folder, **cache)
        assert done.returncode == 0, done.stderr
        assert not ran_in(folder) and "matplotlibrc" not in done.stderr
    assert (tmp_path / "run" / "curves.png").is_file() and (tmp_path / "run" / "student.trace").is_file()


def test_the_deploy_commands_run_nothing_of_the_folder(folder: Path, tmp_path: Path) -> None:
    model = builders.write_model(tmp_path)
    for args in (("check", model), ("run", model), ("map", model), ("report", model, "--out", tmp_path / "r.html")):
        done = run_script("ckd-deploy", *args, cwd=folder)
        assert done.returncode == 0, done.stderr
        assert not ran_in(folder)


def test_a_canary_sings_when_it_is_run(folder: Path, tmp_path: Path) -> None:
    """What these tests look for is seen where the folder is on the path."""
    done = run_script("ckd-deploy", "--help", cwd=folder, PYTHONPATH=str(folder))
    assert done.returncode and "ran-sitecustomize" in ran_in(folder)


def test_the_decoder_of_aedat4_runs_nothing_of_the_folder(folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("aedat")
    recording = np.zeros(50, EVENT_DTYPE)
    recording["t"] = np.arange(50) * 1000
    path = tmp_path / "recordings" / "circle" / "1.aedat4"
    path.parent.mkdir(parents=True)
    path.write_bytes(aedat4(recording))
    model = builders.write_model(tmp_path)
    labels = tmp_path / "recordings"
    for name in ("square", "star"):
        (labels / name).mkdir()
        (labels / name / "1.aedat4").write_bytes(path.read_bytes())
    done = run_script("ckd-deploy", "run", model, "--events", labels, "--json", cwd=folder)
    assert done.returncode == 0 and json.loads(done.stdout)["recordings"] == 3, done.stderr
    assert not ran_in(folder)


def test_the_workers_of_a_cluster_run_nothing_of_the_folder(folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="the extra `cluster` is not installed")
    model = builders.write_model(tmp_path)
    done = run_script("ckd-deploy", "run", model, "--cluster", "local", "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert sum(layer["spikes"] for layer in json.loads(done.stdout)["layers"]) > 1000
    assert not ran_in(folder)


@needs_lava
def test_lava_is_built_and_run_without_the_folder(folder: Path, tmp_path: Path) -> None:
    """A Python in .venv, an index in uv.toml, modules of Lava's own processes: none is asked."""
    model = builders.write_model(tmp_path)
    kept = subprocess.run([find_uv(), "--no-config", "cache", "dir"], capture_output=True, text=True, check=True)
    fresh = {"XDG_CACHE_HOME": str(tmp_path / "cache"), "UV_CACHE_DIR": kept.stdout.strip()}
    done = run_script("ckd-deploy", "check", model, "--on", "lava", "--recordings", 2, "--json", cwd=folder, **fresh)
    assert done.returncode == 0, done.stderr
    verdict = json.loads(done.stdout)
    assert verdict["equal"] and verdict["spikes"] > 300
    assert not ran_in(folder) and list((tmp_path / "cache" / "ckd" / "environments").glob("lava_worker-*/ready"))
