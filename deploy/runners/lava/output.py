"""What a worker leaves in its folder: arrays, each judged before it is read, and done.json, which it writes last."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from ckd.events import RecordingError, npy_header
from deploy.errors import RunnerError, shown
from deploy.network import Array, Shape

LONGEST = 1 << 16
"""Bytes of done.json; a whole one has some hundred."""


def read_array(path: Path, shape: Shape, dtype: type) -> Array:
    """An array of the worker's, of just this shape and type: no other is read.

    Raises:
        RunnerError: it is missing, damaged, or another one.
    """
    wanted = f"{np.dtype(dtype)} of shape {shape}"
    if not path.is_file():
        raise RunnerError(f"{path.name}: the worker left no such array; it should hold {wanted}, run it again")
    try:
        with path.open("rb") as file:
            found, columns_first, kind = npy_header(path, file, path.stat().st_size)
            if (found, kind, columns_first) != (shape, np.dtype(dtype), False):
                raise RunnerError(f"{path.name}: the worker left {kind} of shape {found}, not {wanted}; run it again")
            truths = kind == np.dtype(np.bool_)
            values = np.fromfile(file, np.uint8 if truths else kind).reshape(shape)
        if truths and values.max(initial=0) > 1:
            raise RunnerError(f"{path.name}: the worker left other values than true and false; run it again")
        return values.view(kind)
    except (RecordingError, OSError, ValueError, MemoryError) as error:
        raise RunnerError(f"{path.name}: the array that the worker left cannot be read ({error})") from error


def read_done(folder: Path) -> dict[str, Any]:
    """What done.json says: how long it took, and what was built.

    Raises:
        RunnerError: it is missing or damaged, so that what lies beside it may be half of it.
    """
    path = folder / "done.json"
    if not path.is_file():
        raise RunnerError("the worker ended without writing done.json; run it again")
    if path.stat().st_size > LONGEST:
        raise RunnerError(f"done.json of the worker has {path.stat().st_size:,} bytes, a whole one at most {LONGEST:,}")
    try:
        said = json.loads(path.read_text())
    except (OSError, ValueError, RecursionError) as error:
        raise RunnerError(f"done.json of the worker is damaged ({error}); run it again") from error
    if not isinstance(said, dict):
        raise RunnerError(f"done.json of the worker says {shown(said)}, no keys and values; run it again")
    return said


def read_layers(folder: Path, most: int) -> int:
    """How many layers a worker says that it built. Raises RunnerError, as `read_done`, and beyond 1 to `most`."""
    layers = read_done(folder).get("layers")
    if type(layers) is not int or not 1 <= layers <= most:
        raise RunnerError(f"done.json of the worker: layers (={shown(layers)}) must lie between 1 and {most}")
    return layers
