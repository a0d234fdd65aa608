"""Follow a module while it runs: every call of PyTorch is seen, and leaves what it made beside its result."""

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.overrides import resolve_name

from export.modules import names, operations
from export.modules.elementwise import Elementwise
from export.modules.origins import ATTRIBUTE, CONSTANT, Rows
from export.modules.refusal import LayoutError, ModuleRefusedError
from export.modules.values import NOTHING, Call, Made

LAYERS: dict[str, tuple[str, int, Any]] = {
    "linear": ("linear", 1, operations.linear),
    "matmul": ("linear", 1, operations.matmul),
    "mm": ("linear", 1, operations.matmul),
    "__matmul__": ("linear", 1, operations.matmul),
    "conv1d": ("conv", 2, operations.conv(1)),
    "conv2d": ("conv", 3, operations.conv(2)),
    "avg_pool1d": ("pool", 2, operations.average(1)),
    "avg_pool2d": ("pool", 3, operations.average(2)),
    "adaptive_avg_pool2d": ("pool", 3, operations.adaptive_average),
    "lp_pool2d": ("pool", 3, operations.power),
    "max_pool1d": ("or", 2, operations.maximum(1)),
    "max_pool2d": ("or", 3, operations.maximum(2)),
}
"""By name of the function: what it makes, how many axes of its input are features, what decides what it computes."""


@cache
def name_of(function: Any) -> str:
    """The last part of a function's name; of a getter, the attribute."""
    parts = (resolve_name(function) or getattr(function, "__name__", "")).split(".")
    return parts[-2] if parts[-1] == "__get__" and len(parts) > 1 else parts[-1]


