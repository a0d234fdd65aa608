"""The calls of a module that runs: numbered, and what each made kept beside its result."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor
from torch.overrides import TorchFunctionMode

from export.modules.origins import Origins, Rows, Seen
from export.modules.places import Places
from export.modules.values import Call, Made, Value


class Calls(TorchFunctionMode):
    """A function mode that knows which call it sees, and where. `paused` calls are not seen at all, and not counted."""

    def __init__(self, origins: Origins, places: Places) -> None:
        super().__init__()
        self.origins, self.places = origins, places
        self.calls = 0
        self.seen: dict[int, Seen] = {}
        """By the number of a call."""
        self._paused = self._aside = 0
        self._neurons: str | None = None

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Calls in it are followed, but have no number."""
        self._aside += 1
        outer, self._neurons = self._neurons, self.places.layer
        try:
            yield
        finally:
            self._aside -= 1
            self._neurons = outer

    @contextmanager
    def paused(self) -> Iterator[None]:
        self._paused += 1
        try:
            yield
        finally:
            self._paused -= 1

    def _call(self, kind: str, fallback: str, parameters: dict[str, Any]) -> Call:
        inside = self.places.label
        own = self.places.leaf is not None and self.places.layer != self._neurons
        name = inside if own else f"{inside}_{fallback}" if self.places.depth > 1 else fallback
        return Call(kind, name, self.places.place(), self.calls, parameters)

    def made(self, call: Call, result: Tensor, rows: Rows, values: dict[int, Value]) -> Tensor:
        """Say that `result` was made by `call`, from these values in these steps."""
        shape = tuple(result.shape[len(rows.lead) :]) or (1,)
        mades = [Made(call, step, shape, value) for step, value in sorted(values.items())]
        self._see(rows, mades)
        return self.origins.make(result, rows, mades)

    def _see(self, rows: Rows, mades: list[Made]) -> None:
        """Keep how the output of this call is cut into rows, so that it can be kept when the module runs again."""
        if not self._aside:
            self.seen[self.calls] = Seen.of(rows, mades)
