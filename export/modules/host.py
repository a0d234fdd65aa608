"""How the files of the libraries speak with whoever runs a module, to follow it or to record it."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Literal, Protocol

from torch import Tensor, nn

from export.modules.cells import Cells

Form = Literal["step", "time-first", "batch-first", "squeezed"]
"""One step (R, ...), all of them (T, R, ...) or (R, T, ...), or the latter in one axis (R * T, ...)."""


class Host(Protocol):
    following: bool
    """Whether the module is followed; else it runs by itself, and only what `given` gets is kept."""

    def aside(self) -> AbstractContextManager[None]:
        """While a layer of neurons runs: what it calls does not count as calls of the module."""
        ...

    def run(self, call: Callable[[], Any]) -> Any:
        """Run a library's own code, unseen."""
        ...

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
        """Neurons took x to `output` in one step, or in all of them.

        Args:
            layer: the module.
            cells: what they compute.
            x: what arrived.
            output: their spikes; of neurons that never spike, the potential.
            form: what the leading axes of x and output count.
            state: the potential that they began from; None: from rest.
            potential: what it is now: of the last step, or of all.
        """
        ...

    def given(self, layer: nn.Module, output: Tensor, potential: Tensor | None = None) -> None:
        """What the layer as a whole gives in this call, once a call."""
        ...

    def scaled(self, output: Tensor, factor: Tensor) -> None:
        """The output is `factor` times the spikes."""
        ...


Follow = Callable[[nn.Module, tuple[Any, ...], dict[str, Any], Callable[..., Any], Host], Any]
"""(layer, args, kwargs, its own forward, host) to what the forward gives."""
