"""Networks of snnTorch, as its tutorials and examples have them: every spike is the network's."""

import numpy as np
import pytest
import snntorch as snn
import torch
import torch.nn.functional as F
from snntorch import surrogate, utils
from torch import Tensor, nn

import deploy
import export
from deploy.network import Network
from export.modules.refusal import ModuleRefusedError
from tests.export.modules.proving import batch_first, counts, louder, prove, spread, steps, time_first

KINDS = (snn.Leaky, snn.Synaptic, snn.RLeaky, snn.RSynaptic)
RESETS = [(mechanism, delay) for mechanism in ("subtract", "zero", "none") for delay in (True, False)]


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def rest(module: nn.Module) -> None:
    utils.reset(module)


class TwoLayers(nn.Module):
    """784-1000-10 of tutorial 5 (snntorch.readthedocs.io/en/latest/tutorials/tutorial_5.html), narrower: a loop over
    time, states by hand, spikes and potentials stacked."""

    def __init__(self, inputs: int = 20, hidden: int = 30, **options: object) -> None:
        super().__init__()
        self.fc1 = nn.Linear(inputs, hidden)
        self.lif1 = snn.Leaky(beta=0.95, **options)  # pyright: ignore[reportArgumentType]
        self.fc2 = nn.Linear(hidden, 10)
        self.lif2 = snn.Leaky(beta=0.95, **options)  # pyright: ignore[reportArgumentType]

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        mem1, mem2 = self.lif1.init_leaky(), self.lif2.init_leaky()
        spikes, potentials = [], []
        for step in range(len(x)):
            spk1, mem1 = self.lif1(self.fc1(x[step]), mem1)
            spk2, mem2 = self.lif2(self.fc2(spk1), mem2)
            spikes.append(spk2)
            potentials.append(mem2)
        return torch.stack(spikes), torch.stack(potentials)


@pytest.mark.parametrize(("mechanism", "delay"), RESETS)
def test_tutorial_5_with_every_reset(mechanism: str, delay: bool) -> None:
    # A soft reset at once is another from twice the threshold on: the threshold is so high that none gets there.
    threshold = 1.2 if (mechanism, delay) == ("subtract", False) else 0.5
    module = louder(TwoLayers(reset_mechanism=mechanism, reset_delay=delay, threshold=threshold), max(1, threshold))
    prove(module, counts(5, 20, 20), time_first, KINDS)


class Synapses(nn.Module):
    """784-1000-10 of second-order neurons, tutorial 4 and example_snn_synaptic; batch first, spikes added up."""

    def __init__(self, **options: object) -> None:
        super().__init__()
        self.fc1 = nn.Linear(20, 30)
        self.lif1 = snn.Synaptic(alpha=0.9, beta=0.8, **options)  # pyright: ignore[reportArgumentType]
        self.fc2 = nn.Linear(30, 10)
        self.lif2 = snn.Synaptic(alpha=0.9, beta=0.8, **options)  # pyright: ignore[reportArgumentType]

    def forward(self, x: Tensor) -> Tensor:
        (syn1, mem1), (syn2, mem2) = self.lif1.init_synaptic(), self.lif2.init_synaptic()
        total = 0.0
        for step in range(x.shape[1]):
            spk1, syn1, mem1 = self.lif1(self.fc1(x[:, step]), syn1, mem1)
            spk2, syn2, mem2 = self.lif2(self.fc2(spk1), syn2, mem2)
            total = total + spk2
        assert isinstance(total, Tensor)
        return total


@pytest.mark.parametrize("mechanism", ["subtract", "zero", "none"])
def test_synaptic_currents(mechanism: str) -> None:
    network = prove(Synapses(reset_mechanism=mechanism), counts(5, 15, 20), batch_first, KINDS)
    assert all(neuron.has_current for neuron in network.neurons.values())


class Recurrent(nn.Module):
    """RLeaky and RSynaptic as in their docstrings: a layer that hears itself, then a plain one."""

    def __init__(self, layer: nn.Module, inputs: int = 20) -> None:
        super().__init__()
        self.fc1, self.lif1 = nn.Linear(inputs, 30), layer
        self.fc2, self.lif2 = nn.Linear(30, 10), snn.Leaky(beta=0.8, threshold=0.3)

    def forward(self, x: Tensor) -> Tensor:
        states, mem2 = self.lif1.reset_mem(), self.lif2.init_leaky()  # pyright: ignore
        spikes = []
        for step in range(len(x)):
            spk1, *others = self.lif1(self.fc1(x[step]), *states)
            states = (spk1, *others)
            spk2, mem2 = self.lif2(self.fc2(spk1), mem2)
            spikes.append(spk2)
        return torch.stack(spikes)


