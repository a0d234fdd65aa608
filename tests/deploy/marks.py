"""What a test needs that a machine may lack."""

from collections.abc import Callable

import pytest

from deploy.errors import RunnerError
from deploy.runners.lava.python310 import find_python310, find_uv


def _why_not() -> str | None:
    try:
        find_uv()
        find_python310()
    except RunnerError as error:
        return str(error)
    return None


MISSING = _why_not()


def needs_lava(test: Callable[..., None]) -> Callable[..., None]:
    """Mark a test that starts Lava; it is skipped, saying why, where Lava cannot run."""
    return pytest.mark.lava(pytest.mark.skipif(MISSING is not None, reason=f"Lava cannot run here: {MISSING}")(test))
