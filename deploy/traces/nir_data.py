"""Spikes and potentials of a trace in NIR's own data container, for tools that read it (nir.read_data)."""

from io import BytesIO
from pathlib import Path

import nir
import numpy as np

from ckd.files import fill, write_then_rename
from deploy.errors import TraceError
from deploy.network import Array
from deploy.traces.trace import Trace


def write_nir_data(trace: Trace, path: Path | str, *, dt: float) -> None:
    """Write every layer's spikes, and of a readout its potential, each with its own offset taken off.

    A node's observables are "spikes" (R, T, neurons) bool and "v" (R, T, neurons); neurons are flat, channel first.

    Args:
        trace: of one network.
        path: the file (HDF5).
        dt: seconds a step.

    Raises:
        TraceError: dt is not positive.
    """
    if dt <= 0:
        raise TraceError(f"dt (={dt}) must be a positive number of seconds")
    nodes = {}
    for name, layer in trace.layers.items():
        values = _flat(trace.output(name))
        nodes[name] = nir.NIRNodeData(observables={layer.gives: nir.TimeGriddedData(values, dt)})
    content = BytesIO()
    nir.write_data(content, nir.NIRGraphData(nodes=nodes))  # pyright: ignore[reportArgumentType]
    with write_then_rename(Path(path)) as temporary:
        fill(temporary, content.getbuffer())


def _flat(values: Array) -> Array:
    return np.ascontiguousarray(values.reshape(*values.shape[:2], -1))
