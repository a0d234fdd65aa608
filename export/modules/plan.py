"""What is asked of an export of one's own module."""

from dataclasses import dataclass
from pathlib import Path

from ckd.config.factories import is_factory
from export.plan import Plan


@dataclass(frozen=True, kw_only=True)
class ModulePlan(Plan):
    """Like `Plan`, of a module in place of a run. The fields are the options of the command.

    run: the factory, "PACKAGE.MODULE:FACTORY", called without arguments.
    weights: of the module, a state dict in a .pt or .safetensors file; None: as the factory makes it.
    frames: a .npy of counts (R, T, ...), which calibrate the grid, prove the network and stay in the trace.
    events: recordings instead, one folder a class.
    recordings: how many of them, the first ones; None: all.
    step_us, steps, height, width: how recordings become frames.
    dt: seconds of a step, where the module's neurons do not say it; of recordings step_us.
    layout: how the module takes frames, one of `export.modules.layouts.LAYOUTS`; None: found out.
    """

    weights: Path | None = None
    frames: Path | None = None
    events: Path | None = None
    recordings: int | None = None
    step_us: int | None = None
    steps: int | None = None
    height: int | None = None
    width: int | None = None
    dt: float | None = None
    layout: str | None = None

    @property
    def model(self) -> Path:
        """The path of the model file; where none is given, in the current folder, named after the factory."""
        return Path(f"{str(self.run).rpartition(':')[2]}{self.format.ending}") if self.out is None else Path(self.out)


def names_factory(run: Path | str) -> bool:
    """Whether what is to be exported names a factory, and is no folder or file."""
    return is_factory(str(run)) and Path(run).name == str(run) and not Path(run).exists()
