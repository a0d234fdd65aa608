"""Run a module by itself and keep what its layers of neurons give, recording by recording."""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from deploy.network import Array
from export.modules.cells import Cells
from export.modules.host import Form
from export.modules.layout_names import Layout
from export.modules.layouts import arranged, call_module
from export.modules.libraries.table import heard
from export.modules.places import Places
from export.modules.refusal import ModuleRefusedError
from export.modules.tracing import Traced

BATCH = 32


@dataclass
class Given:
    """What a run gave, (R, T, ...) float32: by number of a layer, and by call of PyTorch what was asked for."""

    layers: dict[int, Array] = field(default_factory=dict)
    potentials: dict[int, Array] = field(default_factory=dict)
    calls: dict[int, Array] = field(default_factory=dict)


def run_module(
    module: nn.Module, frames: Array, layout: Layout, traced: Traced, calls: frozenset[int], place: Callable[[int], str]
) -> Given:
    """Run a module over recordings, a batch at a time.

    Args:
        module: in evaluation mode.
        frames: (R, T, ...) float32.
        layout: how it takes them.
        traced: what following it found.
        calls: numbers of calls of PyTorch whose results, (R, steps, ...), are kept.
        place: of a layer, for a message.

    Raises:
        ModuleRefusedError: it draws random numbers, or gives something else in a second run.
    """
    parts = []
    size = 1 if layout == "one" else BATCH
    for start in range(0, len(frames), size):
        batch = frames[start : start + size]
        before = _random_state()
        parts.append(_run(module, batch, layout, traced, calls))
        if _random_state() != before:
            raise ModuleRefusedError("the module draws random numbers; a network gives the same for the same frames")
        if start == 0:
            _require_equal(parts[0], _run(module, batch, layout, traced, calls), place)
    return Given(*(_joined([getattr(part, kind) for part in parts]) for kind in ("layers", "potentials", "calls")))


def _joined(parts: list[dict[int, Array]]) -> dict[int, Array]:
    return {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}


def _run(module: nn.Module, frames: Array, layout: Layout, traced: Traced, calls: frozenset[int]) -> Given:
    places = Places(module)
    host = _Recorder(traced, len(frames), places)
    given = arranged(torch.from_numpy(np.ascontiguousarray(frames)), layout)
    with torch.no_grad(), places.followed(), heard(module, host, places.place), _Keeping(host, calls):
        call_module(module, given, layout)
    return host.result


class _Recorder:
    """The host of a module that runs by itself."""

    following = False

    def __init__(self, traced: Traced, recordings: int, places: Places) -> None:
        self._traced, self._recordings, self._places = traced, recordings, places
        self._calls: dict[str, int] = {}
        self.paused = 0
        self.result = Given()

    @contextmanager
    def aside(self) -> Iterator[None]:
        self.paused += 1
        try:
            yield
        finally:
            self.paused -= 1

    def run(self, call: Callable[[], Any]) -> Any:
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
        pass

    def given(self, layer: nn.Module, output: Tensor, potential: Tensor | None = None) -> None:
        name = self._places.layer
        number = self._calls[name] = self._calls.get(name, -1) + 1
        seen = self._traced.seen.get((name, number))
        if seen is None:
            raise ModuleRefusedError(f"{self._places.place()}: runs more often than before; it must always do the same")
        kinds = [(self.result.layers, output)]
        if potential is not None and potential.shape == output.shape:
            kinds.append((self.result.potentials, potential))
        for kept, tensor in kinds:
            unpacked = seen.unpack(tensor.detach().numpy(), self._recordings)
            for i, made in enumerate(seen.mades):
                steps = (self._recordings, self._traced.steps, *made.shape)
                kept.setdefault(made.cells, np.zeros(steps, np.float32))[:, made.step] = unpacked[:, i]

    def scaled(self, output: Tensor, factor: Tensor) -> None:
        pass

    def keep(self, call: int, result: Tensor) -> None:
        """Keep the result of a call of PyTorch."""
        self.result.calls[call] = self._traced.calls[call].unpack(result.detach().numpy(), self._recordings).copy()


class _Keeping(TorchFunctionMode):
    """Counts calls as `Following` does, and keeps the results of some."""

    def __init__(self, host: _Recorder, wanted: frozenset[int]) -> None:
        super().__init__()
        self._host, self._wanted, self._calls = host, wanted, 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if not self._host.paused:
            self._calls += 1
            if self._calls in self._wanted:
                self._host.keep(self._calls, result)
        return result


def _require_equal(first: Given, second: Given, place: Callable[[int], str]) -> None:
    for number, values in first.layers.items():
        if not np.array_equal(values, second.layers[number]):
            raise ModuleRefusedError(
                f"{place(number)}: gives something else when the module runs a second time on the same frames; it "
                "draws random numbers or keeps a state"
            )


def _random_state() -> tuple[bytes, Any, Any]:
    known = np.random.get_state()  # noqa: NPY002
    return torch.get_rng_state().numpy().tobytes(), random.getstate(), (known[1].tobytes(), known[2])  # pyright: ignore
