"""Follow a module while it runs: every call of PyTorch is seen, and leaves what it made beside its result."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode, resolve_name

from deploy.network import Array, Shape
from export.modules import names, operations
from export.modules.origins import ATTRIBUTE, CONSTANT, Origins, Rows, Seen
from export.modules.places import Places
from export.modules.refusal import LayoutError, ModuleRefusedError
from export.modules.values import NOTHING, Call, Made, Piece, Value, add

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


class Following(TorchFunctionMode):
    """The function mode. `paused` calls are not seen at all, and not counted."""

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

    def _origin(self, tensor: Tensor) -> Tensor:
        """The origins of a tensor, those of a constant too."""
        origin = self.origins.of(tensor)
        return torch.full(tensor.shape, CONSTANT) if origin is None else origin

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

    def _call(self, kind: str, fallback: str, parameters: dict[str, Any]) -> Call:
        inside = self.places.label
        own = self.places.leaf is not None and self.places.layer != self._neurons
        name = inside if own else f"{inside}_{fallback}" if self.places.depth > 1 else fallback
        return Call(kind, name, self.places.place(), self.calls, parameters)

    def made(
        self, call: Call, result: Tensor, rows: Rows, values: dict[int, Value], lead: Shape | None = None
    ) -> Tensor:
        """Say that `result` was made by `call`, from these values in these steps."""
        axes = len(rows.lead if lead is None else lead)
        shape = tuple(result.shape[axes:]) or (1,)
        mades = [Made(call, step, shape, value) for step, value in sorted(values.items())]
        self._see(rows, mades)
        return self.origins.make(result, rows, mades)

    def _see(self, rows: Rows, mades: list[Made]) -> None:
        """Keep how the output of this call is cut into rows, so that it can be kept when the module runs again."""
        if not self._aside:
            self.seen[self.calls] = Seen.of(rows, mades)

    def scale(self, output: Tensor, factor: Tensor) -> None:
        """What a layer gives is `factor` times what it was so far."""
        self._scaled(output, output, factor, 0.0)

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

    def _scaled(self, x: Tensor, result: Tensor, factor: Any, shift: Any) -> Tensor:
        """result = factor x + shift, with constants."""
        rows = self.origins.rows(x if x.shape == result.shape else self._expanded(x, result))
        factors, shifts = (self._constants(value, result, rows) for value in (factor, shift))
        if all(np.all(factors[t] == 1) and not np.any(shifts[t]) for t in rows.values):
            return self.origins.put(result, self._origin(x).expand_as(result).clone())
        made: dict[int, Made] = {}
        for t, value in rows.values.items():
            call = self._call("affine", "scale", {"factor": factors[t], "shift": shifts[t]})
            made[t] = Made(call, t, value.shape, value)
        self._see(rows, [made[t] for t in sorted(made)])
        return self.origins.make(result, rows, [made[t] for t in sorted(made)])

    def _expanded(self, x: Tensor, result: Tensor) -> Tensor:
        wide = x.expand_as(result)
        setattr(wide, ATTRIBUTE, self._origin(x).expand_as(result))
        return wide

    def _constants(self, value: Any, result: Tensor, rows: Rows) -> dict[int, Array]:
        """A constant by step, spelled out over the features, which is the same for all recordings."""
        wide = torch.as_tensor(value, dtype=torch.float64).expand(result.shape).numpy().reshape(len(rows.steps), -1)
        by_step = {}
        for t in rows.values:
            mine = wide[rows.steps == t]
            if np.any(mine != mine[0]):
                raise LayoutError("a constant differs from recording to recording")
            by_step[t] = mine[0]
        return by_step

    def _elementwise(self, name: str, args: Any, kwargs: Any, result: Tensor) -> Tensor:
        if kwargs.get("rounding_mode") or kwargs.get("out") is not None:
            raise LayoutError(f"{name} with {sorted(kwargs)} cannot be followed")
        if name in names.NEGATES:
            return self._scaled(args[0], result, -1.0, 0.0)
        first, second = args[0], args[1] if len(args) > 1 else kwargs["other"]
        known = [isinstance(t, Tensor) and self.origins.of(t) is not None for t in (first, second)]
        times = float(kwargs.get("alpha", 1))
        if name in names.SUBTRACTS_FROM:
            first, second, known, name = second, first, known[::-1], "sub"
        if name in names.MULTIPLIES | names.DIVIDES:
            if all(known) or (name in names.DIVIDES and known[1]):
                raise LayoutError(f"{name} of two values that depend on the frames; no network has such")
            x, by = (first, second) if known[0] else (second, first)
            by = torch.as_tensor(by, dtype=torch.float64)
            return self._scaled(x, result, 1 / by if name in names.DIVIDES else by, 0.0)
        sign = times if name in names.ADDS else -times
        if not all(known):
            x, constant = (first, second) if known[0] else (second, first)
            if known[1] and sign != 1:
                return self._shifted(self._negated(second, sign, result), constant, 1.0, result)
            return self._shifted(x, constant, sign if known[0] else 1.0, result)
        return self._added(first, self._negated(second, sign, result), result)

    def _negated(self, x: Tensor, factor: float, result: Tensor) -> Tensor:
        if factor == 1:
            return x
        scaled = (x * factor).expand_as(result).clone()
        return self._scaled(x, scaled, factor, 0.0)

    def _shifted(self, x: Tensor, constant: Any, sign: float, result: Tensor) -> Tensor:
        rows = self.origins.rows(self._expanded(x, result))
        shifts = self._constants(constant, result, rows)
        if not any(np.any(shift) for shift in shifts.values()):
            return self.origins.put(result, self._origin(x).expand_as(result).clone())
        values = {
            t: add(value.shape, [value, Value(value.shape, (), sign * shifts[t])]) for t, value in rows.values.items()
        }
        return self.made(self._call("sum", "add", {}), result, rows, values)

    def _added(self, first: Tensor, second: Tensor, result: Tensor) -> Tensor:
        wide = [self._expanded(x, result) for x in (first, second)]
        a = self.origins.rows(wide[0])
        b = self.origins.rows(wide[1], result.ndim - len(a.lead))
        if np.any(a.recordings != b.recordings):
            raise LayoutError("values of different recordings are added")
        steps = np.maximum(a.steps, b.steps)
        values = {}
        for t in np.unique(steps).tolist():
            rows = np.flatnonzero(steps == t)
            mine, theirs = a.steps[rows], b.steps[rows]
            if np.any(mine != mine[0]) or np.any(theirs != theirs[0]):
                raise LayoutError("recordings are added over different steps")
            values[t] = add(a.shape, [a.values[int(mine[0])], b.values[int(theirs[0])]])
        joined = Rows(a.lead, steps, a.recordings, values)
        return self.made(self._call("sum", "add", {}), result, joined, values)

    def _sum(self, name: str, args: Any, kwargs: Any, result: Tensor) -> Tensor:
        x: Tensor = args[0]
        dims = args[1] if len(args) > 1 else kwargs.get("dim", kwargs.get("axis"))
        if dims is None or kwargs.get("dtype") not in (None, torch.float32):
            raise LayoutError(f"{name} over everything; say over which axes")
        axes = [dims] if isinstance(dims, int) else list(dims)
        last = list(range(-len(axes), 0))
        kept = x.movedim(axes, last).flatten(-len(axes))
        setattr(kept, ATTRIBUTE, self._origin(x).movedim(axes, last).flatten(-len(axes)))
        count = kept.shape[-1]
        rows = self.origins.rows(kept)
        if len(rows.lead) == kept.ndim:
            raise LayoutError(f"{name} over axes that count recordings")
        values = {t: _folded(value, count) for t, value in rows.values.items()}
        call = self._call("sum", name, {})
        plain = result.reshape(kept.shape[:-1])
        self.made(call, plain, rows, values)
        if name == "mean":
            scaled = plain.clone()
            plain = self._scaled(plain, scaled, 1 / count, 0.0)
        return self.origins.put(result, self._origin(plain).reshape(result.shape))


def _folded(value: Value, count: int) -> Value:
    """The sums of each `count` elements that follow each other."""
    shape = value.shape[:-1] or (1,)
    pieces = []
    for piece in value.pieces:
        source, target = piece.pairs()
        pieces.append(Piece(piece.made, source, target // count))
    constant = None if value.constant is None else value.constant.reshape(-1, count).sum(axis=1)
    return Value(shape, tuple(_tidied(piece, int(np.prod(shape))) for piece in pieces), constant)


def _tidied(piece: Piece, size: int) -> Piece:
    source, target = piece.pairs()
    everything = np.arange(size)
    whole = len(source) == size == int(np.prod(piece.made.shape))
    return Piece(piece.made) if whole and (source == everything).all() and (target == everything).all() else piece


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
