"""Metrics for tensorboard, for those who watch a run."""

import contextlib
import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ckd.errors import ConfigError
from ckd.files import how_to_install
from ckd.runs.metrics import by_name


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
                for key, number in by_name(name, value):
                    writer.add_scalar(key, float(number), record["iteration"])

    with contextlib.closing(writer):
        yield log
