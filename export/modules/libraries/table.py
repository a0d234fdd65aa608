"""Which layers of a module are neurons of a library, and the file that knows them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from torch import nn

from export.modules.host import Host
from export.modules.refusal import ModuleRefusedError

LIBRARIES = ("snntorch", "spikingjelly", "norse", "sinabs")
"""By the name of their package; each has a file here with FOLLOW, BASES and REST."""


@contextmanager
def heard(module: nn.Module, host: Host, place: Callable[[], str]) -> Iterator[None]:
    """The neurons of a module tell `host` what they do; they begin and end at rest."""
    layers = {layer: known for layer in module.modules() if (known := _library(layer)) is not None}
    for layer, known in layers.items():
        _rest(layer, known)
        layer.forward = _hearing(layer, known, layer.forward, host, place)
    try:
        yield
    finally:
        for layer, known in layers.items():
            del layer.forward
            _rest(layer, known)


def has_neurons(module: nn.Module) -> bool:
    """Whether a layer of it is a library's neurons."""
    return any(_library(layer) is not None for layer in module.modules())


def _library(layer: nn.Module) -> Any:
    """The file of the library whose neurons these are, or are derived from; None of any other layer."""
    for base in type(layer).__mro__:
        root = base.__module__.partition(".")[0]
        if root in LIBRARIES:
            known = import_module(f"export.modules.libraries.{root}")
            return known if any(parent.__name__ in known.BASES for parent in type(layer).__mro__) else None
    return None


def _is_known(layer: nn.Module, known: Any) -> bool:
    root = type(layer).__module__.partition(".")[0]
    return known.__name__.endswith(f".{root}") and type(layer).__name__ in known.FOLLOW


def _rest(layer: nn.Module, known: Any) -> None:
    if _is_known(layer, known):
        known.REST(layer)


def _hearing(layer: nn.Module, known: Any, forward: Callable[..., Any], host: Host, place: Callable[[], str]) -> Any:
    def heard_forward(*args: Any, **kwargs: Any) -> Any:
        kind = type(layer).__name__
        library = known.__name__.rpartition(".")[2]
        try:
            if not _is_known(layer, known):
                raise ModuleRefusedError(f"a {kind}; of {library}, {', '.join(known.FOLLOW)} can be followed")
            with host.aside():
                return known.FOLLOW[kind](layer, args, kwargs, forward, host)
        except ModuleRefusedError as error:
            if place() in str(error):
                raise
            raise type(error)(f"{place()}: {error}") from None

    return heard_forward
