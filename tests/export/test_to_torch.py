"""A network as a torch module: the float runner's spikes, snnTorch's own neurons, gradients, and the way back."""

import copy
import io
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import snntorch
import torch
from hypothesis import HealthCheck, given, settings
from torch import Tensor

import deploy
import export
from deploy.errors import FramesError, ModelError, UnsupportedError
from deploy.formats.files import load_network
from deploy.network import Array, Conv, Delay, Dense, Flatten, FloatNeuron, Input, Network, Node, Output, Scale, SumPool
from deploy.passes.to_float import to_float
from deploy.runners import floating
from export.trainable.network import TorchNetwork, to_torch
from tests.builders import chain, events, small, small_frames, small_network
from tests.graphs.floats import float_cases
from tests.graphs.same import same_nodes
from tests.test_docstrings import run_document


def outputs_of(module: TorchNetwork, frames: Array) -> dict[str, Array]:
    """What every layer of neurons gives, (R, T, ...)."""
    given: dict[str, Array] = {}

    def observe(name: str, output: Tensor) -> None:
        given[name] = output.detach().transpose(0, 1).numpy()

    module(torch.from_numpy(frames).transpose(0, 1), observe=observe)
    return given


def property_test(examples: int) -> Callable[[], None]:
    """A test of that many random networks; it fails if most of them never spiked."""

    def test() -> None:
        spikes: list[int] = []
        kinds: set[type] = set()

        @settings(
            max_examples=examples,
            deadline=None,
            derandomize=True,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        )
        @given(float_cases())
        def equal(case: tuple[Network, Array]) -> None:
            network, frames = case
            module = to_torch(network)
            given, wanted = outputs_of(module, frames), floating.run(network, frames)
            for name, layer in wanted.layers.items():
                assert np.array_equal(given[name], layer.output), name
                kinds.add(type(module.nodes[name]))
            assert same_nodes(module.network(), network)
            spikes.append(sum(int(layer.output.sum()) for layer in wanted.spiking.values()))

        equal()
        assert np.mean(np.array(spikes) > 0) > 0.7
        assert {snntorch.Leaky, snntorch.Synaptic} < kinds

    return test


test_random_networks_spike_as_on_the_float_runner = property_test(100)
test_many_random_networks_spike_as_on_the_float_runner = pytest.mark.long(property_test(3000))


def _normal(rng: np.random.Generator, *shape: int) -> Array:
    return rng.normal(0, 1.5 / np.sqrt(np.prod(shape[1:])), shape).astype(np.float32)


def _cells(*shape: int, **changes: Any) -> FloatNeuron:
    """Neurons as snnTorch has them, if nothing else is said."""
    values: dict[str, Any] = {"keep": 0.9, "gain": 1, "bias": 0, "threshold": 1, "reset": 0} | changes
    arrays: dict[str, Any] = {
        name: np.asarray(value, np.float32) if type(value) in (int, float) else value for name, value in values.items()
    }
    return FloatNeuron(shape=shape, **arrays)


def branches() -> Network:
    """Everything that a network may have: two ways, pooling, a factor, a delay, feedback, a current, a readout."""
    rng = np.random.default_rng(0)
    nodes: dict[str, Node] = {
        "input": Input(shape=(2, 8, 8)),
        "conv": Conv(weight=_normal(rng, 4, 2, 3, 3), bias=_normal(rng, 4) / 4, padding=(1, 1)),
        "lif.1": _cells(4, 8, 8, keep=_normal(rng, 4, 1, 1) / 20 + np.float32(0.6)),
        "pool": SumPool(kernel=(2, 2), stride=(2, 2)),
        "mean": Scale(factor=np.float32(0.25) * np.ones((), np.float32)),
        "main": Conv(weight=3 * _normal(rng, 6, 4, 3, 3), padding=(1, 1)),
        "delay": Delay(steps=2),
        "way": Conv(weight=3 * _normal(rng, 6, 4, 1, 1)),
        "soft": _cells(6, 4, 4, reset_mechanism="subtract", reset=1, reset_delay=True, current_keep=0.5, bias=0.05),
        "back": Conv(weight=_normal(rng, 6, 6, 1, 1)),
        "flatten": Flatten(),
        "fc": Dense(weight=2 * _normal(rng, 5, 96), bias=_normal(rng, 5)),
        "readout": _cells(5, threshold=None),
        "output": Output(),
    }
    main = pairwise(["input", "conv", "lif.1", "pool", "mean", "main", "soft", "flatten", "fc", "readout", "output"])
    edges = (*main, ("mean", "delay"), ("delay", "way"), ("way", "soft"), ("soft", "back"), ("back", "soft"))
    return Network(nodes=nodes, edges=edges)


