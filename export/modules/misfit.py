"""Why a module takes frames in no layout: its loop repeats one frame, or a layer takes another number of features."""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from deploy.network import Array
from export.modules.layout_names import LAYOUTS, Layout
from export.modules.layouts import arranged, call_module
from export.modules.libraries.table import neurons_of, to_rest
from export.modules.refusal import LayoutError, ModuleRefusedError

FEATURES: dict[type[nn.Module], tuple[str, int, tuple[int, ...], str]] = {
    nn.Linear: ("in_features", -1, (1, 2, 3), "feature"),
    nn.Conv1d: ("in_channels", -2, (3,), "channel"),
    nn.Conv2d: ("in_channels", -3, (4,), "channel"),
}
"""By kind of layer: the attribute that says how many it takes, the axis that holds them, how many axes there may be."""


def misfit(module: nn.Module, frames: Array, refused: Mapping[Layout, ModuleRefusedError]) -> ModuleRefusedError:
    """The error to raise where a module cannot be followed in any layout that came into question.

    Args:
        module: in evaluation mode.
        frames: (R, T, ...) float32.
        refused: by layout, why it was not followed.
    """
    steps = _own_steps(module, frames[:1, 0])
    if steps is not None:
        layer, count = steps
        return ModuleRefusedError(
            f"the module takes one frame and repeats it by itself: {layer} runs {count} times a call; let forward take "
            "all steps, (T, R, ...), and loop over them: x[step] where it says x (docs/modules.md)"
        )
    told = [error for error in refused.values() if not isinstance(error, LayoutError)]
    if told:
        return told[0]
    cause = _other_features(module, frames[:1], list(refused))
    if cause is not None:
        return LayoutError(f"{cause} of frames {frames.shape}; give frames of the shape that the module was trained on")
    if len(refused) == 1:
        return next(iter(refused.values()))
    # One that ran to its end says more than one that the module raised.
    layout, error = min(refused.items(), key=lambda pair: "the module raises" in str(pair[1]))
    return LayoutError(
        f"the module takes frames {frames.shape} in none of the layouts {', '.join(LAYOUTS)}; {layout}: {error}; give "
        "frames (R, T, ...) of the shape that it takes, or say its layout= (--layout)"
    )


def _own_steps(module: nn.Module, frame: Array) -> tuple[str, int] | None:
    """Of a module that takes frames (R, ...) and makes steps by itself: a layer of neurons, and how often it runs."""
    neurons = neurons_of(module)
    counts: list[dict[str, int]] = []
    for recordings in (2, 3):  # a loop over an axis of the frames would run as often as that is long
        with _entered(neurons) as calls, suppress(ModuleRefusedError):
            _call(module, np.repeat(frame, recordings, 0)[:, None], "step")
            ran = Counter(name for name, _ in calls)
            counts.append({name: ran[name] for name in neurons})
    if len(counts) < 2 or any(first != second for first, second in pairwise(counts)):
        return None
    often = set(counts[0].values())
    return (next(iter(neurons)), often.pop()) if len(often) == 1 and min(often) > 1 else None


@contextmanager
def _entered(layers: Mapping[str, nn.Module]) -> Iterator[list[tuple[str, tuple[int, ...]]]]:
    """Gives what is entered inside, in order: the layer's name, and the shape of the tensor that it gets, if any."""
    calls: list[tuple[str, tuple[int, ...]]] = []

    def enter(name: str, _: nn.Module, given: tuple[Any, ...]) -> None:
        calls.append((name, tuple(given[0].shape) if given and isinstance(given[0], Tensor) else ()))

    hooks = [layer.register_forward_pre_hook(partial(enter, name)) for name, layer in layers.items()]
    try:
        yield calls
    finally:
        for hook in hooks:
            hook.remove()


def _other_features(module: nn.Module, frames: Array, layouts: list[Layout]) -> str | None:
    """The layer that a call got to and that takes another number of features, of the layout that got furthest."""
    causes = [cause for layout in layouts if (cause := _stuck(module, frames, layout)) is not None]
    return max(causes, key=lambda cause: cause[0])[1] if causes else None


def _stuck(module: nn.Module, frames: Array, layout: Layout) -> tuple[int, str] | None:
    """How many layers with weights a call entered before the module raised, and what is wrong in the last."""
    layers = {name or type(layer).__name__: layer for name, layer in module.named_modules() if type(layer) in FEATURES}
    with _entered(layers) as calls, suppress(ModuleRefusedError):
        _call(module, frames, layout)
        return None
    entered = [(name, shape) for name, shape in calls if shape]
    if not entered:
        return None
    name, shape = entered[-1]
    layer = layers[name]
    attribute, axis, ranks, word = FEATURES[type(layer)]
    wanted = getattr(layer, attribute)
    if len(shape) not in ranks or shape[axis] == wanted:
        return None
    what = f"{wanted:,} {word}{'' if wanted == 1 else 's'}"
    return len(entered), f"layer {name}, a {type(layer).__name__}, takes {what} and gets {shape[axis]:,}"


def _call(module: nn.Module, frames: Array, layout: Layout) -> None:
    to_rest(module)
    try:
        with torch.no_grad():
            call_module(module, arranged(torch.from_numpy(np.ascontiguousarray(frames)), layout), layout)
    finally:
        to_rest(module)
