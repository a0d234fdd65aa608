"""`from_torch` and `record`: what the package gives to others."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from deploy.errors import FramesError
from deploy.network import Array, Network
from deploy.network.frames import require_frames
from deploy.traces.trace import Trace
from export.modules.building import Builder
from export.modules.ending import ending_of
from export.modules.evaluation import evaluated
from export.modules.folding import Fold
from export.modules.layout_names import LAYOUTS, Layout
from export.modules.libraries.table import LIBRARIES, neurons_of
from export.modules.misfit import misfit
from export.modules.proof import require_equal, require_spikes
from export.modules.recording import Recorded
from export.modules.refusal import ModuleRefusedError
from export.modules.running import run_module
from export.modules.shapes import as_image
from export.modules.tracing import Traced, trace

FEWEST_STEPS = 3
"""Steps that tell what feeds back: a first, one that hears of it, and one that does the same again."""
DT = 1e-4
"""The step in seconds of a network whose library counts in steps, as everywhere here."""


@dataclass(frozen=True, kw_only=True)
class Followed:
    """A module's network, proven, and what the module gave on the frames that it was proven with."""

    network: Network
    trace: Trace
    layout: Layout


def from_torch(module: nn.Module, frames: Array, *, dt: float | None = None, layout: Layout | None = None) -> Network:
    """Make a network of a spiking torch module and prove it: all its spikes on `frames`, on the float runner.

    Args:
        module: of layers of PyTorch and neurons of snnTorch, spikingjelly, norse or sinabs, on the CPU. It is run in
            evaluation mode, and left at rest.
        frames: (R, T, C, H, W) or (R, T, n), at least 3 steps, numbers of any kind; on them every layer must spike.
            Of (R, T, C, L) for a module of one-dimensional convolutions the network takes (R, T, C, 1, L).
        dt: seconds of a step; None: what the neurons say, or 1e-4.
        layout: how it takes frames: "time-first" (T, R, ...), "batch-first" (R, T, ...), "step", one call a step, the
            states that it returns behind its output passed to the next, or "one", one call a recording (T, ...).
            None: found out, where only one is possible.

    Returns:
        a float network whose layers have the names of the module's.

    Raises:
        ModuleRefusedError: something that no network says, with the line of the module's code; or a spike that differs.
        FramesError: frames that are no (R, T, ...).
    """
    return follow(module, frames, dt=dt, layout=layout).network


def record(module: nn.Module, frames: Array, *, layout: Layout | None = None) -> Trace:
    """What every layer of neurons of a module gave, as the module itself gave it.

    Args, raises: as of `from_torch`.

    Returns:
        the spikes by layer, under the names of the network that `from_torch` makes; of a readout the potential.
    """
    return follow(module, frames, dt=None, layout=layout).trace


def follow(module: nn.Module, frames: Array, *, dt: float | None, layout: Layout | None) -> Followed:
    """What `from_torch` and `record` both do."""
    with following(module, frames, dt=dt, layout=layout) as found:
        gave = found.run(frames)
    require_spikes(gave, found.places)
    return Followed(network=found.network, trace=gave, layout=found.layout)


@dataclass(frozen=True, kw_only=True)
class Following:
    """A module's network, and the module itself, to be run beside it.

    run: what the module gives on frames, which the network, too, has given on them. It raises ModuleRefusedError where
        a spike differs.
    places: by node, the line of the user's code that it comes from.
    """

    network: Network
    layout: Layout
    run: Callable[[Array], Trace]
    places: dict[str, str]


@contextmanager
def following(module: nn.Module, frames: Array, *, dt: float | None, layout: Layout | None) -> Iterator[Following]:
    """A module followed on some frames, in evaluation mode inside; takes and raises what `from_torch` does."""
    _require(module, frames, dt, layout)
    with evaluated(module):
        layout, traced = _traced(module, np.asarray(frames, np.float32), layout)
        fold = Fold(traced)
        ending = ending_of(traced, fold.keys)
        builder = Builder(traced, fold, ending)
        seconds = dt if dt is not None else _seconds(traced)
        shape = as_image(tuple(frames.shape[2:]))
        network = builder.build(shape, seconds)
        recorded = Recorded(traced, fold, ending, builder.layers, builder.maxima)

        def place(number: int) -> str:
            return traced.layers[number].mades[0].call.place

        def run(frames: Array) -> Trace:
            started = time.perf_counter()
            given = run_module(module, np.asarray(frames, np.float32), layout, traced, recorded.calls, place)
            images = frames.reshape(*frames.shape[:2], *shape)
            gave = recorded.trace(network, given, images, time.perf_counter() - started)
            require_equal(network, gave, images, builder.graph.places)
            return gave

        yield Following(network=network, layout=layout, run=run, places=builder.graph.places)


def _require(module: nn.Module, frames: Array, dt: float | None, layout: str | None) -> None:
    if not isinstance(module, nn.Module):
        raise ModuleRefusedError(f"a {type(module).__name__} is no torch.nn.Module; give the module itself")
    if not isinstance(frames, np.ndarray) or frames.ndim < 3:
        raise FramesError(f"frames are a numpy array (R, T, ...), not {_shape(frames)}")
    require_frames(frames, tuple(frames.shape[2:]), counts=False)
    if frames.shape[1] < FEWEST_STEPS:
        raise FramesError(f"frames of {frames.shape[1]} steps do not show what feeds back; give {FEWEST_STEPS} or more")
    if dt is not None and not 0 < dt < float("inf"):
        raise ModuleRefusedError(f"dt (={dt}) must be a positive number of seconds")
    if layout is not None and layout not in LAYOUTS:
        raise ModuleRefusedError(f"layout {layout!r} is not known; use {_layouts()}")
    if not neurons_of(module):
        raise ModuleRefusedError(
            f"{type(module).__name__}: no layer of it is a neuron of {', '.join(LIBRARIES)}; neurons of one's own "
            "cannot be followed"
        )
    for name, tensor in [*module.named_parameters(), *module.named_buffers()]:
        if tensor.device.type != "cpu" or (tensor.is_floating_point() and tensor.dtype != torch.float32):
            raise ModuleRefusedError(
                f"{name}: {tensor.dtype} on {tensor.device}; a module is followed in float32 on the CPU: "
                "module.float().cpu()"
            )


def _traced(module: nn.Module, frames: Array, layout: Layout | None) -> tuple[Layout, Traced]:
    """The module followed in its layout, or in the only one that it takes."""
    found: dict[Layout, Traced] = {}
    refused: dict[Layout, ModuleRefusedError] = {}
    for candidate in LAYOUTS if layout is None else (layout,):
        try:
            found[candidate] = trace(module, frames, candidate)
        except ModuleRefusedError as error:
            refused[candidate] = error
    if not found:
        raise misfit(module, frames, refused)
    if len(found) > 1:
        raise ModuleRefusedError(
            f"the module takes frames {' and '.join(found)}, and gives other spikes each way; say which with layout= "
            "(--layout)"
        )
    return next(iter(found.items()))


def _shape(frames: object) -> str:
    return str(getattr(frames, "shape", type(frames).__name__))


def _layouts() -> str:
    return ", ".join(f"{name!r} {what}" for name, what in LAYOUTS.items())


def _seconds(traced: Traced) -> float:
    said = {layer.cells.dt for layer in traced.layers} - {None}
    if len(said) > 1:
        raise ModuleRefusedError(
            f"its neurons take steps of {sorted(map(str, said))} seconds; give them one, or say dt"
        )
    return float(said.pop() or DT) if said else DT
