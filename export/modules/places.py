"""The line of the user's code that runs, and the layer of the module that it is in."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import torch
from torch import nn

OWN = Path(__file__).resolve().parent
ENTRY = "call_module"
"""The function here that calls the user's module: whoever stands above it is no part of the module."""


class Places:
    """Follows which layer of a module runs."""

    def __init__(self, module: nn.Module) -> None:
        self.names = {layer: name or type(module).__name__ for name, layer in module.named_modules()}
        self._running: list[nn.Module] = []

    @contextmanager
    def followed(self) -> Iterator[None]:
        hooks = []
        for layer in self.names:
            hooks.append(layer.register_forward_pre_hook(lambda layer, _: self._running.append(layer)))
            hooks.append(layer.register_forward_hook(lambda *_: self._left()))
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()
            self._running.clear()

    def _left(self) -> None:
        self._running.pop()

    @property
    def layer(self) -> str:
        """The name of the innermost layer that runs."""
        return self.names[self._running[-1]] if self._running else ""

    @property
    def depth(self) -> int:
        """How many layers that run lie within each other."""
        return len(self._running)

    @property
    def label(self) -> str:
        """Its name as a node has it: "block_0_conv"; of what has a number alone, with its kind, "conv2d_0"."""
        name = self.layer.replace(".", "_")
        return f"{type(self._running[-1]).__name__.lower()}_{name}" if name[:1].isdigit() else name

    @property
    def leaf(self) -> nn.Module | None:
        """The innermost layer that runs, where it has no layers of its own."""
        layer = self._running[-1] if self._running else None
        return layer if layer is not None and not any(True for _ in layer.children()) else None

    def place(self) -> str:
        """`models.py:31 (fc1, a Linear)`: the user's line, and the layer."""
        line = user_line()
        layer = self._running[-1] if self._running else None
        inside = "" if layer is None else f"{self.names[layer]}, a {type(layer).__name__}"
        return f"{line} ({inside})" if line and inside else line or inside or "the module"


def user_line() -> str:
    """`models.py:31`: the innermost line that runs which is the user's, between the call of the module and here."""
    frame = sys._getframe(1)
    while frame is not None and frame.f_code.co_name != ENTRY:
        path = frame.f_code.co_filename
        if not _is_library(path):
            return f"{_short(path)}:{frame.f_lineno}"
        frame = frame.f_back
    return ""


@cache
def _is_library(path: str) -> bool:
    return (
        path.startswith(("<", str(Path(torch.__file__).parent)))
        or "site-packages" in Path(path).parts
        or Path(path).resolve().parent in (OWN, OWN / "libraries")
    )


def _short(path: str) -> str:
    try:
        return str(Path(path).resolve().relative_to(Path.cwd()))
    except ValueError:
        return path
