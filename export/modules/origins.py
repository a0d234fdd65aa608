"""Where each element of a tensor comes from: a second tensor beside it, which views and copies move along.

An origin is the number of an element: of which operation, step, recording and place. Whatever only moves elements is
done to the origins too, by PyTorch itself; so no layout of time, batch and features has to be known beforehand.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from deploy.network import Array, Shape
from export.modules.refusal import LayoutError, ModuleRefusedError
from export.modules.values import Made, Value, gather

ATTRIBUTE = "_origin"
CONSTANT = -1
"""The origin of an element that no frame reaches; lower ones count what cannot be followed."""


@dataclass(frozen=True)
class Rows:
    """A tensor cut into rows, each of one recording at one step.

    lead: the shape of the axes that count rows. steps: (rows,) the latest step that reaches each. recordings: (rows,).
    values: by step, the value of its rows.
    """

    lead: Shape
    steps: Array
    recordings: Array
    values: dict[int, Value]

    @property
    def shape(self) -> Shape:
        return next(iter(self.values.values())).shape


@dataclass(frozen=True)
class Seen:
    """How a call's output is cut into rows: by step the `Made` in it, and whether time comes before recordings.

    time_first: None where the call has one step.
    """

    mades: tuple[Made, ...]
    time_first: bool | None

    @classmethod
    def of(cls, rows: Rows, mades: Sequence[Made]) -> "Seen":
        return cls(tuple(mades), None if len(mades) == 1 else bool(rows.recordings[1] != rows.recordings[0]))

    def unpack(self, output: Array, recordings: int) -> Array:
        """(R, steps, ...) of the output of the same call on other recordings."""
        steps = len(self.mades)
        lead = (steps, recordings) if self.time_first else (recordings, steps)
        unpacked = output.reshape(*lead, *self.mades[0].shape)
        return unpacked.swapaxes(0, 1) if self.time_first else unpacked


class Origins:
    """The numbers that were given out while a module runs on `recordings` recordings."""

    def __init__(self, recordings: int) -> None:
        self.recordings = recordings
        self.reasons: list[str] = []
        self._bases: list[int] = [0]
        self._sizes: list[int] = []
        self._first: list[int] = []
        self._mades: list[Made] = []

    def of(self, tensor: Tensor) -> Tensor | None:
        """The origins of a tensor; None of a constant."""
        origin = getattr(tensor, ATTRIBUTE, None)
        return origin if origin is not None and origin.shape == tensor.shape else None

    def put(self, tensor: Tensor, origin: Tensor) -> Tensor:
        """Give a tensor its origins, through the views of it that have some."""
        known = self.of(tensor)
        if known is None:
            setattr(tensor, ATTRIBUTE, origin)
        elif known is not origin:
            known.copy_(origin)
        return tensor

    def refuse(self, tensor: Tensor, reason: str) -> Tensor:
        """Mark what cannot be followed: an error once it matters."""
        self.reasons.append(reason)
        return self.put(tensor, torch.full(tensor.shape, CONSTANT - len(self.reasons), dtype=torch.int64))

    def make(self, tensor: Tensor, rows: Rows, mades: Sequence[Made]) -> Tensor:
        """Give a tensor whose leading axes are those of `rows` new origins: `mades` has one for each step."""
        steps = [made.step for made in mades]
        size = tensor[(0,) * len(rows.lead)].numel()
        base = self._bases[-1]
        self._first.append(len(self._mades))
        self._sizes.append(size)
        self._mades += mades
        self._bases.append(base + len(steps) * self.recordings * size)
        row = np.searchsorted(steps, rows.steps) * self.recordings + rows.recordings
        numbers = base + row[:, None] * size + np.arange(size)
        return self.put(tensor, torch.from_numpy(numbers).reshape(tensor.shape))

    def is_constant(self, tensor: Tensor) -> bool:
        origin = self.of(tensor)
        return origin is None or bool((origin == CONSTANT).all())

    def rows(self, tensor: Tensor, features: int | None = None) -> Rows:
        """Cut a tensor into rows.

        Args:
            tensor: with origins.
            features: how many of its last axes are features; None: as many as make sense.

        Raises:
            ModuleRefusedError: something reaches it that could not be followed.
            LayoutError: a row mixes recordings, or rows of one step differ.
        """
        origin = self.of(tensor)
        assert origin is not None
        numbers = origin.numpy()
        if (numbers < CONSTANT).any():
            raise ModuleRefusedError(self.reasons[CONSTANT - int(numbers.min()) - 1])
        which, recording, element = self._split(numbers)
        step_of = np.array([made.step for made in self._mades] or [0])
        step = np.where(which >= 0, step_of[which], -1)
        axes = tensor.ndim - features if features is not None else self._leading(step, recording)
        if axes is None or axes < 1:
            raise LayoutError("no axes of a tensor count recordings and steps one by one")
        lead = tuple(tensor.shape[:axes])
        flat = (int(np.prod(lead)), -1)
        which, recording, element, step = (a.reshape(flat) for a in (which, recording, element, step))
        values = tensor.detach().numpy().reshape(flat)
        return self._by_step(lead, tuple(tensor.shape[axes:]) or (1,), which, recording, element, step, values)

    def _split(self, numbers: Array) -> tuple[Array, Array, Array]:
        """(which Made, which recording, which element of it) for each number; -1 for constants."""
        span = np.searchsorted(self._bases, numbers, "right") - 1
        known = numbers >= 0
        span = np.where(known, span, 0)
        size = np.array(self._sizes)[span]
        row, element = np.divmod(numbers - np.array(self._bases)[span], size)
        step, recording = np.divmod(row, self.recordings)
        return tuple(np.where(known, a, -1) for a in (np.array(self._first)[span] + step, recording, element))  # pyright: ignore

    def _leading(self, step: Array, recording: Array) -> int | None:
        """How many leading axes count rows: each of one recording and step, all of them different.

        Where steps are mixed within rows, those of one recording, whose latest steps tell them apart.
        """
        found = None
        for axes in range(1, min(3, step.ndim) + 1):
            flat = (int(np.prod(step.shape[:axes])), -1)
            steps, recordings = step.reshape(flat), recording.reshape(flat)
            latest, whose = steps.max(axis=1), recordings.max(axis=1)
            one = np.all((recordings == whose[:, None]) | (recordings < 0))
            pairs = {*zip(latest.tolist(), whose.tolist(), strict=True)}
            if not one or len(pairs) < len(latest):
                continue
            if np.all((steps == latest[:, None]) | (steps < 0)):
                return axes
            found = axes
        return found

    def _by_step(
        self, lead: Shape, shape: Shape, which: Array, recording: Array, element: Array, step: Array, values: Array
    ) -> Rows:
        steps, recordings = step.max(axis=1), recording.max(axis=1)
        if (recordings < 0).any() or np.any((recording != recordings[:, None]) & (recording >= 0)):
            raise LayoutError("a layer sees several recordings at once")
        by_step: dict[int, Value] = {}
        for t in np.unique(steps).tolist():
            rows = np.flatnonzero(steps == t)
            if sorted(recordings[rows].tolist()) != list(range(self.recordings)):
                raise LayoutError("a layer sees the recordings one by one, or one of them twice in a step")
            first = rows[recordings[rows] == 0][0]
            constant = np.where(which[rows] < 0, values[rows], 0)
            alike = (which[rows] == which[first]).all() and (element[rows] == element[first]).all()
            if not alike or np.any(constant != constant[0]):
                raise LayoutError("a layer treats recordings in different ways")
            by_step[t] = gather(shape, self._mades, which[first], element[first], values[first])
        return Rows(lead, steps, recordings, by_step)
