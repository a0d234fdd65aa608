"""Every step of a module does the same: the steps, held against the last one, of which the network is made.

At the start a value of a step before the first is missing, or is a constant: zeros, or what layers make of zeros.
"""

from typing import Any

import numpy as np

from deploy.network import Array, Conv
from deploy.network.ops import apply, sum_windows
from export.modules.refusal import ModuleRefusedError
from export.modules.shapes import as_image
from export.modules.tracing import Traced
from export.modules.values import Call, Made, Piece, Value

CLOSE = 1e-6


class Keys:
    """What tells one operation from another, whatever the step: numbers that are equal where they do the same."""

    def __init__(self) -> None:
        self._numbers: dict[Any, int] = {}
        self._of: dict[int, int] = {}
        self._calls: dict[int, Any] = {}
        self._held: list[Any] = []

    def of(self, made: Made) -> int:
        if id(made) not in self._of:
            self._held.append(made)
            if made.kind in ("cells", "potential", "input"):
                key: Any = (made.kind, made.cells)
            else:
                key = (self.call(made.call), self.value(made.value, made.step))
            self._of[id(made)] = self._numbers.setdefault(key, len(self._numbers))
        return self._of[id(made)]

    def value(self, value: Value, step: int) -> Any:
        """Of a value that is used in `step`."""
        pieces = tuple((self.of(p.made), p.made.step - step, *map(_bytes, _places(p))) for p in value.pieces)
        return value.shape, pieces, _bytes(value.constant)

    def call(self, call: Call) -> Any:
        if id(call) not in self._calls:
            self._held.append(call)
            values = sorted(call.parameters.items())
            self._calls[id(call)] = (call.kind, call.name, tuple((name, _bytes(value)) for name, value in values))
        return self._calls[id(call)]


def _places(piece: Piece) -> tuple[Array | None, Array | None]:
    return piece.source, piece.target


def _bytes(value: Any) -> Any:
    return (value.shape, hash(value.tobytes())) if isinstance(value, np.ndarray) else value


class Fold:
    """The steps of a traced module, held against the last.

    constant_from_start: by key, what feeds back and gave, before there was anything to feed back, what it makes of
    zeros: a constant that is there from the first step on.

    Raises:
        ModuleRefusedError: a step does something else than the last.
    """

    def __init__(self, traced: Traced) -> None:
        self.keys = Keys()
        self.constant_from_start: dict[int, bool] = {}
        for layer in traced.layers:
            last = layer.mades[-1]
            for made in layer.mades[:-1]:
                if self.keys.value(made.value, made.step) != self.keys.value(last.value, last.step):
                    self._compare(last.value, last.step, made.value, made.step, made.call.place)

    def _compare(self, last: Value, last_step: int, now: Value, step: int, place: str) -> None:
        """Hold a value against the same in the last step, without what comes from before the first step."""
        shift = step - last_step
        there = [piece for piece in last.pieces if piece.made.step + shift >= 0]
        before = [piece for piece in last.pieces if piece.made.step + shift < 0]
        alike = len(there) == len(now.pieces) and last.shape == now.shape
        if alike:
            for a, b in zip(there, now.pieces, strict=True):
                if (*map(_bytes, _places(a)), a.made.step + shift) != (*map(_bytes, _places(b)), b.made.step):
                    alike = False
                elif self.keys.of(a.made) != self.keys.of(b.made):
                    alike = alike and self._same_call(a.made, b.made)
                    if alike:
                        self._compare(a.made.value, a.made.step, b.made.value, b.made.step, b.made.call.place)
        constant = _full(now) - _full(last) if alike else np.zeros(1)
        resting = sum((_placed(piece, at_rest(piece.made), last.size) for piece in before), start=np.zeros(last.size))
        size = CLOSE * max(1.0, float(np.abs(resting).max(initial=0)))
        if alike and np.allclose(constant, 0, atol=size):
            self._say(before, False, place)
        elif alike and np.allclose(constant, resting, atol=size):
            self._say(before, True, place)
        else:
            raise ModuleRefusedError(
                f"{place}: step {step} does something else than step {last_step}; a network does the same in every step"
            )

    def _same_call(self, a: Made, b: Made) -> bool:
        return a.kind == b.kind and a.cells == b.cells and self.keys.call(a.call) == self.keys.call(b.call)

    def _say(self, pieces: list[Piece], constant: bool, place: str) -> None:
        for piece in pieces:
            if not at_rest(piece.made).any():
                continue
            if self.constant_from_start.setdefault(self.keys.of(piece.made), constant) != constant:
                raise ModuleRefusedError(f"{place}: its bias is there before the first step for one layer, not for all")


def at_rest(made: Made) -> Array:
    """What an operation gives while all neurons and frames are 0; flat, float64."""
    size = int(np.prod(made.shape))
    if made.kind in ("cells", "potential", "input", "or"):
        return np.zeros(size)
    x = _full(made.value).copy()
    for piece in made.value.pieces:
        x += _placed(piece, at_rest(piece.made), made.value.size)
    return x if made.kind == "sum" else response(made, x[None])[0]


def response(made: Made, x: Array) -> Array:
    """What a linear operation gives for x (N, inputs): (N, outputs) float64."""
    parameters = made.call.parameters
    match made.kind:
        case "linear":
            out = x @ parameters["weight"].astype(np.float64).T
            return out if parameters["bias"] is None else out + parameters["bias"]
        case "conv":
            return apply(convolution(parameters), x.reshape(-1, *as_image(made.value.shape))).reshape(len(x), -1)
        case "pool":
            image = x.reshape(-1, *as_image(made.value.shape))
            window = (parameters["kernel"], parameters["stride"], parameters["padding"])
            return sum_windows(image, *window).reshape(len(x), -1) * parameters["factor"]
        case _:
            return x * parameters["factor"] + parameters["shift"]


def convolution(parameters: Any) -> Conv:
    """The node of a convolution."""
    names = ("weight", "bias", "stride", "padding", "dilation", "groups")
    return Conv(**{name: parameters[name] for name in names})


def _full(value: Value) -> Array:
    return np.zeros(value.size) if value.constant is None else value.constant


def _placed(piece: Piece, given: Array, size: int) -> Array:
    """What a piece adds to a value of `size` elements."""
    source, target = piece.pairs()
    out = np.zeros(size)
    np.add.at(out, target, given[source])
    return out
