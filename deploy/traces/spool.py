"""Traces that are recorded part by part and kept on disk: no more than a part is in memory."""

import tempfile
import weakref
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from ckd.files import told_if_full
from deploy.network import Array, Shape
from deploy.traces.layers import LayerRecord, pack, unpack
from deploy.traces.trace import Trace

IN_MEMORY = 1 << 24
"""Bytes of an array that are kept there; a longer one lies in a file."""


def spooled(parts: Iterable[Trace], path: Path, **metadata: Any) -> Trace:
    """What `join_traces` gives, but for frames, kept in files without names that go when nobody refers to them.

    Args:
        parts: traces of one network, of which the first has the states; taken one after the other.
        path: of the file that is made of them: they lie on its disk.
        metadata: fields of the whole.

    Raises:
        DiskFullError: they do not fit.
    """
    folder = next(parent for parent in path.absolute().parents if parent.is_dir())
    arrays: dict[str, dict[str, Spooled]] = defaultdict(dict)
    overflows: dict[str, int] = defaultdict(int)
    predictions, first = [], None
    for part in parts:
        first = first or part
        for name, layer in part.layers.items():
            overflows[name] += layer.overflows
            for kind in layer.kinds:
                values, kept = layer[kind], arrays[name]
                if kind not in kept:
                    kept[kind] = Spooled(folder, values.shape[1:], values.dtype)
                with told_if_full(folder / path.name, partial(_more_than, arrays)):
                    kept[kind].append(values)
        predictions.append(part.predictions)
    assert first is not None
    layers = {
        name: LayerRecord(**kinds, offset=first.layers[name].offset, overflows=overflows[name])
        for name, kinds in arrays.items()
    }
    return replace(first, layers=layers, predictions=np.concatenate(predictions), frames=None, **metadata)


def _more_than(arrays: Mapping[str, Mapping[str, "Spooled"]]) -> str:
    return f"more than {sum(kept.nbytes for kinds in arrays.values() for kept in kinds.values()):,}"


class Spooled:
    """An array that grows, as `deploy.traces.layers.Stored`; booleans lie in it as bits.

    Args:
        folder: where it lies once it is long.
        shape: of a recording, (T', ...).
        dtype: of its values.
    """

    def __init__(self, folder: Path, shape: Shape, dtype: "np.dtype[Any]") -> None:
        self.shape, self.dtype = (0, *shape), dtype
        self._bits = dtype.kind == "b"
        self._stored = np.dtype(np.uint8) if self._bits else dtype
        # As in a trace's file: the bits of a step begin with a byte.
        self._row: Shape = (shape[0], -(-prod(shape[1:]) // 8)) if self._bits else shape
        self._row_bytes = prod(self._row) * self._stored.itemsize
        self._file = tempfile.SpooledTemporaryFile(IN_MEMORY, dir=str(folder))  # noqa: SIM115 (open while it is used)
        weakref.finalize(self, self._file.close)

    def append(self, values: Array) -> None:
        """Add recordings (R, T', ...)."""
        self._file.seek(0, 2)
        self._file.write((pack(values) if self._bits else values).tobytes())
        self.shape = (self.shape[0] + len(values), *self.shape[1:])

    @property
    def nbytes(self) -> int:
        """Bytes that it takes."""
        return len(self) * self._row_bytes

    def read(self) -> Array:
        return self._unpacked(self._rows(0, len(self)))

    def read_bits(self) -> Array | None:
        return self._rows(0, len(self)) if self._bits else None

    def parts(self, rows: int) -> Iterator[Array]:
        for first in range(0, len(self), rows):
            yield self._unpacked(self._rows(first, min(first + rows, len(self))))

    def __len__(self) -> int:
        return self.shape[0]

    def _rows(self, first: int, behind: int) -> Array:
        self._file.seek(first * self._row_bytes)
        content = self._file.read((behind - first) * self._row_bytes)
        return np.frombuffer(content, self._stored).reshape(behind - first, *self._row)

    def _unpacked(self, values: Array) -> Array:
        return unpack(values, self.shape[1:]).view(bool) if self._bits else values
