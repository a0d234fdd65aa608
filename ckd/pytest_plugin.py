"""pytest fixtures and options for spike checks; installed with the distribution, in every project that uses it.

    pytest tests/equivalence --ckd-model student.nir --ckd-on integer,lava

    def test_my_chip(assert_same_spikes):
        assert_same_spikes("student.trace", "recorded_on_chip.trace", model="student.nir")

    def test_my_simulator(witness):
        witness("student.nir", my_simulator, seconds=10)

It is of the deploy wing, and lies here because a project may have a folder `deploy` of its own: pytest must start
there. Simulators and readers are imported when a fixture is used; the start of pytest pays the import of `ckd` alone.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from deploy.checking.witness.search import Given
    from deploy.network import Network
    from deploy.traces.trace import Trace

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
        another = _another_deploy()
        if another is not None:
            raise pytest.UsageError(another)
        from deploy.runners.table import RUNNERS

        unknown = [name for name in _runners(config) if name not in RUNNERS]
        if unknown:
            raise pytest.UsageError(f"--ckd-on {unknown[0]}: not known; use some of {', '.join(RUNNERS)}")


def _another_deploy() -> str | None:
    """What is wrong where `deploy` means a package of the user's project; a check needs ours."""
    from ckd.files import require_own

    try:
        require_own("deploy")
    except ImportError as error:
        return str(error)
    return None


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
    return same_spikes


@pytest.fixture(scope="session")
def witness() -> Callable[..., None]:
    """A function as `deploy.witness` that fails where it finds frames on which its two sides differ.

    witness(first, second=None, on="integer", against="integer", seconds=30.0, frames=None, seed=0, save=None): `save`
    is where the frames go that were found, as a trace.
    """
    return no_witness


def no_witness(first: Given, second: Given | None = None, *, save: Path | str | None = None, **options: Any) -> None:
    """Fail the test where a witness is found; its message says what differs there. Options are `deploy.witness`'s."""
    __tracebackhide__ = True
    from deploy.checking.witness.search import witness as search

    sought = search(first, second, **options)
    if sought.witness is None:
        return
    if save is not None:
        sought.witness.expected.save(save)
    kept = "" if save is None else f"\nits frames are in {save}"
    pytest.fail(f"{sought}{kept}", pytrace=False)


def same_spikes(
    expected: Trace | Path | str,
    found: Trace | Path | str,
    *,
    model: Network | Path | str | None = None,
    tested: Network | Path | str | None = None,
    partial: bool = False,
) -> None:
    """Fail the test where two traces differ; its message says where, when and why.

    u and v of spiking layers are compared where both hold them; `partial`: so are layers, recordings and steps.
    """
    __tracebackhide__ = True
    another = _another_deploy()
    if another is not None:
        pytest.fail(another, pytrace=False)
    from deploy.checking.divergence.explain import explain
    from deploy.checking.divergence.story import story
    from deploy.traces.common import in_common
    from deploy.traces.compare import compare

    one, other = _trace(expected), _trace(found)
    verdict = compare(one, other, partial=partial)
    if verdict:
        return
    if partial:
        one, other = in_common(one, other)
    told = story(explain(one, other, verdict=verdict, reference=_network(model), tested=_network(tested)))
    pytest.fail(f"{verdict.sentence}\n{told}", pytrace=False)


def _trace(given: Trace | Path | str) -> Trace:
    from deploy.traces.trace import load_trace

    return load_trace(given) if isinstance(given, str | Path) else given


def _network(given: Network | Path | str | None) -> Network | None:
    from deploy.formats.files import load_network

    return load_network(given) if isinstance(given, str | Path) else given
