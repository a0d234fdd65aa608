"""The quantized student is one object: the same integers in torch and in the simulator, and its bound is proven."""

import numpy as np
import pytest
import torch

from ckd.models.student import Student
from deploy import grid
from deploy.errors import GridError, UnsupportedError
from deploy.network import Array, Dense, GridNeuron, Input, Network, Output, SumPool
from deploy.network.counts import largest_counts
from deploy.quantization.search import quantize
from deploy.runners import integer
from deploy.traces.compare import compare
from export.fold import student_to_network
from export.integer import IntegerNetwork, channel_groups
from export.recording import record_quantized
from tests.export.conftest import BINNING, CLASSES


@pytest.mark.parametrize("kind", ["student", "resnet"])
def test_torch_and_the_simulator_agree_on_every_spike_and_state(
    kind: str, frames: Array, request: pytest.FixtureRequest
) -> None:
    student: Student = request.getfixturevalue(kind)
    network = quantize(student_to_network(student, binning=BINNING, classes=CLASSES), frames, method="max")
    trained = record_quantized(network, frames, states=3)
    for schedule in ("synchronous", "pipelined"):
        verdict = compare(trained, integer.run(network, frames, states=2, digests=True, schedule=schedule))
        assert verdict, verdict.first
        assert all(layer.states == len(frames) * BINNING.steps for layer in verdict.layers)


def test_the_torch_module_is_the_same_in_both_schedules(network: Network, frames: Array) -> None:
    on_grid = quantize(network, frames, method="max")
    module, depth = IntegerNetwork(on_grid), max(on_grid.depth.values())
    x = torch.from_numpy(frames)
    late = module(torch.nn.functional.pad(x, (0, 0, 0, 0, 0, 0, 0, depth)), schedule="pipelined").spikes
    for layer, spikes in module(x).spikes.items():
        first = on_grid.depth[layer]
        assert spikes.any() and torch.equal(late[layer][:, first : first + x.shape[1]], spikes)


@pytest.mark.parametrize("batch", [1, 5])
def test_a_batch_changes_nothing(network: Network, frames: Array, batch: int) -> None:
    module = IntegerNetwork(quantize(network, frames, method="max"))
    x = torch.from_numpy(frames)
    whole = module(x, states=True)
    assert whole.v.keys() == network.neurons.keys()
    for first in range(0, len(x), batch):
        part = module(x[first : first + batch], states=True)
        for layer, v in part.v.items():
            assert torch.equal(whole.v[layer][first : first + batch], v)


def _wide(channels: int, weight: int) -> Network:
    """Spikes on `channels` inputs, all with the same weight, into one neuron."""
    return Network(
        nodes={
            "input": Input(shape=(channels,)),
            "dense": Dense(weight=np.full((1, channels), weight, np.int32)),
            "lif": GridNeuron(
                shape=(1,),
                du=np.array(grid.DU_IMMEDIATE),
                dv=np.array(4096),
                vth=np.array(grid.VTH_MAX),
                bias=np.array(0),
            ),
            "output": Output(),
        },
        edges=(("input", "dense"), ("dense", "lif"), ("lif", "output")),
    )


def test_a_layer_above_two_to_the_24_is_split_and_stays_exact() -> None:
    # 70,001 inputs of weight 255 sum to 17,850,255, an odd number above 2^24 that float32 cannot hold.
    network = _wide(70_001, 255)
    assert len(channel_groups("dense", np.full((1, 70_001), 255), 1)) == 2
    frames = np.ones((1, 1, 70_001), np.uint8)
    u = IntegerNetwork(network)(torch.from_numpy(frames), states=True).u["lif"].item()
    assert u == grid.wrap24(np.array(70_001 * 255 * 64))
    assert u == integer.run(network, frames, states=1, digests=True).layers["lif"]["u"].item()


def test_one_channel_above_two_to_the_24_is_refused() -> None:
    with pytest.raises(GridError, match="2\\^24"):
        IntegerNetwork(_wide(4, 255 * 300), max_count=255)


def test_pooling_multiplies_the_largest_count_and_neurons_end_it() -> None:
    lif = GridNeuron(shape=(2, 2, 2), du=np.array(4095), dv=np.array(0), vth=np.array(1), bias=np.array(0))
    nodes = {"input": Input(shape=(2, 4, 4)), "pool": SumPool(kernel=(2, 2), stride=(2, 2)), "lif": lif}
    edges = (("input", "pool"), ("pool", "lif"), ("lif", "output"))
    network = Network(nodes=nodes | {"output": Output()}, edges=edges)
    assert largest_counts(network, 3) == {"input": 3, "pool": 12, "lif": 1, "output": 1}


def test_overflow_is_counted(frames: Array) -> None:
    network = _wide(70_001, 255)
    frames = np.ones((2, 3, 70_001), np.uint8)
    counted = integer.run(network, frames).overflows["lif"]
    assert counted == IntegerNetwork(network)(torch.from_numpy(frames)).overflows["lif"] > 0


def test_a_float_network_is_refused(network: Network) -> None:
    with pytest.raises(UnsupportedError, match="not on the grid"):
        IntegerNetwork(network)
