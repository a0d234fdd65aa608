"""Which layers of a module are neurons of a library, and the file that knows them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from torch import nn

from export.modules.host import Host
from export.modules.refusal import ModuleRefusedError

LIBRARIES = ("snntorch", "spikingjelly", "norse", "sinabs")
"""By the name of their package; each has a file here with FOLLOW, BASES (its
neurons), STATEFUL (what REST brings to rest), REST, and
SAVED_STATES (what a state dict holds of their state)."""


@contextmanager
def heard(module: nn.Module, host: Host, place: Callable[[], str]) -> Iterator[None]:
    """The neurons of a module tell `host` what they do; they begin and end at rest."""
    layers = {layer: known for layer in module.modules() if (known := _neurons(layer)) is not None}
    to_rest(module)
    for layer, known in layers.items():
        layer.forward = _hearing(layer, known, layer.forward, host, place)
    try:
        yield
    finally:
        for layer in layers:
            del layer.forward
        to_rest(module)


def neurons_of(module: nn.Module) -> dict[str, nn.Module]:
    """The layers of it that are a library's neurons, by name."""
    return {
        name or type(layer).__name__: layer for name, layer in module.named_modules() if _neurons(layer) is not None
    }


def states_of(module: nn.Module) -> set[str]:
    """The names of what a module's state dict holds of the state of neurons."""
    found: set[str] = set()
    for name, layer in module.named_modules():
        known = _neurons(layer)
        if known is not None:
            found |= {f"{name}.{state}".lstrip(".") for state in known.SAVED_STATES}
    return found


def to_rest(module: nn.Module) -> None:
    """Bring all that keeps a state to rest."""
    for layer in module.modules():
        known = _library(layer)
        if known is not None and _is_one_of(layer, known.STATEFUL):
            known.REST(layer)


def _library(layer: nn.Module) -> Any:
    """The file of the library that a layer is of, or derived from; None of any other."""
    for base in type(layer).__mro__:
        root = base.__module__.partition(".")[0]
        if root in LIBRARIES:
            return import_module(f"export.modules.libraries.{root}")
    return None


def _neurons(layer: nn.Module) -> Any:
    """The same of neurons alone."""
    known = _library(layer)
    return known if known is not None and _is_one_of(layer, known.BASES) else None


def _is_one_of(layer: nn.Module, names: tuple[str, ...]) -> bool:
    return any(base.__name__ in names for base in type(layer).__mro__)


def _is_followed(layer: nn.Module, known: Any) -> bool:
    root = type(layer).__module__.partition(".")[0]
    return known.__name__.endswith(f".{root}") and type(layer).__name__ in known.FOLLOW


def _hearing(layer: nn.Module, known: Any, forward: Callable[..., Any], host: Host, place: Callable[[], str]) -> Any:
    def heard_forward(*args: Any, **kwargs: Any) -> Any:
        kind = type(layer).__name__
        library = known.__name__.rpartition(".")[2]
        try:
            if not _is_followed(layer, known):
                raise ModuleRefusedError(f"a {kind}; of {library}, {', '.join(known.FOLLOW)} can be followed")
            with host.aside():
                return known.FOLLOW[kind](layer, args, kwargs, forward, host)
        except ModuleRefusedError as error:
            raise error.at(place()) from None

    return heard_forward
