"""Run a module on two recordings and follow it: what it is made of, step by step."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from deploy.network import Array, Shape
from export.modules.cells import Cells
from export.modules.following import Following
from export.modules.host import Form
from export.modules.layout_names import Layout
from export.modules.layouts import arranged, call_module, lead_of
from export.modules.libraries.table import heard
from export.modules.origins import Origins, Rows, Seen
from export.modules.places import Places
from export.modules.refusal import LayoutError, ModuleRefusedError
from export.modules.values import Call, Made, Value

RECORDINGS = 2
"""As many tell an axis of recordings from one of features."""


@dataclass
class Layer:
    """A layer of neurons: its parameters, and what it did in each step."""

    name: str
    cells: Cells
    mades: list[Made] = field(default_factory=list)

    @property
    def shape(self) -> Shape:
        return self.mades[0].shape


@dataclass
class Traced:
    """All that following a module found.

    layers: of neurons. seen: by layer's name and number of its call, how its output is cut. calls: the same by the
    number of a call of PyTorch. output: the values that the module gives, by step; of several tensors the first that
    depends on the frames.
    """

    steps: int
    layers: list[Layer] = field(default_factory=list)
    seen: dict[tuple[str, int], Seen] = field(default_factory=dict)
    calls: dict[int, Seen] = field(default_factory=dict)
    output: dict[int, Value] = field(default_factory=dict)


def trace(module: nn.Module, frames: Array, layout: Layout) -> Traced:
    """Follow a module on the first recordings.

    Args:
        module: in evaluation mode.
        frames: (R, T, ...) float32.
        layout: how it takes them.

    Raises:
        LayoutError: it takes them in another order of axes.
        ModuleRefusedError: it does something that no network says.
    """
    recordings = 1 if layout == "one" else RECORDINGS
    picked = torch.from_numpy(frames[[i % len(frames) for i in range(recordings)]])
    origins, places = Origins(recordings), Places(module)
    following = Following(origins, places)
    host = _Tracer(following, frames.shape[1])
    given = arranged(picked, layout)
    steps = [[t] for t in range(len(given))] if layout == "step" else [list(range(frames.shape[1]))]
    for tensor, when in zip(given, steps, strict=True):
        following.enter(tensor, lead_of(layout), when)
    with torch.no_grad(), places.followed(), heard(module, host, places.place), following:
        result = call_module(module, given, layout)
    host.end(result)
    for layer in host.traced.layers:
        if len(layer.mades) != host.traced.steps:
            raise ModuleRefusedError(
                f"{layer.mades[0].call.place}: runs in {len(layer.mades)} of {host.traced.steps} steps; a network runs "
                "every layer in every step"
            )
    return host.traced


class _Tracer:
    """The host of a followed module."""

    following = True

    def __init__(self, following: Following, steps: int) -> None:
        self._mode, self._origins = following, following.origins
        self.traced = Traced(steps, calls=following.seen)
        self._calls: dict[str, int] = {}

    def aside(self) -> AbstractContextManager[None]:
        return self._mode.aside()

    def run(self, call: Callable[[], Any]) -> Any:
        with self._mode.paused():
            return call()

    def cells(
        self,
        layer: nn.Module,
        cells: Cells,
        x: Tensor,
        output: Tensor,
        form: Form,
        *,
        state: Tensor | None,
        potential: Tensor | None,
    ) -> None:
        with self._mode.paused():
            rows, values = self._arriving(x)
            _require_form(rows, form)
            number, first = self._began(layer, cells, state, values)
            known = self.traced.layers[number]
            when = dict(zip(values, range(first, first + len(values)), strict=True))
            if max(step - when[step] for step in when) > 0:
                raise LayoutError("neurons begin again from rest in the middle of a recording")
            place = self._mode.places.place()
            call = Call("cells", known.name, place, self._mode.calls, {"spikes": cells.spikes})
            mades = [Made(call, when[step], value.shape, value, number) for step, value in values.items()]
            known.mades += mades
            steps = np.array([when[step] for step in rows.steps.tolist()])
            self._origins.make(output, Rows(rows.lead, steps, rows.recordings, {}), mades)
            if isinstance(potential, Tensor) and potential is not output:
                self._put_potential(known, potential, output, rows, steps, mades)

    def _arriving(self, x: Tensor) -> tuple[Rows, dict[int, Value]]:
        """The rows of what arrives, and their values; a constant arrives in one step, whichever it is."""
        if not self._origins.is_constant(x):
            rows = self._origins.rows(x)
            return rows, rows.values
        if x.dim() < 2 or len(x) != self._origins.recordings:
            raise LayoutError("neurons that see nothing of the frames")
        flat = x.detach().numpy().reshape(len(x), -1).astype(np.float64)
        value = Value(tuple(x.shape[1:]), (), flat[0] if flat.any() else None)
        return Rows((len(x),), np.zeros(len(x), int), np.arange(len(x)), {0: value}), {0: value}

    def _began(self, layer: nn.Module, cells: Cells, state: Tensor | None, values: dict[int, Value]) -> tuple[int, int]:
        """Which layer of neurons goes on, and the step that comes next for it; without a state a new layer."""
        if state is not None and not self._origins.is_constant(state):
            before = next(iter(self._origins.rows(state).values.values())).only
            if before is None or before.kind not in (("potential",) if cells.spikes else ("potential", "cells")):
                raise ModuleRefusedError("a potential that was changed outside of the neurons; no network does that")
            return before.cells, before.step + 1
        if state is not None and not np.allclose(state.detach().numpy(), np.asarray(cells.start, np.float64)):
            raise ModuleRefusedError("neurons that begin with a potential of their own; a network begins at rest")
        self.traced.layers.append(Layer(self._mode.places.label, cells))
        return len(self.traced.layers) - 1, 0

    def _put_potential(
        self, layer: Layer, potential: Tensor, output: Tensor, rows: Rows, steps: Array, mades: list[Made]
    ) -> None:
        call = Call("potential", layer.name, mades[0].call.place, self._mode.calls)
        if potential.shape == output.shape:
            kept = [Made(call, made.step, made.shape, made.value, made.cells) for made in mades]
            self._origins.make(potential, Rows(rows.lead, steps, rows.recordings, {}), kept)
            return
        last = mades[-1]
        lead = (self._origins.recordings,)
        end = Rows(lead, np.full(lead, last.step), np.arange(lead[0]), {})
        self._origins.make(potential, end, [Made(call, last.step, last.shape, last.value, last.cells)])

    def given(self, layer: nn.Module, output: Tensor, potential: Tensor | None = None) -> None:
        name = self._mode.places.layer
        number = self._calls[name] = self._calls.get(name, -1) + 1
        with self._mode.paused():
            rows = self._origins.rows(output)
        mades = [value.only for value in rows.values.values()]
        assert all(made is not None for made in mades)
        self.traced.seen[name, number] = Seen.of(rows, [made for made in mades if made is not None])

    def scaled(self, output: Tensor, factor: Tensor) -> None:
        if factor.numel() != 1 or float(factor) != 1:
            with self._mode.paused():
                self._mode.scale(output, factor)

    def end(self, result: Any) -> None:
        """Find the tensor that is the module's output."""
        for tensor in flat_tensors(result):
            if self._origins.is_constant(tensor):
                continue
            rows = self._origins.rows(tensor)
            self.traced.output = rows.values
            return
        raise ModuleRefusedError("nothing that the module returns depends on the frames; return its last layer")


def _require_form(rows: Rows, form: Form) -> None:
    """Raises LayoutError where the leading axes count something else than these neurons take them for."""
    lead = len(rows.lead)
    steps, recordings = (values.reshape(rows.lead) for values in (rows.steps, rows.recordings))
    fits = {
        "step": lead == 1 and len(np.unique(steps)) == 1,
        "time-first": lead == 2 and bool(np.all(recordings == recordings[:1])),
        "batch-first": lead == 2 and bool(np.all(steps == steps[:1])),
        "squeezed": lead == 1 and len(np.unique(steps)) > 1 and bool(recordings[0] == recordings[1]),
    }
    if not fits[form]:
        raise LayoutError(f"neurons that take {form} values get others; their leading axes are {rows.lead}")


def flat_tensors(value: Any) -> list[Tensor]:
    """The tensors of what a module returns, in their order."""
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    return [t for each in value for t in flat_tensors(each)] if isinstance(value, list | tuple) else []
