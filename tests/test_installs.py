"""The wheel in fresh environments, on every Python that it is for, with each extra: what the extra is for works."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from ckd.events import EVENT_DTYPE
from tests import builders
from tests.ckd.conftest import TINY
from tests.ckd.data.aedat4 import aedat4
from tests.deploy.marks import MISSING
from tests.distribution import PROJECT, Environment, build, copy_source, entry_points, interpreter
from tests.test_first_contact import OWN_OPTION, OWN_TEST

PYTHONS = ("3.11", "3.12", "3.13")
TESTED_BY = ("pytest", "pytest-xdist", "hypothesis")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(copy_source(tmp_path_factory.mktemp("source")), tmp_path_factory.mktemp("dist"))


@pytest.fixture(params=PYTHONS)
def fresh(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Environment]:
    """An environment, removed afterwards: with PyTorch it has gigabytes."""
    yield Environment.create(tmp_path, interpreter(request.param))
    shutil.rmtree(tmp_path / "env")


def checks(env: Environment, folder: Path, model: Path, *options: object) -> None:
    """A model is checked against its trace, spike by spike."""
    verdict = json.loads(env.run("ckd-deploy", "check", model, *options, "--json", cwd=folder))
    assert verdict["equal"] and verdict["spikes"] > 100


def passes(env: Environment, folder: Path, *tests: str) -> None:
    """Tests of ours against what is installed; none may be skipped."""
    copy_source(folder, "tests/", "pyproject.toml")
    (folder / "none.txt").write_text("")
    env.install(*TESTED_BY)
    options = ("-q", "-n", "0", "-p", "no:cacheprovider", "--allowed-skips", "none.txt")
    # Warnings of the newest releases of other packages are no matter of the wheel's.
    said = env.run("python", "-m", "pytest", *options, "--override-ini", "filterwarnings=", *tests, cwd=folder)
    assert " passed" in said


def trains(env: Environment, folder: Path) -> None:
    """The way from recordings to a checked student."""
    env.run("ckd-train", *TINY, "--out", "run", cwd=folder)
    env.run("ckd-export", "run", cwd=folder)
    checks(env, folder, folder / "run" / "student.nir")


def shows_its_training(env: Environment, folder: Path) -> None:
    env.run("ckd-train", *TINY, "--no-distill", "--tensorboard", "--out", "run", cwd=folder)
    assert list((folder / "run").rglob("events.out.tfevents.*"))


def reports(env: Environment, folder: Path) -> None:
    env.run("ckd-deploy", "report", builders.write_model(folder), "--out", "r.html", cwd=folder)
    assert "<title>Equal: student.nir</title>" in (folder / "r.html").read_text()
    code = "import deploy.plot; deploy.plot.accuracy(deploy.load_trace('student.trace')).figure.savefig('p.png')"
    env.run("python", "-c", code, cwd=folder)
    assert (folder / "p.png").read_bytes().startswith(b"\x89PNG")


def writes_onnx(env: Environment, folder: Path) -> None:
    model = builders.write_model(folder)
    checks(env, folder, model, "--on", "onnx")


def runs_lava(env: Environment, folder: Path) -> None:
    if MISSING:
        pytest.skip(f"Lava cannot run here: {MISSING}")
    checks(env, folder, builders.write_model(folder), "--on", "lava", "--recordings", 2)


def runs_on_a_cluster(env: Environment, folder: Path) -> None:
    said = env.run("ckd-deploy", "run", builders.write_model(folder), "--cluster", "local", "--json", cwd=folder)
    assert sum(layer["spikes"] for layer in json.loads(said)["layers"]) > 1000


def reads_recordings(env: Environment, folder: Path) -> None:
    """One that the decoder of aedat4 reads, and two of Prophesee's cameras that expelliarmus does."""
    from expelliarmus import Wizard

    recording = np.zeros(50, EVENT_DTYPE)
    recording["t"] = np.arange(50) * 1000
    stored = np.zeros(50, [("t", np.int64), ("x", np.int16), ("y", np.int16), ("p", np.uint8)])
    stored["t"] = recording["t"]
    for label in ("circle", "square", "star"):
        (folder / "events" / label).mkdir(parents=True)
    (folder / "events" / "circle" / "1.aedat4").write_bytes(aedat4(recording))
    Wizard(encoding="dat").save(fpath=folder / "events" / "square" / "1.dat", arr=stored)
    Wizard(encoding="evt3").save(fpath=folder / "events" / "star" / "1.raw", arr=stored)
    model = builders.write_model(folder)
    said = env.run("ckd-deploy", "run", model, "--events", "events", "--json", cwd=folder)
    assert json.loads(said)["recordings"] == 3