FRAMES = events(np.random.default_rng(1), 6, 12, (2, 8, 8), rate=0.3)


def test_every_weight_and_bias_learns() -> None:
    module = to_torch(branches())
    logits = module(torch.from_numpy(FRAMES).transpose(0, 1))[-1]
    torch.nn.functional.cross_entropy(logits, torch.arange(6) % 5).backward()
    learning = dict(module.named_parameters())
    assert set(learning) == {
        *(f"nodes.{name}.weight" for name in ("conv", "main", "way", "back", "fc")),
        *(f"nodes.{name}.bias" for name in ("conv", "soft", "fc")),
    }
    assert all(value.grad is not None and float(value.grad.abs().sum()) > 0 for value in learning.values())


def test_what_was_trained_is_what_the_network_then_does() -> None:
    """Spikes and potentials, up to the spikes that rounding decides: none in these."""
    torch.manual_seed(0)
    module = to_torch(branches())
    optimizer = torch.optim.Adam(module.parameters(), lr=0.02)
    frames, labels = torch.from_numpy(FRAMES).transpose(0, 1), torch.arange(6) % 5
    losses = []
    for _ in range(15):
        loss = torch.nn.functional.cross_entropy(module(frames)[-1], labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.7 * losses[0]
    trained = module.network()
    assert not same_nodes(trained, branches())
    given, wanted = outputs_of(module, FRAMES), floating.run(trained, FRAMES)
    for name, layer in wanted.spiking.items():
        assert layer.output.any() and np.array_equal(given[name], layer.output)
    # Sums of a hundred terms around 1, in another order.
    np.testing.assert_allclose(given["readout"], wanted.output("readout"), atol=1e-4)


def test_the_way_there_and_back_is_exact() -> None:
    network = branches().replace(classes=tuple("abcde"), dt=0.02)
    again = to_torch(network).network()
    assert same_nodes(again, network) and (again.classes, again.dt) == (network.classes, network.dt)


def test_it_is_what_snntorch_makes_of_the_same_weights() -> None:
    """Leaky, RLeaky and Synaptic with snnTorch's own defaults, stepped by a loop that shares nothing with ours."""
    torch.manual_seed(1)
    first, second, third = torch.nn.Linear(12, 20), torch.nn.Linear(20, 16), torch.nn.Linear(16, 7)
    leaky = snntorch.Leaky(beta=0.8)
    recurrent = snntorch.RLeaky(beta=0.7, linear_features=16)
    synaptic = snntorch.Synaptic(alpha=0.6, beta=0.9, reset_mechanism="zero")
    own = recurrent.recurrent
    assert isinstance(own, torch.nn.Linear)
    with torch.no_grad():
        for linear in (first, second, third):
            linear.weight.mul_(3)
        own.bias.zero_()
    frames = events(np.random.default_rng(2), 5, 40, (12,), rate=0.4)
    spikes: dict[str, list[Tensor]] = {"leaky": [], "recurrent": [], "synaptic": []}
    with torch.no_grad():
        v, (back, w), (i, u) = leaky.reset_mem(), recurrent.reset_mem(), synaptic.reset_mem()
        for frame in torch.from_numpy(frames).float().unbind(1):
            x, v = leaky(first(frame), v)
            spikes["leaky"].append(x)
            back, w = recurrent(second(x), back, w)
            spikes["recurrent"].append(back)
            x, i, u = synaptic(third(back), i, u)
            spikes["synaptic"].append(x)

    def dense(linear: torch.nn.Linear, bias: bool = True) -> Dense:
        values = [linear.weight.detach().numpy(), linear.bias.detach().numpy() if bias else None]
        return Dense(weight=values[0], bias=values[1])  # pyright: ignore

    network = chain(
        in_=Input(shape=(12,)),
        first=dense(first),
        leaky=_cells(20, keep=0.8, reset_mechanism="subtract", reset=1, reset_delay=True),
        second=dense(second),
        recurrent=_cells(16, keep=0.7, reset_mechanism="subtract", reset=1, reset_delay=True),
        third=dense(third),
        synaptic=_cells(7, keep=0.9, current_keep=np.float32(0.6), reset_delay=True),
        output=Output(),
    )
    nodes = {**network.nodes, "back": dense(own, bias=False)}
    network = network.replace(nodes=nodes, edges=(*network.edges, ("recurrent", "back"), ("back", "recurrent")))
    module = to_torch(network)
    given = outputs_of(module, frames)
    for name, wanted in spikes.items():
        stacked = torch.stack(wanted, 1).numpy()
        assert 0.02 < stacked.mean() < 0.9 and np.array_equal(given[name], stacked), name
    assert [type(module.nodes[name]) for name in spikes] == [snntorch.Leaky, snntorch.Leaky, snntorch.Synaptic]


def test_the_python_of_the_page_on_training_trains_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    network = to_float(small_network())
    deploy.save(network, "other.nir")
    frames, labels = small_frames(), np.arange(9) % 3
    run_document("docs/training.md", {"frames": frames, "labels": labels})
    trained = load_network("trained.nir")
    assert trained.classes == network.classes and not np.array_equal(
        weight_of(trained, "conv1"), weight_of(network, "conv1")
    )


def weight_of(network: Network, name: str) -> Array:
    node = network.nodes[name]
    assert isinstance(node, Dense | Conv)
    return node.weight


def test_decays_learn_where_they_leak_and_only_if_asked() -> None:
    lif = _cells(2, keep=0.5, current_keep=np.array([0.25, 0.75], np.float32))
    network = chain(in_=Input(shape=(2,)), lif=lif, integrator=_cells(2, keep=1), output=Output())
    assert not list(to_torch(network).parameters())
    module = to_torch(network, learn_decays=True)
    assert {name for name, _ in module.named_parameters()} == {"nodes.lif.beta", "nodes.lif.alpha"}
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.fill_(1.5)
    trained = module.network().neurons["lif"]
    assert isinstance(trained, FloatNeuron) and trained.current_keep is not None
    assert np.all(trained.keep == 1) and np.all(trained.current_keep == 1), "a decay lies between 0 and 1"


def test_a_module_is_copied_and_saved_as_others_are() -> None:
    module = to_torch(branches())
    module(torch.from_numpy(FRAMES).transpose(0, 1))[-1].sum().backward()
    held = io.BytesIO()
    torch.save(module, held)
    held.seek(0)
    for other in (copy.deepcopy(module), torch.load(held, weights_only=False)):
        assert same_nodes(other.network(), module.network())
        assert all(
            np.array_equal(a, b)
            for a, b in zip(*(outputs_of(m, FRAMES).values() for m in (other, module)), strict=True)
        )
    assert all(tensor.grad_fn is None for tensor in module.buffers()), "it holds the graph of a batch that is over"


def test_making_one_draws_no_numbers_and_leaves_nothing_behind() -> None:
    torch.manual_seed(3)
    before, neurons = torch.get_rng_state(), len(snntorch.SpikingNeuron.instances)
    to_torch(branches())
    assert torch.equal(torch.get_rng_state(), before) and len(snntorch.SpikingNeuron.instances) == neurons


def test_what_it_cannot_be_is_refused_by_name() -> None:
    with pytest.raises(UnsupportedError, match="on the grid"):
        export.to_torch(small_network())

    class Odd(FloatNeuron):
        pass

    odd = Odd(**vars(_cells(2)))
    network = small(fc=Dense(weight=np.ones((2, 3), np.float32)), lif=odd)
    with pytest.raises(UnsupportedError, match="lif: a Odd"):
        to_torch(network)
    bare = chain(in_=Input(shape=(3,)), fc=Dense(weight=np.ones((2, 3), np.float32)), output=Output())
    with pytest.raises(ModelError, match="one layer of neurons"):
        to_torch(bare)
    module = to_torch(network.replace(nodes={**network.nodes, "lif": _cells(2)}))
    for shape in ((4, 2, 4), (4, 3), (0, 2, 3)):
        with pytest.raises(FramesError, match="takes \\(T, N, 3"):
            module(torch.zeros(shape))
