"""What a run gave of one layer of neurons, in memory or in a file that is read when it is asked for."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import takewhile
from math import prod
from typing import Any, Protocol

import numpy as np

from deploy.errors import TraceError, shown
from deploy.network import Array, Shape

KINDS = ("spikes", "u", "v", "u_digest", "v_digest")
"""What may be kept of a layer."""


PART = 32
"""Recordings that are held at a time where all are gone through."""


class Stored(Protocol):
    """An array that lies in a file."""

    @property
    def shape(self) -> Shape:
        """(R, T', ...); the array is not read for it."""
        ...

    @property
    def dtype(self) -> "np.dtype[Any]":
        """That of what `read` gives."""
        ...

    def read(self) -> Array:
        """The whole array."""
        ...

    def parts(self, rows: int) -> Iterator[Array]:
        """So many recordings at a time, all of them in order; no more are held."""
        ...

    def read_bits(self) -> Array | None:
        """Spikes as they lie in the file, (R, T', ceil(neurons / 8)) uint8; None where they are not packed."""
        ...


class LayerRecord:
    """What a run gave of one layer of neurons, for R recordings of T' steps.

    spikes: (R, T', ...) bool; None of a readout, which never spikes.
    u, v: (R', T', ...) synaptic current and potential after the reset, of the first R' <= R recordings; None where they
        were not kept. v of a readout is always there, for all R.
    u_digest, v_digest: (R, T') uint64, a checksum over the neurons of each step (`deploy.traces.checksum`).
    offset: the step at which the layer sees the first input; 0 where the schedule is layer-synchronous.
    overflows: how often u wrapped or v saturated; a sound network has none.

    Raises:
        TraceError: neither spikes nor v is given, the spikes are no spikes, or the arrays are of different sizes.
    """

    def __init__(
        self,
        *,
        spikes: Array | Stored | None = None,
        u: Array | Stored | None = None,
        v: Array | Stored | None = None,
        u_digest: Array | Stored | None = None,
        v_digest: Array | Stored | None = None,
        offset: int = 0,
        overflows: int = 0,
    ) -> None:
        given = dict(zip(KINDS, (spikes, u, v, u_digest, v_digest), strict=True))
        self._kept = {kind: value for kind, value in given.items() if value is not None}
        self.offset, self.overflows = offset, overflows
        if self.gives not in self._kept:
            raise TraceError("a layer's record needs spikes, or v of a readout, which never spikes")
        if len(self.shape) < 2:
            raise TraceError(f"a layer's record of shape {self.shape}; allowed is (recordings, steps, ...)")
        self._check_shapes()
        if isinstance(spikes, np.ndarray):
            self._kept["spikes"] = as_spikes(spikes)

    def _check_shapes(self) -> None:
        shape = self.shape
        for kind, value in self._kept.items():
            wanted = shape[1:2] if kind.endswith("_digest") else shape[1:]
            if value.shape[1:] != wanted or value.shape[0] > shape[0]:
                raise TraceError(
                    f"{kind} is of shape {value.shape} beside {self.gives} of shape {shape}; it takes "
                    f"(at most {shape[0]}, {', '.join(map(str, wanted))})"
                )

    @property
    def spikes(self) -> Array | None:
        return self.get("spikes")

    @property
    def u(self) -> Array | None:
        return self.get("u")

    @property
    def v(self) -> Array | None:
        return self.get("v")

    @property
    def digests(self) -> dict[str, Array]:
        """The checksums that are there, by "u" and "v"."""
        return {kind: self[f"{kind}_digest"] for kind in ("u", "v") if f"{kind}_digest" in self}

    @property
    def kinds(self) -> frozenset[str]:
        """Which of `KINDS` are there."""
        return frozenset(self._kept)

    @property
    def is_readout(self) -> bool:
        return "spikes" not in self._kept

    @property
    def gives(self) -> str:
        """The kind of what the layer hands on: "spikes", or "v" of a readout."""
        return "v" if self.is_readout else "spikes"

    @property
    def output(self) -> Array:
        """What the layer hands on, (R, T', ...)."""
        return self[self.gives]

    @property
    def shape(self) -> Shape:
        """(R, T', ...) of the output; a file is not read for it."""
        return self._kept[self.gives].shape

    def __contains__(self, kind: str) -> bool:
        return kind in self._kept

    def __getitem__(self, kind: str) -> Array:
        value = self._kept[kind]
        return value if isinstance(value, np.ndarray) else value.read()

    def get(self, kind: str) -> Array | None:
        """One of `KINDS`; None where it was not kept."""
        return self[kind] if kind in self._kept else None

    def source(self, kind: str) -> Array | Stored:
        """One of `KINDS` that is there, as it is kept: a file is not read for it."""
        return self._kept[kind]

    def held(self, kind: str) -> int:
        """Of how many recordings `kind` is there; a file is not read for it."""
        return self._kept[kind].shape[0] if kind in self._kept else 0

    def aligned(self, kind: str, steps: int) -> Array:
        """`kind` over the `steps` steps in which the layer sees the input: (R, T, ...)."""
        return self[kind][:, self.offset : self.offset + steps]

    def bits(self, steps: int) -> Array:
        """The spikes over those steps, packed along the neurons: (R, T, ceil(neurons / 8)) uint8."""
        window, value = slice(self.offset, self.offset + steps), self._kept["spikes"]
        packed = None if isinstance(value, np.ndarray) else value.read_bits()
        if packed is not None:
            return packed[:, window]
        return pack(np.asarray(self["spikes"][:, window], bool))

    def replace(self, **changes: Array | int | None) -> "LayerRecord":
        """A copy with other fields; None takes one out."""
        fields = {**self._kept, "offset": self.offset, "overflows": self.overflows, **changes}
        return LayerRecord(**fields)  # pyright: ignore[reportArgumentType]

    def parts(self, rows: int) -> Iterator["LayerRecord"]:
        """So many recordings at a time, all of them in order, in memory; overflows count with the first."""
        reading = {kind: parts_of(value, rows) for kind, value in self._kept.items()}
        for first in range(0, self.shape[0], rows):
            here = {kind: next(parts) if first < self.held(kind) else None for kind, parts in reading.items()}
            yield self.replace(**here, overflows=0 if first else self.overflows)

    def rate(self) -> float:
        """Spikes per neuron and step."""
        sent = sum(int(part.output.sum()) for part in self.parts(PART))
        return sent / max(1, prod(self.shape))

    def take(self, rows: Sequence[int]) -> "LayerRecord":
        """The recordings `rows`; of u and v the first of them that are there. In memory."""
        there = {}
        for kind in self._kept:
            values = self[kind]
            there[kind] = values[list(takewhile(len(values).__gt__, rows))]
        return self.replace(**there)

    def synchronous(self, steps: int) -> "LayerRecord":
        """The same with the layer's offset taken off."""
        return self.replace(**{kind: self.aligned(kind, steps) for kind in self._kept}, offset=0)


def pack(spikes: Array) -> Array:
    """Spikes (R, T, ...) as bits along the neurons, (R, T, ceil(neurons / 8)) uint8."""
    return np.packbits(spikes.reshape(*spikes.shape[:2], -1), axis=-1)


def unpack(bits: Array, shape: Shape) -> Array:
    """What `pack` packed, of recordings of `shape` (T, ...): 0 and 1, (R, T, ...) uint8."""
    return np.unpackbits(bits, axis=-1, count=prod(shape[1:])).reshape(len(bits), *shape)


def parts_of(values: Array | Stored, rows: int) -> Iterator[Array]:
    """So many recordings at a time, all of them in order."""
    if not isinstance(values, np.ndarray):
        yield from values.parts(rows)
        return
    for first in range(0, len(values), rows):
        yield values[first : first + rows]


def as_spikes(values: Array) -> Array:
    """Spikes as bool; of any type, as a tool gives them, that holds 0 and 1 alone.

    Raises:
        TraceError: there are other values.
    """
    if values.dtype == bool:
        return values
    other = values[~np.isin(values, (0, 1))]
    if other.size:
        raise TraceError(f"spikes of {values.dtype} hold {shown(other.flat[0])} beside 0 and 1; give 1 for a spike")
    return values.astype(bool)


def join_layers(parts: Sequence[LayerRecord]) -> LayerRecord:
    """The recordings of several records of one layer, one after the other; states end with the first part that lacks
    some."""
    if len(parts) == 1:
        return parts[0]
    joined = {}
    for kind in KINDS:
        lacking = (i for i, part in enumerate(parts) if part.held(kind) < part.shape[0])
        upto = next(lacking, len(parts)) + 1
        if kind in parts[0]:
            joined[kind] = np.concatenate([part[kind] for part in parts[:upto] if kind in part])
    return parts[0].replace(**joined, overflows=sum(part.overflows for part in parts))


def record_layers(
    offsets: Mapping[str, int], kept: Mapping[str, Mapping[str, Array]], overflows: Mapping[str, int] | None = None
) -> dict[str, LayerRecord]:
    """Records by layer, from what a simulator kept.

    Args:
        offsets: by layer, in order of execution, the step at which it sees the first input.
        kept: by kind (`KINDS`), the arrays by layer.
        overflows: by layer; left out: none were counted.
    """
    counts = overflows or {}
    return {
        name: LayerRecord(
            **{kind: arrays[name] for kind, arrays in kept.items() if name in arrays},
            offset=offset,
            overflows=counts.get(name, 0),
        )
        for name, offset in offsets.items()
    }
