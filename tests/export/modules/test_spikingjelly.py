"""Networks of spikingjelly, those of its own model folder among them: every spike is the network's."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import deploy
import export
from tests.export.modules.proving import batch_first, counts, louder, prove, spread, steps, time_first

pytest.importorskip("spikingjelly", reason="spikingjelly is not installed")
pytestmark = pytest.mark.filterwarnings("ignore")

from spikingjelly.activation_based import functional, layer, neuron, surrogate  # noqa: E402 # pyright: ignore
from spikingjelly.activation_based.model import parametric_lif_net  # noqa: E402 # pyright: ignore

KINDS = (neuron.IFNode, neuron.LIFNode, neuron.ParametricLIFNode)


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def rest(module: nn.Module) -> None:
    functional.reset_net(module)


def over_time(module: nn.Module) -> nn.Module:
    functional.set_step_mode(module, "m")
    return module


NEURONS = [
    (neuron.IFNode, {}),
    (neuron.LIFNode, {"tau": 2.0, "decay_input": True}),
    (neuron.LIFNode, {"tau": 3.0, "decay_input": False}),
    (neuron.ParametricLIFNode, {"init_tau": 2.0, "decay_input": True}),
    (neuron.ParametricLIFNode, {"init_tau": 3.0, "decay_input": False}),
]


def dense(kind: Any, **options: Any) -> nn.Module:
    """Flatten-Linear-neurons of examples/lif_fc_mnist (docs 4_fc_mnist), with a layer between."""
    return nn.Sequential(
        layer.Flatten(), layer.Linear(50, 32), kind(**options), layer.Linear(32, 10, bias=False), kind(**options)
    )


@pytest.mark.parametrize("v_reset", [0.0, None, -0.25], ids=["hard", "soft", "below"])
@pytest.mark.parametrize(("kind", "options"), NEURONS)
def test_every_neuron_and_reset_step_by_step_and_over_time(kind: Any, options: dict[str, Any], v_reset: Any) -> None:
    module = louder(dense(kind, v_reset=v_reset, v_threshold=0.6, **options), 4)
    frames = counts(4, 9, 2, 5, 5)
    alone = prove(module, frames, steps, KINDS, rest=rest)
    rest(module)
    whole = prove(over_time(module), frames, time_first, KINDS, rest=rest)
    assert deploy.compare(deploy.run(alone, frames, on="float"), deploy.run(whole, frames, on="float"))


def test_neurons_fire_at_the_threshold_itself() -> None:
    # 0.25 + 0.25 is the threshold exactly: v >= v_threshold, where a network has v > threshold.
    module = nn.Sequential(nn.Linear(1, 1, bias=False), neuron.IFNode(v_threshold=0.5))
    with torch.no_grad():
        module[0].weight.fill_(0.25)  # pyright: ignore
    network = prove(module, counts(2, 9, 1, rate=1.0), steps, KINDS, rest=rest)
    frames = counts(2, 9, 1, rate=1.0)
    assert deploy.run(network, frames, on="float").layers["ifnode_1"].output.sum() == 2 * 4


class Net(nn.Module):
    """The convolutional network of docs 4_conv_fashion_mnist: convolution, batch norm, neurons, maximum of spikes,
    twice; dense layers; the mean over time."""

    def __init__(self, channels: int = 8) -> None:
        super().__init__()
        grad = surrogate.ATan()
        self.conv_fc = nn.Sequential(
            layer.Conv2d(1, channels, 3, padding=1, bias=False),
            layer.BatchNorm2d(channels),
            neuron.IFNode(surrogate_function=grad),
            layer.MaxPool2d(2, 2),
            layer.Conv2d(channels, channels, 3, padding=1, bias=False),
            layer.BatchNorm2d(channels),
            neuron.IFNode(surrogate_function=grad),
            layer.MaxPool2d(2, 2),
            layer.Flatten(),
            layer.Linear(channels * 16, 40, bias=False),
            neuron.IFNode(surrogate_function=grad),
            layer.Linear(40, 10, bias=False),
            neuron.IFNode(surrogate_function=grad),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.conv_fc(x).mean(0)


def test_a_convolutional_network_over_time() -> None:
    network = prove(spread(louder(over_time(Net()), 3)), counts(3, 6, 1, 16, 16), time_first, KINDS, rest=rest)
    assert network.output_layer == "conv_fc_12"


@pytest.mark.parametrize(
    ("make", "shape"),
    [(parametric_lif_net.MNISTNet, (1, 28, 28)), (parametric_lif_net.NMNISTNet, (2, 34, 34))],
    ids=["mnist", "nmnist"],
)
def test_networks_of_its_own_model_folder(make: Any, shape: tuple[int, ...]) -> None:
    """Of Fang et al., ICCV 2021 (arXiv 2007.05785), as the package has them, with fewer channels; ten neurons vote."""
    module = make(
        channels=6, spiking_neuron=neuron.ParametricLIFNode, surrogate_function=surrogate.ATan(), detach_reset=True
    )
    network = prove(spread(louder(over_time(module), 4)), counts(2, 5, *shape), time_first, KINDS, rest=rest)
    assert network.output_layer == "readout" and network.shapes["output"] == (10,)


def test_the_gesture_network_of_its_own_model_folder() -> None:
    module = parametric_lif_net.DVSGestureNet(
        channels=4, spiking_neuron=neuron.LIFNode, surrogate_function=surrogate.ATan(), detach_reset=True
    )
    prove(spread(louder(over_time(module), 5)), counts(2, 4, 2, 128, 128), time_first, KINDS, rest=rest)


class SewBlock(nn.Module):
    """A spike-element-wise block (Fang et al., NeurIPS 2021, arXiv 2102.04159): spikes are added, or joined."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how = how
        self.stem = nn.Sequential(layer.Conv2d(2, 6, 3, padding=1, bias=False), layer.BatchNorm2d(6), neuron.IFNode())
        self.conv = nn.Sequential(
            layer.Conv2d(6, 6, 3, padding=1, bias=False),
            layer.BatchNorm2d(6),
            neuron.IFNode(),
            layer.Conv2d(6, 6, 3, padding=1, bias=False),
            layer.BatchNorm2d(6),
            neuron.IFNode(),
        )
        self.pool = layer.AdaptiveAvgPool2d((1, 1))
        self.fc = layer.Linear(12 if how == "join" else 6, 10)
        functional.set_step_mode(self, "m")

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        out = self.conv(x)
        out = torch.cat([out, x], 2) if self.how == "join" else out + x
        return self.fc(torch.flatten(self.pool(out), 2))


