"""Traces in NIR's own container."""

from pathlib import Path
from typing import Any

import nir
import numpy as np
import pytest

from deploy.errors import TraceError
from deploy.runners.integer import run as run_integer
from deploy.runners.table import run
from deploy.traces.nir_data import write_nir_data
from tests.equivalence.networks import convolutional, frames_for


def read(path: Path) -> Any:
    return nir.read_data(str(path))


def test_nir_reads_back_the_spikes_and_the_readouts_potential(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    network = convolutional(rng)
    frames = frames_for(rng, network, 3)
    trace = run(network, frames)
    write_nir_data(trace, tmp_path / "spikes.nir", dt=1e-3)
    data = read(tmp_path / "spikes.nir")
    for layer in trace.spiking:
        spikes = trace.layers[layer].output
        held = data.nodes[layer].observables["spikes"]
        assert held.dt == 1e-3
        assert np.array_equal(held.data, spikes.reshape(*spikes.shape[:2], -1)) and held.data.any()
    assert np.array_equal(data.nodes["readout"].observables["v"].data, trace.layers["readout"]["v"])


def test_a_pipelined_trace_is_written_aligned(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    network = convolutional(rng)
    frames = frames_for(rng, network, 2)
    write_nir_data(run_integer(network, frames), tmp_path / "a.nir", dt=1e-3)
    write_nir_data(run_integer(network, frames, schedule="pipelined"), tmp_path / "b.nir", dt=1e-3)
    a, b = (read(tmp_path / name) for name in ("a.nir", "b.nir"))
    assert a.nodes.keys() == network.neurons.keys() and all(node.observables for node in a.nodes.values())
    for layer, node in a.nodes.items():
        for kind, one in node.observables.items():
            assert np.array_equal(one.data, b.nodes[layer].observables[kind].data)


def test_a_step_of_no_length_is_refused(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    network = convolutional(rng)
    trace = run(network, frames_for(rng, network, 1))
    with pytest.raises(TraceError, match="dt"):
        write_nir_data(trace, tmp_path / "a.nir", dt=0.0)
    assert not (tmp_path / "a.nir").exists()
