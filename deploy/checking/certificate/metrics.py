"""NeuroBench's metrics of a network, counted as its harness counts them, from the file and a trace.

Read from neurobench 2.3.0 (`metrics/static/footprint.py`, `connection_sparsity.py`, `metrics/workload/
activation_sparsity.py`, `synaptic_operations.py`, `metrics/utils/layers/macs.py`), and run against it
(tests/deploy/checking/test_neurobench.py). Yik et al., "The neurobench framework for benchmarking neuromorphic
computing algorithms and systems", Nature Communications 16, 2025.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from deploy.checking.divergence.replay import Setup, replay
from deploy.errors import TraceError
from deploy.network import Array, Conv, Dense, Network, Neuron
from deploy.network.ops import apply
from deploy.traces.trace import Trace

BATCH = 16
"""Recordings whose inputs are looked at together."""
FLOAT_BYTES = 4
"""Of each parameter: the harness counts the tensors of a torch module, in float32."""


@dataclass(frozen=True, kw_only=True)
class Metrics:
    """Counts over all recordings, and what NeuroBench makes of them.

    parameters: values of weights, biases, thresholds and decays as the nodes hold them. accumulates, multiplies:
    synaptic operations where the inputs of that step of that recording are 0 and 1 alone, and where they are not; an
    operation is an input that is not 0 at a weight that is not 0. dense: how many there were if neither were 0.
    """

    parameters: int
    weights: int
    zero_weights: int
    recordings: int
    spikes: int
    neuron_steps: int
    accumulates: int
    multiplies: int
    dense: int

    @property
    def footprint(self) -> int:
        """Bytes."""
        return self.parameters * FLOAT_BYTES

    @property
    def connection_sparsity(self) -> float:
        """The share of weights that are 0, to four digits as the harness rounds it."""
        return round(self.zero_weights / self.weights, 4)

    @property
    def activation_sparsity(self) -> float:
        """The share of neuron-steps of spiking layers without a spike."""
        return (self.neuron_steps - self.spikes) / self.neuron_steps if self.neuron_steps else 0.0

    @property
    def synaptic_operations(self) -> dict[str, float]:
        """Per recording."""
        return {
            "Effective_MACs": self.multiplies / self.recordings,
            "Effective_ACs": self.accumulates / self.recordings,
            "Dense": self.dense / self.recordings,
        }

    def as_dict(self) -> dict[str, Any]:
        return {
            "footprint": self.footprint,
            "connection_sparsity": self.connection_sparsity,
            "activation_sparsity": self.activation_sparsity,
            "synaptic_operations": self.synaptic_operations,
            "counted": asdict(self),
        }


def metrics(network: Network, trace: Trace) -> Metrics:
    """Count them.

    Args:
        network: on the grid.
        trace: of it, layer-synchronous, with its frames.

    Raises:
        TraceError: the trace holds no frames.
    """
    if trace.frames is None:
        raise TraceError("this trace holds no frames, so what arrives cannot be counted; record it again")
    synapses = {name: node for name, node in network.nodes.items() if isinstance(node, Dense | Conv)}
    binary = {name: _ones(node, node.weight != 0) for name, node in synapses.items()}
    accumulates = multiplies = 0
    for start in range(0, trace.recordings, BATCH):
        rows = range(start, min(start + BATCH, trace.recordings))
        for name, x in _arriving(network, trace.take(rows)).items():
            flat = x.reshape(-1, *x.shape[2:])
            operations = apply(binary[name], (flat != 0).astype(np.float32))
            each = operations.reshape(len(flat), -1).sum(axis=1, dtype=np.float64)
            spiking = (flat <= 1).reshape(len(flat), -1).all(axis=1)
            accumulates += int(each[spiking].sum())
            multiplies += int(each[~spiking].sum())
    dense = 0
    for name, node in synapses.items():
        whole = np.ones((1, *network.shapes[network.sources(name)[0]]), np.float32)
        once = apply(_ones(node, np.ones(node.weight.shape, bool)), whole)
        dense += int(once.sum(dtype=np.float64)) * trace.recordings * trace.steps
    return Metrics(
        parameters=sum(_parameters(node) for node in network.nodes.values()),
        weights=sum(node.weight.size for node in synapses.values()),
        zero_weights=sum(int((node.weight == 0).sum()) for node in synapses.values()),
        recordings=trace.recordings,
        spikes=sum(int(trace.output(layer).sum()) for layer in trace.spiking),
        neuron_steps=sum(int(np.prod(trace.output(layer).shape)) for layer in trace.spiking),
        accumulates=accumulates,
        multiplies=multiplies,
        dense=dense,
    )


def _ones(node: Dense | Conv, where: Array) -> Dense | Conv:
    fields = {**vars(node), "weight": where.astype(np.float32), "bias": None}
    return type(node)(**fields)


def _arriving(network: Network, trace: Trace) -> dict[str, Array]:
    """By synapse, what it is given in each step, (R, T, ...)."""
    assert trace.frames is not None
    setup = Setup(network=network, frames=trace.frames)
    found: dict[str, Array] = {}
    for layer in network.neurons:
        seen = replay(setup, along=trace, only=frozenset([layer]))
        found |= {name: x[:, x.shape[1] - trace.steps :] for name, x in seen.arriving.items()}
    return {name: x for name, x in found.items() if isinstance(network.nodes[name], Dense | Conv)}


def _parameters(node: object) -> int:
    if isinstance(node, Dense | Conv):
        return node.weight.size + (0 if node.bias is None else node.bias.size)
    if isinstance(node, Neuron):
        return sum(value.size for value in vars(node).values() if isinstance(value, np.ndarray))
    return 0