@pytest.mark.parametrize("how", ["add", "join"])
def test_residual_blocks_of_spikes(how: str) -> None:
    network = prove(spread(louder(SewBlock(how), 3)), counts(3, 6, 2, 8, 8), time_first, KINDS, rest=rest)
    assert network.output_layer == "readout"


def test_the_maximum_of_added_spikes_is_refused() -> None:
    class Added(SewBlock):
        def forward(self, x: Tensor) -> Tensor:
            x = self.stem(x)
            return nn.functional.max_pool2d((self.conv(x) + x).flatten(0, 1), 2)

    with pytest.raises(export.modules.refusal.ModuleRefusedError, match="max pooling of what are no spikes"):
        export.from_torch(louder(Added("add"), 3), counts(3, 6, 2, 8, 8), layout="time-first")


def test_containers_that_feed_back() -> None:
    """LinearRecurrentContainer and ElementWiseRecurrentContainer (docs 7_rsnn_sequential_fmnist: FeedBackNet)."""
    module = nn.Sequential(
        layer.Linear(20, 30),
        layer.LinearRecurrentContainer(neuron.IFNode(), in_features=30, out_features=30),
        layer.Linear(30, 16),
        layer.ElementWiseRecurrentContainer(neuron.IFNode(), lambda x, y: x + y),
        layer.Linear(16, 10),
        neuron.IFNode(),
    )
    network = prove(louder(module, 2), counts(4, 9, 20), steps, KINDS, rest=rest)
    assert len(network.recurrent_edges) == 2


class Loop(nn.Module):
    """A loop over time inside forward that adds up spikes, batch first (examples/lif_fc_mnist)."""

    def __init__(self) -> None:
        super().__init__()
        self.net = dense(neuron.LIFNode, tau=2.0, v_reset=None)

    def forward(self, x: Tensor) -> Tensor:
        functional.reset_net(self)
        fired: Any = 0.0
        for frame in x.unbind(1):
            fired += self.net(frame)
        return fired / x.shape[1]


def test_a_loop_that_adds_up_spikes_in_place() -> None:
    network = prove(louder(Loop(), 4), counts(4, 9, 2, 5, 5, largest=3), batch_first, KINDS)
    assert network.output_layer == "net_4"
