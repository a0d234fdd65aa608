"""Metrics for tensorboard, for those who watch a run."""

import contextlib
import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ckd.errors import ConfigError
from ckd.files import how_to_install


def require_tensorboard() -> None:
    """Raise ConfigError where tensorboard is not installed."""
    if importlib.util.find_spec("tensorboard") is None:
        raise ConfigError(f"--tensorboard needs tensorboard: {how_to_install('tensorboard')}")


@contextlib.contextmanager
def scalar_log(run: Path, stage: str) -> Iterator[Callable[[dict[str, Any]], None]]:
    """What writes a stage's records to a run's folder tensorboard/, every number of a record by its name."""
    from torch.utils.tensorboard.writer import SummaryWriter

    writer = SummaryWriter(str(run / "tensorboard" / stage))

    def log(record: dict[str, Any]) -> None:
        for name, value in record.items():
            if name != "iteration":
                for key, number in _numbers(name, value):
                    writer.add_scalar(key, number, record["iteration"])

    with contextlib.closing(writer):
        yield log


def _numbers(name: str, value: Any) -> list[tuple[str, float]]:
    """A record's value as named numbers: time steps of a list and layers of a dictionary one by one."""
    if isinstance(value, dict):
        return [(f"{name}/{key}", float(number)) for key, number in value.items()]
    if isinstance(value, list):
        return [(f"{name}/{step}", float(number)) for step, number in enumerate(value)]
    return [(name, float(value))]
