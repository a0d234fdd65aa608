"""Pictures for a notebook: what layers of a trace did, and how a prediction comes about.

>>> from deploy import plot
>>> axes = plot.raster(trace, "lif2", found=trace)

Each function draws into the Axes that it is given, or into a new figure, and returns them.
`ckd.plot` draws events and frames.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from deploy.errors import TraceError, listed
from deploy.extras import require
from deploy.network import Array, Network
from deploy.traces.layers import LayerRecord
from deploy.traces.prediction import predict, predict_by_step
from deploy.traces.trace import Trace

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SILENT, BOTH, EXPECTED, FOUND = "#f3f4f6", "#1f2937", "#2563eb", "#ea580c"
NEURONS = 60
"""Rows of a raster: more would be a gray block."""


def raster(
    expected: Trace, layer: str, found: Trace | None = None, *, recording: int = 0, axes: "Axes | None" = None
) -> "Axes":
    """The spikes of a layer, a row a neuron, a column a step; of two traces, with those marked that only one has.

    Up to 60 neurons are drawn: those that differ first, then others that spike, evenly spread over the layer.

    Args:
        expected: a trace, or the reference where two are compared.
        layer: one that spikes, in both.
        found: the other trace, of the same recordings; None: there is no other.
        recording: its index.
        axes: to draw into; None: those of a new figure.

    Raises:
        TraceError: no such layer or recording, a readout, or traces of different neurons or steps.
    """
    a = _spikes(expected, layer, recording)
    b = a if found is None else _spikes(found, layer, recording)
    if a.shape != b.shape:
        raise TraceError(
            f"{layer}: {a.shape[0]} steps of {a.shape[1]} neurons beside {b.shape[0]} of {b.shape[1]}; draw two traces "
            "of one model on the same frames"
        )
    shown = _rows(a, b)
    cells = np.where(a & b, 1, np.where(a, 2, np.where(b, 3, 0)))[:, shown].T
    axes = axes or _new_axes((6, 4))
    from matplotlib.colors import ListedColormap
    from matplotlib.patches import Patch

    axes.pcolormesh(
        np.arange(len(cells[0]) + 1) - 0.5,
        np.arange(len(shown) + 1),
        cells,
        cmap=ListedColormap([SILENT, BOTH, EXPECTED, FOUND]),
        vmin=0,
        vmax=3,
        edgecolors="w",
        linewidth=0.3,
    )
    what = f"{int(a.sum()):,} spikes"
    if found is not None:
        what = f"{int((a != b).sum()):,} differ, {what} expected"
        names = (("both spike", BOTH), ("only expected", EXPECTED), ("only found", FOUND))
        axes.legend(
            handles=[Patch(color=color, label=name) for name, color in names],
            fontsize=8,
            ncols=3,
            frameon=False,
            loc="upper center",
            bbox_to_anchor=(0.5, -0.16),
        )
    ticks = np.linspace(0, len(shown) - 1, min(7, len(shown))).astype(int)
    axes.set_yticks(ticks + 0.5, [str(shown[tick]) for tick in ticks])
    axes.set(xlabel="step", ylabel=f"neuron ({len(shown)} of {a.shape[1]:,})", title=f"{layer}: {what}")
    return axes


def potential(
    trace: Trace,
    network: Network,
    layer: str,
    neuron: Sequence[int] | int,
    *,
    recording: int = 0,
    axes: "Axes | None" = None,
) -> "Axes":
    """A neuron's potential after every step, with its threshold, and its spikes: where it spiked it was reset already.

    Args:
        trace: made with `deploy.run(..., states=n)`, or any that holds v of this recording.
        network: that gave it; on the grid, potentials and thresholds are integers of 24 bits.
        layer: any of its layers of neurons.
        neuron: index in the layer's shape.
        recording: its index.
        axes: to draw into; None: those of a new figure.

    Raises:
        TraceError: no such layer, neuron or recording, or the potentials were not kept.
    """
    record = _record(trace, layer)
    index = (neuron,) if isinstance(neuron, int) else tuple(neuron)
    shape = record.shape[2:]
    if len(index) != len(shape) or not all(0 <= i < n for i, n in zip(index, shape, strict=True)):
        raise TraceError(f"{layer} has no neuron {index}; give an index in {shape}")
    if not 0 <= recording < record.held("v"):
        raise TraceError(
            f"potentials of {layer} are kept of {record.held('v')} recordings, not of recording {recording}; run it "
            f"with states={max(recording + 1, 1)}"
        )
    if layer not in network.neurons:
        raise TraceError(f"the network has no neurons {layer!r}; it has {listed(map(repr, network.neurons))}")
    v = trace.aligned("v", layer)[recording][:, *index]
    axes = axes or _new_axes((6, 3))
    axes.plot(v, "o-", ms=3, lw=1, color=BOTH, label="potential after the step")
    threshold = network.neurons[layer].firing_potential
    if threshold is not None:
        height = np.broadcast_to(threshold, shape)[index]
        axes.axhline(height, ls="--", lw=1, color=FOUND, label="threshold")
        spikes = np.flatnonzero(trace.aligned("spikes", layer)[recording][:, *index])
        axes.plot(spikes, np.full(len(spikes), height), "v", ms=7, color=EXPECTED, label="spike")
    axes.set(xlabel="step", ylabel="potential", title=f"{layer}, neuron {index}")
    axes.margins(y=0.15)
    axes.legend(fontsize=8)
    return axes


def accuracy(trace: Trace, *, axes: "Axes | None" = None) -> "Axes":
    """The share of right predictions had the recordings ended after each step, and that of guessing.

    Args:
        trace: with labels.
        axes: to draw into; None: those of a new figure.

    Raises:
        TraceError: the trace has no labels, or no layer that leads to its predictions.
    """
    if trace.labels is None:
        raise TraceError("the trace holds no labels, so no prediction is right or wrong; add some: trace.labeled(...)")
    output = _output(trace)
    shares = (predict_by_step(output, trace.steps) == trace.labels[:, None]).mean(axis=0)
    axes = axes or _new_axes((6, 3))
    axes.plot(np.arange(1, trace.steps + 1), shares, "o-", ms=3, lw=1, color=BOTH)
    classes = len(trace.classes) or int(np.prod(output.shape[2:]))
    axes.axhline(1 / classes, ls="--", lw=1, color=FOUND, label=f"guessing among {classes}")
    axes.set(xlabel="steps seen", ylabel="accuracy", ylim=(0, 1.02), title=f"{trace.recordings} recordings")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8, loc="lower right")
    return axes


def _new_axes(figsize: tuple[float, float]) -> "Axes":
    plt = require("matplotlib.pyplot", extra="report", use="pictures need")
    return plt.subplots(figsize=figsize, layout="constrained")[1]


def _record(trace: Trace, layer: str) -> LayerRecord:
    if layer not in trace.layers:
        raise TraceError(f"the trace has no layer {layer!r}; it has {listed(map(repr, trace.layers))}")
    return trace.layers[layer]


def _output(trace: Trace) -> LayerRecord:
    """The last layer that leads to the predictions; a trace does not say which one feeds the output."""
    for record in reversed(list(trace.layers.values())):
        if np.array_equal(predict(record, trace.steps), trace.predictions):
            return record
    raise TraceError("no layer of the trace leads to its predictions; give a trace that holds the output layer")


def _spikes(trace: Trace, layer: str, recording: int) -> Array:
    """(T, neurons) bool."""
    if _record(trace, layer).is_readout:
        raise TraceError(f"{layer} never spikes; draw one that does, or its potential (deploy.plot.potential)")
    if not 0 <= recording < trace.recordings:
        raise TraceError(f"there is no recording {recording}; the trace holds 0 to {trace.recordings - 1}")
    return np.asarray(trace.aligned("spikes", layer)[recording].reshape(trace.steps, -1), bool)


def _rows(a: Array, b: Array) -> Array:
    """Indices of the neurons to draw, ascending."""
    differing, active = (np.flatnonzero(any_.any(axis=0)) for any_ in (a != b, a | b))
    chosen = _spread(differing, NEURONS)
    rest = np.setdiff1d(active if len(active) else np.arange(a.shape[1]), chosen)
    return np.sort(np.concatenate([chosen, _spread(rest, NEURONS - len(chosen))]))


def _spread(indices: Array, most: int) -> Array:
    if len(indices) <= most:
        return indices
    return indices[np.linspace(0, len(indices) - 1, most).astype(int)] if most else indices[:0]
