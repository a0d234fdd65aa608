"""A quantized network of any kind computes its integers in torch, and learns there."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from torch import Tensor

from ckd.models.student import Student
from deploy import grid
from deploy.errors import GridError, UnsupportedError
from deploy.network import (
    Array,
    Conv,
    Delay,
    Dense,
    FloatNeuron,
    GridNeuron,
    Input,
    Network,
    Node,
    Output,
    ResetMechanism,
)
from deploy.quantization.search import quantize_layers
from deploy.runners import integer
from deploy.traces.compare import compare
from export.fold import student_to_network
from export.recording import record_quantized
from export.tuning.grid_network import GridNetwork
from export.tuning.grid_student import build_grid_student
from tests.builders import events
from tests.export.conftest import BINNING, CLASSES
from tests.graphs.floats import float_cases


def outputs_of(module: GridNetwork, frames: Array) -> dict[str, Array]:
    """What every layer gives, (R, T, ...)."""
    given: dict[str, Array] = {}

    def observe(name: str, output: Tensor) -> None:
        given[name] = output.detach().transpose(0, 1).numpy()

    module(torch.from_numpy(frames).transpose(0, 1), observe=observe)
    return given


def same_integers(module: GridNetwork, network: Network, frames: Array) -> int:
    """Compare the module with the simulator of integers; gives the number of spikes."""
    given, wanted = outputs_of(module, frames), integer.run(network, frames)
    for name, layer in wanted.spiking.items():
        assert np.array_equal(given[name], layer.output), name
    return sum(int(layer.output.sum()) for layer in wanted.spiking.values())


def steps_apart(first: Network, second: Network) -> int:
    """By how many units of the grid two networks' weights and biases differ at most."""
    largest = 0
    for name, node in first.nodes.items():
        other = second.nodes[name]
        if isinstance(node, Dense | Conv) and isinstance(other, Dense | Conv):
            largest = max(largest, int(np.abs(node.weight - other.weight).max()))
        if isinstance(node, GridNeuron) and isinstance(other, GridNeuron):
            largest = max(largest, int(np.abs(node.bias - other.bias).max()))
    return largest


def property_test(examples: int) -> Callable[[], None]:
    """A test of that many random networks; it fails if most of them never spiked."""

    def test() -> None:
        spikes: list[int] = []
        resets: set[tuple[str, bool]] = set()

        @settings(
            max_examples=examples,
            deadline=None,
            derandomize=True,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        )
        @given(float_cases(), st.sampled_from([8, 4]))
        def equal(case: tuple[Network, Array], bits: int) -> None:
            network, frames = case
            try:
                quantization = quantize_layers(network, frames, weight_bits=bits, method="max", chip="loihi2")
            except (UnsupportedError, GridError):
                assume(False)  # the grid cannot hold it, and says so
                raise
            module = GridNetwork(quantization, weight_bits=bits, max_count=int(frames.max(initial=1)))
            network = module.network()
            # The module holds floats of 24 bits, the quantizer of 53: where a value lies between two, they may part.
            assert steps_apart(network, quantization.network) <= (2 << 8 - bits)
            count = same_integers(module, network, frames)
            spikes.append(count)
            if count:
                neurons = quantization.network.neurons.values()
                resets.update((node.reset_mechanism, node.reset_delay) for node in neurons)

        equal()
        assert np.mean(np.array(spikes) > 0) > 0.5
        assert len(resets) == 6, "a reset was never tried"

    return test


test_random_networks_compute_their_integers = property_test(60)
test_many_random_networks_compute_their_integers = pytest.mark.long(property_test(1500))


