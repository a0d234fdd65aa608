"""Sums, differences, factors and means, element by element: values are added, and scaled by constants."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from deploy.network import Array
from export.modules import names
from export.modules.calls import Calls
from export.modules.origins import ATTRIBUTE, CONSTANT, Rows
from export.modules.refusal import LayoutError
from export.modules.values import Made, Piece, Value, add


class Elementwise(Calls):
    """What a mode does with these calls."""

    def scale(self, output: Tensor, factor: Tensor) -> None:
        """What a layer gives is `factor` times what it was so far."""
        self._scaled(output, output, factor, 0.0)

    def _origin(self, tensor: Tensor) -> Tensor:
        """The origins of a tensor, those of a constant too."""
        origin = self.origins.of(tensor)
        return torch.full(tensor.shape, CONSTANT) if origin is None else origin

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
