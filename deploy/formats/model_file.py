"""`ModelFile`: a model that stays in the format of one simulator, which runs the file itself."""

from dataclasses import dataclass
from pathlib import Path

from ckd.events import Binning
from deploy.network import Shape


@dataclass(frozen=True, kw_only=True)
class ModelFile:
    """A model in the format of one simulator, which runs the file itself.

    runner: the only name of `deploy.runners.table.RUNNERS` that takes it. layers: names of the neuron layers, in order
    of execution. on_grid: whether it holds integers. The rest is as in `Network`.
    """

    path: Path
    runner: str
    input_shape: Shape
    layers: tuple[str, ...]
    on_grid: bool
    binning: Binning | None = None
    classes: tuple[str, ...] = ()
