"""A module in evaluation mode for a while, and afterwards as it was."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def evaluated(module: nn.Module) -> Iterator[None]:
    """Dropout off, batch norms with their running statistics; the mode of every layer comes back at the end."""
    modes = {layer: layer.training for layer in module.modules()}
    module.eval()
    try:
        yield
    finally:
        for layer, mode in modes.items():
            layer.training = mode
