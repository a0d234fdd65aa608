"""How recordings become frames for a model: what its file says, and what its user says in its place."""

from pathlib import Path

from ckd.events import Binning
from deploy.errors import ModelError
from deploy.network import Shape


def binning_of(
    path: Path, known: Binning | None, shape: Shape, step_us: int | None, steps: int | None
) -> Binning | None:
    """The file's binning; without one, that of frames (2, H, W) in as many steps.

    Args:
        path: of the model. known: what it says. shape: of its input.
        step_us: the length of a step in microseconds. steps: of a recording.

    Raises:
        ModelError: a number below 1, or another one than the file says.
    """
    says = (None, None) if known is None else (known.step_us, known.steps)
    for name, value, own in (("--step-us", step_us, says[0]), ("--steps", steps, says[1])):
        if value is not None and value < 1:
            raise ModelError(f"{path}: {name} (={value}) must be at least 1")
        if value is not None and own is not None and value != own:
            raise ModelError(
                f"{path}: says itself that its recordings have {says[1]} steps of {says[0]} us, so {name} {value} does "
                "not fit; leave it out"
            )
    if known is not None:
        return known
    if step_us is None or steps is None:
        return None
    if len(shape) != 3 or shape[0] != 2:
        return None
    return Binning(step_us=step_us, steps=steps, height=shape[1], width=shape[2])
