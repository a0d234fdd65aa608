"""A student from outside: a torch module of the user's own.

It maps (T, N, C, H, W) float frames to (T, N, K) logits. Where it has an attribute `alignment_layer`, the name of one
of its submodules, what that gives (a tensor, or a tuple that ends with it) are the potentials that alignment compares.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from ckd.models.precision import at_least_float32
from ckd.models.spiking import SpikingStudent, StudentOutput


class OwnStudent(SpikingStudent):
    """The user's `module` as training asks for it. Nothing is known of its layers: `observe` is never called."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module
        self.aligned: str | None = getattr(module, "alignment_layer", None)

    @property
    def network(self) -> nn.Module:
        return self.module

    def forward(
        self,
        frames: Tensor,
        *,
        classifier: nn.Module | None = None,
        observe: Callable[[str, Tensor], None] | None = None,
    ) -> StudentOutput:
        assert classifier is None, "a configuration with two heads is refused"
        with self._watched() as seen:
            logits = self.module(frames)
        logits = _tensor(logits, "forward returned")
        if self.aligned is None:
            return StudentOutput(logits, None)
        if not seen:
            raise TypeError(f"forward never calls the layer {self.aligned!r}, its alignment_layer")
        parts = [_tensor(part, f"the layer {self.aligned!r}, its alignment_layer, gave") for part in seen]
        # A layer is called once for all steps, or once a step.
        return StudentOutput(logits, parts[0] if len(parts) == 1 else torch.stack(parts))

    @contextmanager
    def _watched(self) -> Iterator[list[Any]]:
        """What the aligned layer gives within this block, call by call."""
        seen: list[Any] = []
        if self.aligned is None:
            yield seen
            return

        def watch(module: nn.Module, inputs: Any, output: Any) -> None:
            seen.append(output[-1] if isinstance(output, tuple) else output)

        handle = self.module.get_submodule(self.aligned).register_forward_hook(watch)
        try:
            yield seen
        finally:
            handle.remove()


def _tensor(value: Any, said: str) -> Tensor:
    """`value` in float32 or better. Raises TypeError where it is no tensor."""
    if not isinstance(value, Tensor):
        raise TypeError(f"{said} a {type(value).__name__}; it must be a tensor")
    return at_least_float32(value)