def test_gradients_are_those_of_the_students_own_modules(student: Student, frames: Array) -> None:
    """Another implementation of the same rule: one function of all steps, with kernels, where this is autograd's."""
    floats = student_to_network(student, binning=BINNING, classes=CLASSES)
    quantization = quantize_layers(floats, frames, weight_bits=8, method="max", chip="loihi2")
    own = build_grid_student(quantization, weight_bits=8, alpha=2.0)
    general = GridNetwork(quantization, weight_bits=8)
    x, labels = torch.from_numpy(frames).float().transpose(0, 1), torch.arange(len(frames)) % len(CLASSES)
    torch.nn.functional.cross_entropy(own(x).logits.sum(0), labels).backward()
    torch.nn.functional.cross_entropy(general(x)[-1], labels).backward()
    compared = 0
    for name, module in own.nodes.items():
        for kind, wanted in module.named_parameters():
            # The bias of a student's readout is its classifier's.
            found = general.nodes["readout" if (name, kind) == ("classifier", "bias") else name]
            gradient = getattr(found, kind).grad.flatten()
            assert wanted.grad is not None
            likeness = torch.nn.functional.cosine_similarity(gradient, wanted.grad.flatten(), dim=0)
            # Thresholds of 0.5 are rounded to the grid, so surrogates differ in their third digit.
            assert likeness > 0.999 and 0.98 < gradient.norm() / wanted.grad.norm() < 1.02, (name, kind)
            compared += 1
    assert compared == 6


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("mechanism", ["zero", "subtract", "none"])
def test_every_weight_learns_with_every_reset_and_stays_on_the_grid(mechanism: ResetMechanism, late: bool) -> None:
    """Two ways, a delay, feedback, a current; after training it still computes the integers that it gives."""
    rng = np.random.default_rng(0)
    network = _loop(rng, mechanism, late)
    frames = events(rng, 8, 12, (6,), rate=0.4)
    quantization = quantize_layers(network, frames, weight_bits=4, method="max", chip="loihi2")
    module = GridNetwork(quantization, weight_bits=4)
    optimizer = torch.optim.Adam(module.parameters(), lr=0.05)
    x, labels = torch.from_numpy(frames).transpose(0, 1), torch.arange(8) % 3
    for _ in range(3):
        loss = torch.nn.functional.cross_entropy(module(x)[-1], labels)
        optimizer.zero_grad()
        loss.backward()
        assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in module.parameters())
        optimizer.step()
    trained = module.network()
    assert same_integers(module, trained, frames) > 50 and steps_apart(trained, quantization.network) > 0
    recorded = record_quantized(trained, frames)
    assert compare(recorded, integer.run(trained, frames, states=8, digests=True))
    for node in trained.nodes.values():
        assert not isinstance(node, Dense) or grid.weights_on_grid(node.weight, 4)
    assert {change.note for change in trained.report if change.parameter == "weight"} == {"trained on the grid"}


def test_a_kind_of_neuron_that_it_does_not_know_is_refused_by_name() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Odd(GridNeuron):
        pass

    rng = np.random.default_rng(0)
    frames = events(rng, 2, 5, (6,), rate=0.4)
    quantization = quantize_layers(_loop(rng, "zero", False), frames, weight_bits=8, method="max", chip="loihi2")
    first, last = quantization.layers
    odd = replace(quantization, layers=(replace(first, neuron=Odd(**vars(first.neuron))), last))
    with pytest.raises(UnsupportedError, match="a Odd, and fine-tuning knows GridNeuron alone"):
        GridNetwork(odd, weight_bits=8)


def _loop(rng: np.random.Generator, mechanism: ResetMechanism, late: bool) -> Network:
    def dense(outputs: int, inputs: int) -> Dense:
        return Dense(weight=rng.normal(0.1, 1 / np.sqrt(inputs), (outputs, inputs)).astype(np.float32))

    one, zero = np.ones((), np.float32), np.zeros((), np.float32)
    lif = FloatNeuron(
        shape=(20,),
        keep=rng.uniform(0.7, 0.95, 20).astype(np.float32),
        gain=one,
        bias=one / 50,
        threshold=one,
        reset=one if mechanism == "subtract" else zero,
        reset_mechanism=mechanism,
        reset_delay=late,
        current_keep=one / 2,
    )
    nodes: dict[str, Node] = {
        "input": Input(shape=(6,)),
        "fc": dense(20, 6),
        "delay": Delay(steps=2),
        "way": dense(20, 6),
        "lif.1": lif,
        "back": dense(20, 20),
        "out": dense(3, 20),
        "readout": replace(lif, shape=(3,), keep=one, threshold=None, bias=zero, current_keep=None),
        "output": Output(),
    }
    edges = pairwise(["input", "fc", "lif.1", "out", "readout", "output"])
    ways = (("input", "delay"), ("delay", "way"), ("way", "lif.1"), ("lif.1", "back"), ("back", "lif.1"))
    return Network(nodes=nodes, edges=(*edges, *ways))