class Following(Elementwise):
    """The function mode that follows."""

    def enter(self, frames: Tensor, lead: Sequence[str], steps: Sequence[int]) -> Tensor:
        """Give frames their origins. `lead`: what their leading axes count, "time" or "recordings"."""
        order = np.meshgrid(
            *(steps if axis == "time" else range(self.origins.recordings) for axis in lead), indexing="ij"
        )
        by = dict(zip(lead, (axis.ravel() for axis in order), strict=True))
        rows = int(np.prod(frames.shape[: len(lead)]))
        whose = by.get("recordings", np.zeros(rows, int))
        when = by.get("time", np.full(rows, steps[0]))
        shape = tuple(frames.shape[len(lead) :])
        call = Call("input", "input", "the frames")
        mades = [Made(call, step, shape, NOTHING) for step in sorted(steps)]
        self.origins.make(frames, Rows(tuple(frames.shape[: len(lead)]), when, whose, {}), mades)
        return frames

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if self._paused:
            return func(*args, **kwargs)
        self.calls += not self._aside
        name = name_of(func)
        if name in names.RANDOM or (name in names.DROPOUTS and _training(name, args, kwargs)):
            raise ModuleRefusedError(
                f"{self.places.place()}: {name} draws random numbers, and a network gives the same for the same "
                "frames; leave it out of evaluation"
            )
        known = [t for t in _tensors((args, kwargs)) if self.origins.of(t) is not None]
        if not known:
            return self._checked(name, func(*args, **kwargs))
        try:
            return self._follow(name, func, args, kwargs)
        except (LayoutError, ModuleRefusedError) as error:
            raise error.at(self.places.place()) from None

    def _follow(self, name: str, func: Any, args: Any, kwargs: Any) -> Any:
        if name == "__setitem__" or name == "copy_":
            return self._write(name, func, args, kwargs)
        if name in names.READS:
            raise ModuleRefusedError(
                f"{name}() reads values that depend on the frames, and what is decided by them cannot be followed"
            )
        before = args
        if name.endswith("_") and not name.endswith("__") and name in names.ELEMENTWISE:
            before = (self._copy(args[0]), *args[1:])
        result = self._checked(name, func(*args, **kwargs))
        if isinstance(result, Tensor) and not result.is_floating_point() and name in names.SAME | names.MOVES:
            return self.origins.refuse(result, f"{self.places.place()}: values of {result.dtype}; use float32")
        if name in names.MOVES or name == "pad":
            return self._moved(name, func, args, kwargs, result)
        if name in names.SAME:
            return self._same(args[0], result)
        if name in names.CLEARS:
            return self.origins.put(result, torch.full(result.shape, CONSTANT))
        if name in names.FRESH or not any(True for _ in _tensors(result)):
            return result
        if name in LAYERS:
            return self._layer(name, args, kwargs, result)
        if name in names.RECTIFIES and self._spikes(args[0]):
            return self._same(args[0], result)
        if name == "batch_norm":
            return self._scaled(args[0], result, *operations.batch_norm(*args, **kwargs))
        try:
            if name in names.SUMS:
                return self._sum(name, before, kwargs, result)
            if name in names.ELEMENTWISE:
                return self._elementwise(name, before, kwargs, result)
        except LayoutError as error:
            return self.origins.refuse(result, f"{self.places.place()}: {error}")
        for tensor in _tensors(result):
            self.origins.refuse(
                tensor,
                f"{self.places.place()}: {name} cannot be followed; a network knows linear layers, convolutions, batch "
                "norms, pooling, sums and the neurons of the libraries alone",
            )
        return result

    def _spikes(self, x: Tensor) -> bool:
        """Whether a value holds spikes, which are positive, and nothing else."""
        values = self.origins.rows(x).values.values()
        pieces = [piece.made for value in values for piece in value.pieces]
        alone = all(value.constant is None and len(value.pieces) == 1 for value in values)
        return alone and all(made.kind == "or" or made.call.parameters.get("spikes", False) for made in pieces)

    def _checked(self, name: str, result: Any) -> Any:
        for tensor in _tensors(result):
            if tensor.device.type != "cpu":
                raise ModuleRefusedError(
                    f"{self.places.place()}: {name} moves to the device {tensor.device}; a module is followed on cpu"
                )
        return result

    def _copy(self, tensor: Tensor) -> Tensor:
        origin = self.origins.of(tensor)
        copied = tensor.clone()
        if origin is not None:
            setattr(copied, ATTRIBUTE, origin.clone())
        return copied

    def _moved(self, name: str, func: Any, args: Any, kwargs: Any, result: Any) -> Any:
        if name == "pad":
            if (args[2] if len(args) > 2 else kwargs.get("mode", "constant")) == "constant":
                padding = args[1] if len(args) > 1 else kwargs["pad"]
                moved = torch.nn.functional.pad(self._origin(args[0]), padding, value=CONSTANT)
            else:
                moved = func(self._origin(args[0])[None].double(), *args[1:], **kwargs)[0].long()
        else:
            moved = func(*_mapped(self._origin, args), **_mapped(self._origin, kwargs))
        for tensor, origin in zip(_tensors(result), _tensors(moved), strict=True):
            self.origins.put(tensor, origin)
        return result

    def _same(self, x: Tensor, result: Tensor) -> Tensor:
        if result.dtype != torch.float32:
            return self.origins.refuse(
                result, f"{self.places.place()}: computes in {result.dtype}; a network computes in float32, so use that"
            )
        return result if result is x else self.origins.put(result, self._origin(x).clone())

    def _write(self, name: str, func: Any, args: Any, kwargs: Any) -> Any:
        target, value = args[0], args[-1]
        origin = self._origin(target)
        if self.origins.of(target) is None:
            setattr(target, ATTRIBUTE, origin)
        result = func(*args, **kwargs)
        written = self._origin(value) if isinstance(value, Tensor) else CONSTANT
        if name == "copy_":
            origin.copy_(written)  # pyright: ignore[reportArgumentType]
        else:
            origin[args[1]] = written  # pyright: ignore[reportArgumentType]
        return result

    def _layer(self, name: str, args: Any, kwargs: Any, result: Tensor) -> Tensor:
        kind, features, read = LAYERS[name]
        x = args[0] if args else kwargs["input"]
        others = [t for t in _tensors((args[1:], kwargs)) if self.origins.of(t) is not None and t is not x]
        if others or self.origins.of(x) is None:
            return self.origins.refuse(
                result, f"{self.places.place()}: {name} whose weights depend on the frames; no network has such"
            )
        if result.dtype != torch.float32:
            raise ModuleRefusedError(f"computes in {result.dtype}; a network computes in float32, so use that")
        kwargs = {key: value for key, value in kwargs.items() if key != "input"}
        rows = self.origins.rows(x, features)
        parameters = read(x, *args[1:], **kwargs)
        return self.made(self._call(kind, name, parameters), result, rows, rows.values)


def _training(name: str, args: Any, kwargs: Any) -> bool:
    p = args[1] if len(args) > 1 else kwargs.get("p", 0.5)
    training = args[2] if len(args) > 2 else kwargs.get("training", kwargs.get("train", True))
    return bool(training) and p > 0


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from _tensors(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _tensors(each)


def _mapped(function: Any, value: Any) -> Any:
    if isinstance(value, Tensor):
        return function(value) if value.is_floating_point() else value  # others are indices
    if isinstance(value, dict):
        return {key: _mapped(function, each) for key, each in value.items()}
    if isinstance(value, list | tuple) and not isinstance(value, torch.Size):
        return type(value)(_mapped(function, each) for each in value)
    return value
