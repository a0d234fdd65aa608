"""What somebody meets at first: names, extras, --help, --version, and projects with packages of our names."""

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from ckd.files import DISTRIBUTION, own_version
from tests import builders
from tests.hostile import ROOT, SCRIPTS, run_script

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
OWN_TEST = """
import deploy
import export


def test_that_our_packages_are_ours(request):
    assert deploy.mine and export.mine and request.config.getoption("--model") == "m"
"""
OWN_CHECK = """
def test_spikes(assert_same_spikes):
    assert_same_spikes("student.trace", "student.trace")
"""
OWN_OPTION = "def pytest_addoption(parser):\n    parser.addoption('--model')\n"
MISSING = "raise ModuleNotFoundError(\"No module named '{0}'\", name='{0}')\n"


def python_in(folder: Path, *args: object) -> subprocess.CompletedProcess[str]:
    """Python with the folder's modules first, as `python -m` and scripts have them, and ours behind."""
    return subprocess.run(
        [sys.executable, *map(str, args)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with packages `deploy` and `export` of its own."""
    folder = tmp_path / "project"
    for name in ("deploy", "export"):
        (folder / name).mkdir(parents=True)
        (folder / name / "__init__.py").write_text("mine = True\n")
    (folder / "conftest.py").write_text(OWN_OPTION)
    return folder


def test_a_project_with_packages_of_our_names_keeps_its_tests(project: Path) -> None:
    (project / "test_mine.py").write_text(OWN_TEST)
    done = python_in(project, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--model", "m")
    assert done.returncode == 0 and "1 passed" in done.stdout, done.stdout + done.stderr


def test_a_check_there_says_which_package_is_which(project: Path) -> None:
    (project / "test_mine.py").write_text(OWN_CHECK)
    done = python_in(project, "-m", "pytest", "-q", "-p", "no:cacheprovider")
    assert done.returncode == 1
    assert f"'deploy' means {project}/deploy/__init__.py here, not the one of ckd-snn in {ROOT}/deploy" in done.stdout


def test_our_commands_work_there(project: Path) -> None:
    model = builders.write_model(project / "models")
    done = run_script("ckd-deploy", "check", model, "--json", cwd=project)
    assert done.returncode == 0 and json.loads(done.stdout)["spikes"] > 100, done.stderr
    done = run_script("ckd-export", "nothing", cwd=project)
    assert done.returncode == 2 and done.stderr == "error: nothing: no such run folder\n"


@pytest.mark.parametrize(
    ("theirs", "code"), [("deploy", "import export; export.from_torch"), ("ckd", "import deploy; deploy.load")]
)
def test_an_import_that_meets_another_package_says_which_is_which(tmp_path: Path, theirs: str, code: str) -> None:
    (tmp_path / f"{theirs}.py").write_text("mine = True\n")
    done = python_in(tmp_path, "-c", code)
    last = done.stderr.strip().splitlines()[-1]
    assert f"'{theirs}' means {tmp_path}/{theirs}.py here, not the one of ckd-snn" in last and "rename yours" in last


@pytest.mark.parametrize("script", sorted(SCRIPTS))
def test_every_command_says_its_version(tmp_path: Path, script: str) -> None:
    done = run_script(script, "--version", cwd=tmp_path)
    assert done.returncode == 0 and done.stdout == f"{DISTRIBUTION} {own_version()}\n" and not done.stderr


@pytest.mark.parametrize("script", ["ckd-deploy", "ckd-train"])
def test_help_waits_for_no_simulator_and_no_compiler(tmp_path: Path, script: str) -> None:
    module, _, function = SCRIPTS[script].partition(":")
    code = f"""
import sys
from {module} import {function}
sys.argv = ["x", "--help"]
try:
    {function}()
except SystemExit:
    pass
print(sorted({{"torch", "numba", "sklearn", "matplotlib"}} & set(sys.modules)))
"""
    done = python_in(tmp_path, "-c", code)
    assert done.stdout.splitlines()[-1] == "[]", done.stderr
    wanted = {"ckd-deploy": ("integer, float, lava", ".nir, .onnx, .net", "loihi2"), "ckd-train": ("folder",)}[script]
    assert all(part in done.stdout for part in wanted)


@pytest.mark.parametrize(
    ("script", "args", "said"),
    [
        ("ckd-deploy", ["rum", "x.nir"], "rum: no such command; use one of run, check, compile"),
        ("ckd-deploy", ["run"], "A model file"),
        ("ckd-train", ["--heads", "three"], "'one', 'two'"),
        ("ckd-train", ["--label-per-class", "3"], "perhaps you meant --labels-per-class"),
        ("ckd-train", ["--iterations", "many"], "'many'"),
        ("ckd-export", ["x", "--to", "hdf"], "nir"),
        ("ckd-download", ["nowhere"], "--data-root"),
    ],
)
def test_a_wrong_choice_is_one_line(tmp_path: Path, script: str, args: list[str], said: str) -> None:
    done = run_script(script, *args, cwd=tmp_path)
    assert done.returncode == 2 and not done.stdout
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1 and said in done.stderr, done.stderr


@pytest.mark.parametrize("script", ["ckd-deploy", "ckd-train"])
def test_a_reader_that_goes_away_ends_a_command_without_a_word(tmp_path: Path, script: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    module, _, function = SCRIPTS[script].partition(":")
    code = f"import sys; from {module} import {function}; sys.exit({function}())"
    done = subprocess.run(
        [sys.executable, "-c", code, "--help"], stdout=writing, stderr=subprocess.PIPE, cwd=tmp_path, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    os.close(writing)
    assert done.returncode == 141 and not done.stderr


@pytest.mark.parametrize(
    ("lacks", "command"),
    [
        ("yaml", ["-m", "ckd.train", "--help"]),
        ("torch", ["-m", "ckd.compare", "runs/a"]),
        ("torch", ["-m", "export.cli", "runs/a"]),
        ("torch", ["-m", "ckd.evaluate", "runs/a"]),
    ],
)
def test_without_the_extra_train_a_command_says_what_to_install(tmp_path: Path, lacks: str, command: list[str]) -> None:
    (tmp_path / f"{lacks}.py").write_text(MISSING.format(lacks))
    done = python_in(tmp_path, *command)
    assert done.returncode == 2
    assert done.stderr == f"error: {lacks} is missing; training and export need it: pip install 'ckd-snn[train]'\n"


def test_the_readme_names_every_extra() -> None:
    readme = (ROOT / "README.md").read_text()
    assert PROJECT["name"] == DISTRIBUTION
    assert all(f"\n| `{extra}` | " in readme for extra in PROJECT["optional-dependencies"])


def test_nobody_is_told_to_install_what_belongs_to_others() -> None:
    folders = ("ckd", "deploy", "export", "tests", "benchmarks", "examples", "docs")
    files = [*ROOT.glob("*.md"), *(path for folder in folders for path in (ROOT / folder).rglob("*.[pm][yd]"))]
    assert len(files) > 500
    assert not [path for path in files if "pip install 'ckd[" in path.read_text("utf-8") and path != Path(__file__)]
