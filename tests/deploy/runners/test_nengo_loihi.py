"""The integer simulator beside nengo-loihi's emulator, where both do the same: dense layers, binary spikes, no biases.

nengo-loihi needs Python 3.10 and a numpy of its day; its worker gets both as Lava's do.
"""

import itertools
from pathlib import Path

import numpy as np
import pytest

from deploy.network import Dense, Flatten, GridNeuron, Input, Network, Node, Output
from deploy.runners import integer
from deploy.runners.lava.worker import run_worker
from tests.builders import chain, even
from tests.deploy.marks import MISSING

CASES, STEPS = 150, 50


@pytest.mark.skipif(MISSING is not None, reason=f"nengo-loihi cannot run here: {MISSING}")
def test_random_networks_are_the_same_spike_by_spike_in_nengo_loihis_emulator(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    networks, frames = [], []
    for i in range(CASES):
        sizes = rng.integers(4, 30, rng.integers(2, 5))
        network = _network(rng, [int(size) for size in sizes])
        frames.append((rng.random((1, STEPS, sizes[0])) < rng.uniform(0.05, 0.5)).astype(np.uint8))
        networks.append(network)
        arrays = {"frames": frames[-1][0]}
        for k, neuron in enumerate(network.neurons.values()):
            dense = network.nodes[f"dense{k}"]
            assert isinstance(dense, Dense) and isinstance(neuron, GridNeuron) and neuron.vth is not None
            arrays |= {f"weight{k}": dense.weight, f"du{k}": neuron.du, f"dv{k}": neuron.dv, f"vth{k}": neuron.vth}
        np.savez(tmp_path / f"case{i}.npz", **arrays)
    run_worker(Path(__file__).with_name("nengo_loihi_worker.py"), tmp_path, timeout=300)

    spikes = 0
    for i, network in enumerate(networks):
        ours, theirs = integer.run(network, frames[i], states=1, digests=True), np.load(tmp_path / f"done{i}.npz")
        for k, name in enumerate(network.neurons):
            assert np.array_equal(ours.layers[name].output[0], theirs[f"spikes{k}"]), (i, name)
            assert np.array_equal(ours.layers[name]["u"][0], theirs[f"u{k}"]), (i, name)
            assert np.array_equal(ours.layers[name]["v"][0], theirs[f"v{k}"]), (i, name)
            spikes += int(ours.layers[name].output.sum())
    assert spikes > 100 * CASES


def _network(rng: np.random.Generator, sizes: list[int]) -> Network:
    nodes: dict[str, Node] = {"input": Input(shape=(sizes[0],)), "flatten": Flatten()}
    for k, (before, size) in enumerate(itertools.pairwise(sizes)):
        each = (size,) if rng.random() < 0.5 else ()
        # Current that lingers, but too little of it to wrap: the emulator stops there instead.
        du = np.array(4095) if rng.random() < 0.5 else rng.integers(800, 4096, each)
        nodes[f"dense{k}"] = Dense(weight=even(rng, size, before))
        nodes[f"lif{k}"] = GridNeuron(
            shape=(size,), du=du, dv=rng.integers(0, 4097, each), vth=rng.integers(1, 400, each), bias=np.array(0)
        )
    return chain(**nodes, output=Output())
