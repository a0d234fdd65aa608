"""How a module is given its frames: in which order of axes, all steps in one call or one a call."""

import inspect
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from ckd.config.factories import told
from deploy.errors import DeployError
from export.modules.layout_names import Layout
from export.modules.refusal import LayoutError, ModuleRefusedError


def lead_of(layout: Layout) -> tuple[str, ...]:
    """What the leading axes of what a module is given count."""
    return {
        "time-first": ("time", "recordings"),
        "batch-first": ("recordings", "time"),
        "step": ("recordings",),
        "one": ("time",),
    }[layout]


def arranged(frames: Tensor, layout: Layout) -> list[Tensor]:
    """Frames (R, T, ...) as the module takes them, one tensor a call."""
    if layout == "step":
        return [frame.clone() for frame in frames.unbind(1)]
    if layout == "one":
        return [frames[0].clone()]
    return [frames.transpose(0, 1).contiguous() if layout == "time-first" else frames.clone()]


def call_module(module: nn.Module, given: list[Tensor], layout: Layout) -> Any:
    """Run a module; of a call a step, its first outputs stacked, time first.

    Raises:
        LayoutError: it does not take this shape.
        ModuleRefusedError: it raises something else.
    """
    try:
        if layout != "step":
            return module(given[0])
        return torch.stack(list(_stepped(module, given)))
    except DeployError:
        raise
    except (RuntimeError, IndexError, ValueError) as error:
        shapes = f"{layout} frames, {tuple(given[0].shape)} a call"
        raise LayoutError(f"the module raises {told(error)} on {shapes}") from error
    except Exception as error:
        raise ModuleRefusedError(f"the module raises {told(error)}") from error


def _stepped(module: nn.Module, given: list[Tensor]) -> Iterator[Tensor]:
    """The first output of each step; what the module takes behind its input is what it last returned at its end."""
    count = len(_states(module))
    states: list[Any] = []
    for frame in given:
        out = module(frame, *(states or _absent(module)))
        outputs = list(out) if isinstance(out, tuple | list) else [out]
        states = outputs[-count:] if count and len(outputs) >= max(count, 2) else []
        if not isinstance(outputs[0], Tensor):
            kind = type(outputs[0]).__name__
            raise ModuleRefusedError(f"the module returns a {kind} first; return its output as a tensor")
        yield outputs[0]


def _states(module: nn.Module) -> list[inspect.Parameter]:
    """The arguments of a module behind its input."""
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [p for p in inspect.signature(module.forward).parameters.values() if p.kind in kinds][1:]


def _absent(module: nn.Module) -> list[None]:
    """None for each state of the first step."""
    return [None] * sum(parameter.default is inspect.Parameter.empty for parameter in _states(module))