@pytest.mark.parametrize("mechanism", ["subtract", "zero", "none"])
@pytest.mark.parametrize("everyone", [True, False], ids=["all-to-all", "one-to-one"])
@pytest.mark.parametrize("kind", ["RLeaky", "RSynaptic"])
def test_layers_that_hear_themselves(kind: str, everyone: bool, mechanism: str) -> None:
    how = {"linear_features": 30} if everyone else {"all_to_all": False, "V": torch.rand(30) * 0.5}
    options = {"reset_mechanism": mechanism, "threshold": 0.5, **how}
    layer = snn.RLeaky(beta=0.9, **options) if kind == "RLeaky" else snn.RSynaptic(alpha=0.5, beta=0.8, **options)  # pyright: ignore
    network = prove(Recurrent(layer), counts(5, 15, 20), time_first, KINDS)
    assert network.recurrent_edges == {("lif1_recurrent", "lif1")}


def test_images_that_hear_themselves_over_a_convolution() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(2, 4, 3, padding=1)
            self.lif = snn.RLeaky(beta=0.8, conv2d_channels=4, kernel_size=3, threshold=0.3, reset_mechanism="zero")

        def forward(self, x: Tensor, spk: Tensor | None = None, mem: Tensor | None = None) -> tuple[Tensor, ...]:
            return self.lif(self.conv(x), spk, mem)

    prove(Net().eval(), counts(3, 8, 2, 9, 9), lambda module, x: stepped(module, x, 2), KINDS)


def stepped(module: nn.Module, frames: Tensor, states: int) -> None:
    """A call a step, its states handed on."""
    kept: tuple[Tensor | None, ...] = (None,) * states
    for frame in frames.unbind(1):
        kept = tuple(module(frame, *kept)[-states:])


def tutorial_7(pool: nn.Module) -> nn.Sequential:
    """12C5-MP2-32C5-MP2-800FC10 of tutorials/tutorial_7.html, for 34 x 34 pixels; `pool` stands for MP2."""
    options = {"beta": 0.5, "spike_grad": surrogate.atan(), "init_hidden": True}
    return nn.Sequential(
        nn.Conv2d(2, 12, 5),
        pool,
        snn.Leaky(**options),  # pyright: ignore
        nn.Conv2d(12, 32, 5),
        pool,
        snn.Leaky(**options),  # pyright: ignore
        nn.Flatten(),
        nn.Linear(32 * 5 * 5, 10),
        snn.Leaky(**options, output=True),  # pyright: ignore
    )


def test_tutorial_7_with_average_pooling() -> None:
    module = louder(tutorial_7(nn.AvgPool2d(2)), 5)
    network = prove(module, counts(3, 6, 2, 34, 34), steps, KINDS, rest=rest)
    assert network.output_layer == "leaky_8" and network.nodes["leaky_8"].reset_delay  # pyright: ignore


def test_tutorial_7_as_printed_pools_currents_and_says_the_way_out() -> None:
    with pytest.raises(ModuleRefusedError, match=r"1, a MaxPool2d: max pooling of what are no spikes; pool the spikes"):
        prove(tutorial_7(nn.MaxPool2d(2)), counts(3, 6, 2, 34, 34), steps, KINDS)


def test_maximum_of_spikes_is_an_or() -> None:
    module = nn.Sequential(
        nn.Conv2d(2, 6, 5),
        snn.Leaky(beta=0.5, init_hidden=True, threshold=0.3),
        nn.MaxPool2d(3, stride=2, padding=1),
        nn.Conv2d(6, 8, 3),
        snn.Leaky(beta=0.5, init_hidden=True, threshold=0.3),
    )
    network = prove(louder(module, 2), counts(3, 6, 2, 15, 15), steps, KINDS, rest=rest)
    assert "maxpool2d_2" in network.neurons


def test_a_convolution_with_batch_norm_in_front_and_behind() -> None:
    norms = (nn.BatchNorm2d(2), nn.BatchNorm2d(6), nn.BatchNorm1d(6 * 25))
    leaky = {"beta": 0.8, "init_hidden": True, "threshold": 0.4}
    module = nn.Sequential(
        norms[0],
        nn.Conv2d(2, 6, 3, padding=1),
        norms[1],
        snn.Leaky(**leaky),  # pyright: ignore
        nn.AvgPool2d(2),
        nn.Flatten(),
        norms[2],
        nn.Linear(150, 8),
        snn.Leaky(**leaky),  # pyright: ignore
    )
    prove(spread(module), counts(3, 8, 2, 10, 10), steps, KINDS, rest=rest)


