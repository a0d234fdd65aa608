"""A run small enough to train in seconds, through the command that a user types."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ckd.train import main

TINY = [
    "--iterations", "6", "--batch", "8", "--warmup", "2", "--evaluations", "2", "--teacher-iterations", "5",
    "--teacher-batch", "16", "--widths", "4-AP-8-AP", "--size", "26", "--time-steps", "4", "--step-us", "80000",
    "--labels-per-class", "2", "--validation-per-class", "2", "--test-per-class", "3",
]  # fmt: skip
"""A training budget of seconds."""


@pytest.fixture(scope="session", autouse=True)
def cache_of_the_tests(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The user's cache is left alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "tiny"
    assert main([*TINY, "--out", str(out)]) == 0
    return out
