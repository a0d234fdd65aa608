"""A small network on the grid whose layers all spike, its file and its trace."""

from pathlib import Path

import pytest

from deploy.network import Array, Network
from tests import builders


@pytest.fixture(scope="session")
def small_network() -> Network:
    return builders.small_network()


@pytest.fixture(scope="session")
def small_frames() -> Array:
    return builders.small_frames()


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """student.nir with its student.trace beside it."""
    return builders.write_model(tmp_path)