class Residual(nn.Module):
    """A block with a shortcut: spikes added to currents, and joined channel by channel."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.lif1 = nn.Conv2d(2, 4, 3, padding=1), snn.Leaky(beta=0.8, threshold=0.3)
        self.conv2, self.norm = nn.Conv2d(4, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4)
        self.lif2 = snn.Leaky(beta=0.7, threshold=0.4)
        self.conv3, self.lif3 = nn.Conv2d(8, 3, 3), snn.Leaky(beta=0.9, threshold=0.3, reset_mechanism="zero")
        self.fc = nn.Linear(3 * 7 * 7, 5)

    def forward(
        self, x: Tensor, mem1: Tensor | None = None, mem2: Tensor | None = None, mem3: Tensor | None = None
    ) -> tuple[Tensor, ...]:
        first, mem1 = self.lif1(self.conv1(x), mem1)
        second, mem2 = self.lif2(self.norm(self.conv2(first)) + first, mem2)
        third, mem3 = self.lif3(self.conv3(torch.cat([first, second], 1)), mem3)
        return self.fc(third.flatten(1)), mem1, mem2, mem3  # pyright: ignore[reportReturnType]


def test_a_residual_block_that_ends_in_a_plain_linear_layer() -> None:
    network = prove(spread(Residual()), counts(3, 8, 2, 9, 9), lambda module, x: stepped(module, x, 3), KINDS)
    assert network.output_layer == "readout" and len(network.sources("lif2")) == 2


class Regression(nn.Module):
    """Tutorial regression_1 as printed: decays and thresholds of each neuron at random, learned; one layer of neurons
    used in two places, by its two states; the potential is the output."""

    def __init__(self) -> None:
        super().__init__()
        grad = surrogate.fast_sigmoid()
        self.fc_in = nn.Linear(3, 16)
        self.lif_in = snn.Leaky(beta=torch.rand(16), threshold=torch.rand(16), learn_beta=True, spike_grad=grad)  # pyright: ignore
        self.fc_hidden = nn.Linear(16, 16)
        self.fc_out = nn.Linear(16, 1)
        self.li_out = snn.Leaky(
            beta=torch.rand(1), threshold=0.2, learn_beta=True, spike_grad=grad, reset_mechanism="none"
        )

    def forward(self, x: Tensor) -> Tensor:
        mem1, mem2, mem3 = self.lif_in.init_leaky(), torch.zeros(0), torch.zeros(0)
        potentials = []
        for step in range(len(x)):
            spk1, mem1 = self.lif_in(self.fc_in(x[step]), mem1)
            spk2, mem2 = self.li_out(self.fc_hidden(spk1), mem2)
            _, mem3 = self.li_out(self.fc_out(spk2), mem3)
            potentials.append(mem3)
        return torch.stack(potentials)


def test_the_regression_tutorial_uses_one_layer_in_two_places() -> None:
    module = louder(Regression(), 2)
    frames = counts(4, 12, 3, largest=4)
    with torch.no_grad():
        expected = module(torch.from_numpy(frames).float().transpose(0, 1)).transpose(0, 1).numpy()
    network = export.from_torch(module, frames)
    found = deploy.run(network, frames, on="float").layers[network.output_layer]
    assert found.is_readout and abs(found.output - expected).max() < 1e-4 * abs(expected).max()
    assert set(network.neurons) == {"lif_in", "li_out", "li_out_2"}


class Counting(nn.Module):
    """Counts in, parameters of each channel and neuron, mean over time out."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 6, 3)
        self.lif1 = snn.Leaky(beta=torch.rand(6, 1, 1), threshold=torch.rand(6, 1, 1) + 0.5, learn_threshold=True)  # pyright: ignore
        self.fc = nn.Linear(6 * 9, 10)
        self.lif2 = snn.Leaky(beta=torch.rand(10), threshold=0.3, learn_beta=True, graded_spikes_factor=0.5)

    def forward(self, x: Tensor) -> Tensor:
        mem1, mem2 = self.lif1.init_leaky(), self.lif2.init_leaky()
        out = torch.zeros(x.shape[1], len(x), 10)
        for step, frame in enumerate(x.unbind(1)):
            spk1, mem1 = self.lif1(self.conv(frame), mem1)
            pooled = F.dropout(F.avg_pool2d(spk1, 2), 0.5, self.training)
            out[step], mem2 = self.lif2(self.fc(pooled.view(len(x), -1)), mem2)
        return out.mean(0)


def test_counts_parameters_of_each_channel_and_graded_spikes() -> None:
    network = prove(louder(Counting(), 2), counts(4, 9, 2, 8, 8, largest=9), batch_first, KINDS)
    lif = network.neurons["lif1"]
    assert lif.keep.shape == (6, 1, 1) and lif.threshold.shape == (6, 1, 1)  # pyright: ignore


