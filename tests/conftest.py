"""A test may be skipped for the reasons on a list, and for no other.

tests/allowed_skips.txt holds what a machine may lack under `make test`, tests/allowed_skips_long.txt what it may lack
under `make test-long`; a reason is allowed where it begins with a line of the list. Any other skip is a failure.
"""

import signal
from collections.abc import Generator
from pathlib import Path

import pytest

HERE = Path(__file__).parent


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--allowed-skips",
        default=str(HERE / "allowed_skips.txt"),
        metavar="FILE",
        help="the reasons, one a line, for which a test may be skipped",
    )


def pytest_configure() -> None:
    # Whoever starts the tests in the background, or under nohup, has these ignored, and programs inherit that.
    for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, handler)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    judge(report, item.config)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    judge(report, collector.config)
    return report


def judge(report: pytest.TestReport | pytest.CollectReport, config: pytest.Config) -> None:
    """Make a failure of a skip whose reason is not on the list."""
    # An expected failure counts as skipped, too, but holds no reason here.
    if not report.skipped or not isinstance(report.longrepr, tuple):
        return
    reason = " ".join(report.longrepr[2].removeprefix("Skipped: ").split())
    path = Path(str(config.getoption("--allowed-skips")))
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
    if not reason.startswith(tuple(lines)):
        report.outcome = "failed"
        report.longrepr = f"skipped for a reason that is not in {path.name}: {reason}"
