"""A quantized network of any kind computes its integers in torch, and learns there."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from torch import Tensor

from deploy.errors import GridError, UnsupportedError
from deploy.network import Array, Conv, Dense, GridNeuron, Network
from deploy.quantization.search import quantize_layers
from deploy.runners import integer
from export.grid_network import GridNetwork
from tests.export.random_floats import float_cases


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