def test_a_population_code_in_a_sequential_with_hidden_states() -> None:
    """Tutorial pop: Flatten, 784-128-500 with hidden states; ten classes of fifty neurons each, added up."""

    class Voted(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            leaky = {"beta": 0.9, "init_hidden": True, "threshold": 0.4}
            self.net = nn.Sequential(
                nn.Flatten(),
                nn.Linear(50, 32),
                snn.Leaky(**leaky),
                nn.Linear(32, 40),
                snn.Leaky(**leaky),  # pyright: ignore
            )

        def forward(self, x: Tensor) -> Tensor:
            utils.reset(self.net)
            steps = torch.stack([self.net(frame) for frame in x])
            return steps.unflatten(2, (10, 4)).sum((0, 3))

    network = prove(louder(Voted(), 2), counts(4, 9, 2, 5, 5), time_first, KINDS)
    assert network.shapes["output"] == (10,) and network.output_layer == "readout"


def test_one_dimensional_convolutions() -> None:
    module = nn.Sequential(
        nn.Conv1d(3, 6, 5, stride=2, padding=2),
        snn.Leaky(beta=torch.rand(6, 1), init_hidden=True, threshold=0.3),
        nn.AvgPool1d(2),
        nn.Flatten(),
        nn.Linear(48, 5),
        snn.Leaky(beta=0.9, init_hidden=True, threshold=0.3),
    )
    network = prove(louder(module, 2), counts(4, 9, 3, 32), steps, KINDS, rest=rest)
    assert network.input_shape == (3, 1, 32)


class Delayed(nn.Module):
    """Every layer hears the layer before it of the step before: a pipeline, as some write their loops."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.lif1 = nn.Linear(12, 16), snn.Leaky(beta=0.8, threshold=0.4)
        self.fc2, self.lif2 = nn.Linear(16, 16), snn.Leaky(beta=0.8, threshold=0.3)
        self.back = nn.Linear(16, 16)

    def forward(self, x: Tensor) -> Tensor:
        mem1, mem2 = self.lif1.init_leaky(), self.lif2.init_leaky()
        before, heard = torch.zeros(x.shape[1], 16), torch.zeros(x.shape[1], 16)
        out = []
        for frame in x:
            spk1, mem1 = self.lif1(self.fc1(frame) + self.back(heard), mem1)
            heard, mem2 = self.lif2(self.fc2(before), mem2)
            before = spk1
            out.append(heard)
        return torch.stack(out)


def test_values_of_the_step_before_are_delays_and_feedback() -> None:
    network: Network = prove(louder(Delayed(), 2), counts(5, 12, 12), time_first, KINDS)
    assert network.recurrent_edges == {("back", "lif1")} and "fc2" in network.nodes
    assert any(type(node).__name__ == "Delay" for node in network.nodes.values())


class LastLayer(TwoLayers):
    """Ends in a linear layer over what it gathered over time."""

    def __init__(self, how: str) -> None:
        super().__init__(threshold=0.5)
        self.how, self.last = how, nn.Linear(10, 4, bias=how != "sum")

    def forward(self, x: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        spikes = super().forward(x)[0]
        return self.last(spikes.mean(0) if self.how == "mean" else spikes.sum(0))


@pytest.mark.parametrize("how", ["mean", "sum"])
def test_a_linear_layer_over_a_mean_or_sum_over_time(how: str) -> None:
    module, frames = LastLayer(how), counts(5, 12, 20)
    network = prove(module, frames, time_first, KINDS)
    with torch.no_grad():
        expected = module(torch.from_numpy(frames).float().transpose(0, 1)).numpy()
    found = deploy.run(network, frames, on="float").layers["readout"].output[:, -1]
    found = found / frames.shape[1] if how == "mean" else found
    assert network.output_layer == "readout" and np.allclose(found, expected, atol=1e-5)


def test_a_bias_that_is_added_once_to_a_sum_over_time_is_refused() -> None:
    module = LastLayer("other")
    with pytest.raises(ModuleRefusedError, match=r"\(last, a Linear\): adds its bias once to a sum over all steps"):
        export.from_torch(module, counts(5, 12, 20))


def test_a_layer_of_neurons_behind_a_sum_over_time_is_refused() -> None:
    class Late(TwoLayers):
        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            spikes = []
            mem1, mem2 = self.lif1.init_leaky(), self.lif2.init_leaky()
            for frame in x:
                spk1, mem1 = self.lif1(self.fc1(frame), mem1)
                spikes.append(spk1)
            return self.lif2(self.fc2(torch.stack(spikes).sum(0)), mem2)

    with pytest.raises(ModuleRefusedError, match=r"runs in 1 of 12 steps|sees many steps|begin again"):
        export.from_torch(Late(threshold=0.5), counts(5, 12, 20), layout="time-first")
