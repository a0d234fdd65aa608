"""pytest fixtures and options for spike checks; installed with the distribution, in every project that uses it.

    pytest tests/equivalence --ckd-model student.nir --ckd-on integer,lava

    def test_my_chip(assert_same_spikes):
        assert_same_spikes("student.trace", "recorded_on_chip.trace", model="student.nir")

    def test_my_simulator(witness):
        witness("student.nir", my_simulator, seconds=10)

It lies here and not in `deploy`, of which the checks are, because a project may have a folder `deploy` of its own:
pytest must start there. What is of that wing is asked for by name when it is used; the start pays for `ckd` alone.
"""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

AssertSame = Callable[..., None]


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("ckd", "spike checks of an exported model")
    group.addoption(
        "--ckd-model", default=None, metavar="FILE", help="the .nir file to check; default: a small one is built"
    )
    group.addoption("--ckd-trace", default=None, metavar="FILE", help="default: the .trace beside the model")
    group.addoption("--ckd-on", default="integer", metavar="RUNNERS", help="simulators, as in integer,lava,onnx")


def pytest_configure(config: pytest.Config) -> None:
    """Options that name nothing end the session: no test need use them, and then nothing would have been checked."""
    for option in ("--ckd-model", "--ckd-trace"):
        name = config.getoption(option)
        if name is not None and not Path(name).is_file():
            raise pytest.UsageError(f"{option} {name}: no such file")
    if config.getoption("--ckd-on") != "integer":
        try:
            known = _of_deploy("deploy.runners.table").RUNNERS
        except ImportError as error:
            raise pytest.UsageError(str(error)) from None
        unknown = [name for name in _runners(config) if name not in known]
        if unknown:
            raise pytest.UsageError(f"--ckd-on {unknown[0]}: not known; use some of {', '.join(known)}")


def _of_deploy(module: str) -> Any:
    """A module of the wing; ImportError where `deploy` means a package of the user's project."""
    from ckd.files import require_own

    require_own("deploy")
    return import_module(module)


def _check(name: str) -> Callable[..., None]:
    """A check of `deploy.pytest_checks`, which is imported when it is called."""

    def check(*given: Any, **options: Any) -> None:
        __tracebackhide__ = True
        try:
            checks = _of_deploy("deploy.pytest_checks")
        except ImportError as error:
            pytest.fail(str(error), pytrace=False)
        getattr(checks, name)(*given, **options)

    return check


def _runners(config: pytest.Config) -> list[str]:
    return [name.strip() for name in str(config.getoption("--ckd-on")).split(",") if name.strip()]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "ckd_runner" in metafunc.fixturenames:
        metafunc.parametrize("ckd_runner", _runners(metafunc.config), scope="session")


@pytest.fixture(scope="session")
def ckd_model(request: pytest.FixtureRequest) -> Path | None:
    """The file that --ckd-model names; None without one."""
    name = request.config.getoption("--ckd-model")
    return None if name is None else Path(name)


@pytest.fixture(scope="session")
def ckd_trace(request: pytest.FixtureRequest, ckd_model: Path | None) -> Path | None:
    """The file that --ckd-trace names, else the one beside the model; None where there is no model."""
    name = request.config.getoption("--ckd-trace")
    if name is not None:
        return Path(name)
    return None if ckd_model is None else ckd_model.with_suffix(".trace")


@pytest.fixture(scope="session")
def assert_same_spikes() -> AssertSame:
    """A function of two traces (or their files) that fails with the story of the first divergence.

    assert_same_spikes(expected, found, model=None, tested=None, partial=False): with the model of the first (and, where
    it is another, of the second) the story names the cause; `partial` compares what both hold.
    """
    return _check("same_spikes")


@pytest.fixture(scope="session")
def witness() -> Callable[..., None]:
    """A function as `deploy.witness` that fails where it finds frames on which its two sides differ.

    witness(first, second=None, on="integer", against="integer", seconds=30.0, frames=None, seed=0, save=None): `save`
    is where the frames go that were found, as a trace.
    """
    return _check("no_witness")