def builds_the_site(env: Environment, folder: Path) -> None:
    env.run("python", "-m", "mkdocs", "build", "--strict", "--quiet", cwd=copy_source(folder))
    assert (folder / "build" / "site" / "index.html").is_file()


def by_tests(*tests: str) -> Callable[[Environment, Path], None]:
    return lambda env, folder: passes(env, folder, *tests)


USES: dict[str, tuple[str, Callable[[Environment, Path], None]]] = {
    "train": ("train", trains),
    "tensorboard": ("train,tensorboard", shows_its_training),
    "gpu": ("train,gpu", by_tests("tests/ckd/models/test_triton_neuron.py")),
    "vision": ("train,vision", by_tests("tests/ckd/models/test_teacher.py")),
    "report": ("report", reports),
    "onnx": ("onnx", writes_onnx),
    "lava": ("lava", runs_lava),
    "cluster": ("cluster", runs_on_a_cluster),
    "interop": (
        "train,interop",
        by_tests("tests/export/modules/test_norse.py", "tests/export/modules/test_spikingjelly.py"),
    ),
    "events": ("events", reads_recordings),
    "docs": ("train,docs", builds_the_site),
    "dev": ("dev", by_tests("tests/deploy/network", "tests/ckd/method")),
}
"""An extra: with which others it is installed, and what it is for."""


def test_every_extra_has_its_use() -> None:
    assert USES.keys() == PROJECT["optional-dependencies"].keys()
    assert {f"Programming Language :: Python :: {version}" for version in PYTHONS} <= set(PROJECT["classifiers"])


@pytest.mark.long
@pytest.mark.parametrize("extra", USES)
def test_what_an_extra_is_for_works(extra: str, fresh: Environment, wheel: Path, tmp_path: Path) -> None:
    extras, use = USES[extra]
    vision = "constraints-vision.txt" if extra == "vision" else "constraints.txt"
    fresh.install(f"{wheel}[{extras}]", constraints=vision)
    (tmp_path / "work").mkdir()
    use(fresh, tmp_path / "work")


@pytest.mark.long
def test_without_any_extra_models_run_and_commands_say_what_they_need(
    fresh: Environment, wheel: Path, tmp_path: Path
) -> None:
    """`pip install .`, by pip itself; `deploy` runs without torch."""
    fresh.install("pip")
    fresh.run("python", "-m", "pip", "install", "--quiet", copy_source(tmp_path / "source"), cwd=tmp_path)
    for command in entry_points(wheel)["console_scripts"]:
        shown = fresh.try_(command, "--help", cwd=tmp_path)
        said = shown.stdout + shown.stderr
        helped = shown.returncode == 0 and "usage" in said.lower()
        assert helped or (command != "ckd-deploy" and "ckd" in said and "[train]" in said), f"{command}: {said}"
        assert "Traceback" not in said
    (tmp_path / "work").mkdir()
    checks(fresh, tmp_path / "work", builders.write_model(tmp_path / "work"))
    code = "import sys, deploy, deploy.formats.files, deploy.runners.integer; assert 'torch' not in sys.modules"
    fresh.run("python", "-I", "-c", code, cwd=tmp_path)


@pytest.mark.long
def test_a_project_with_packages_of_our_names_keeps_its_tests(fresh: Environment, wheel: Path, tmp_path: Path) -> None:
    """Packages `deploy` and `export` of its own, an option --model: with the plugin of the wheel, and our command."""
    fresh.install(str(wheel), "pytest")
    folder = tmp_path / "project"
    for name in ("deploy", "export"):
        (folder / name).mkdir(parents=True)
        (folder / name / "__init__.py").write_text("mine = True\n")
    (folder / "conftest.py").write_text(OWN_OPTION)
    (folder / "test_mine.py").write_text(OWN_TEST)
    options = ("-q", "-p", "no:cacheprovider", "--model", "m")
    assert "1 passed" in fresh.run("python", "-m", "pytest", *options, cwd=folder)
    assert "--ckd-model" in fresh.run("python", "-m", "pytest", "--help", cwd=folder)
    checks(fresh, folder, builders.write_model(folder))
