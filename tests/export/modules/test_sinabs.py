"""Networks of sinabs with one spike a step: every spike is the network's. What gives several is refused by name."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import export
from export.modules.refusal import ModuleRefusedError
from tests.export.modules.proving import batch_first, counts, louder, prove, spread

pytest.importorskip("sinabs", reason="sinabs is not installed")
pytestmark = pytest.mark.filterwarnings("ignore")

import sinabs.layers as sl  # noqa: E402 # pyright: ignore
from sinabs.activation import (  # noqa: E402 # pyright: ignore
    MaxSpike,
    MembraneReset,
    MembraneSubtract,
    MultiSpike,
    SingleSpike,
)
from sinabs.from_torch import from_model  # noqa: E402 # pyright: ignore

KINDS = (sl.LIF,)
"""All neurons of sinabs are derived from it."""
ONE: dict[str, Any] = {"spike_fn": SingleSpike}


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def rest(module: nn.Module) -> None:
    for layer in module.modules():
        if isinstance(layer, sl.StatefulLayer):
            for name in ("v_mem", "i_syn"):
                if getattr(layer, name, None) is not None:
                    layer.register_buffer(name, torch.zeros(0))


NEURONS: dict[str, Any] = {
    "iaf": lambda: sl.IAF(**ONE),
    "iaf-hard": lambda: sl.IAF(**ONE, reset_fn=MembraneReset()),
    "iaf-max-one": lambda: sl.IAF(spike_fn=MaxSpike(1)),
    "iaf-half": lambda: sl.IAF(**ONE, reset_fn=MembraneSubtract(0.5)),
    "iaf-current": lambda: sl.IAF(**ONE, tau_syn=4.0),
    "lif": lambda: sl.LIF(tau_mem=10.0, **ONE, norm_input=False),
    "lif-normed": lambda: sl.LIF(tau_mem=3.0, **ONE, norm_input=True, spike_threshold=torch.tensor(0.3)),
    "lif-current": lambda: sl.LIF(tau_mem=10.0, tau_syn=5.0, **ONE, norm_input=False),
    "lif-alphas": lambda: sl.LIF(tau_mem=6.0, tau_syn=3.0, **ONE, train_alphas=True, norm_input=False),
}


@pytest.mark.parametrize("case", NEURONS)
def test_every_neuron(case: str) -> None:
    module = nn.Sequential(nn.Linear(20, 30), NEURONS[case](), nn.Linear(30, 10), NEURONS[case]())
    prove(louder(module, 3), counts(4, 12, 20), batch_first, KINDS, rest=rest)


def test_time_constants_of_each_neuron() -> None:
    several = sl.LIF(tau_mem=torch.rand(30) * 10 + 3, **ONE, norm_input=False)
    module = louder(nn.Sequential(nn.Linear(20, 30), several, nn.Linear(30, 10), sl.IAF(**ONE)), 2)
    network = prove(module, counts(4, 12, 20), batch_first, KINDS, rest=rest)
    assert network.neurons["lif_1"].keep.shape == (30,)  # pyright: ignore


@pytest.mark.parametrize("deep", [False, True])
def test_layers_that_hear_themselves_and_a_leak_at_the_end(deep: bool) -> None:
    back = nn.Sequential(nn.Linear(30, 8, bias=False), nn.Linear(8, 30)) if deep else nn.Linear(30, 30)
    module = nn.Sequential(
        nn.Linear(20, 30),
        sl.LIFRecurrent(tau_mem=10.0, norm_input=False, rec_connect=back, **ONE),
        nn.Linear(30, 12),
        sl.IAFRecurrent(rec_connect=nn.Linear(12, 12, bias=False), **ONE),
        nn.Linear(12, 5),
        sl.ExpLeak(tau_mem=10.0),
    )
    network = prove(louder(module, 2), counts(4, 12, 20), batch_first, KINDS, rest=rest)
    assert len(network.recurrent_edges) == 2 and network.neurons["expleak_5"].is_readout


class Squeezed(nn.Module):
    """The convolutional network of docs/getting_started/quickstart with squeezed neurons, batch and time in one axis:
    convolutions without biases, sums and averages over windows, dropout."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(2, 8, 5, bias=False),
            sl.IAFSqueeze(num_timesteps=steps, **ONE),
            sl.SumPool2d(2),
            nn.Conv2d(8, 8, 3, bias=False),
            sl.IAFSqueeze(num_timesteps=steps, **ONE),
            nn.AvgPool2d(2),
            nn.Dropout(0.5),
            nn.Flatten(),
            nn.Linear(8 * 4, 10, bias=False),
            sl.IAFSqueeze(num_timesteps=steps, **ONE),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x.flatten(0, 1)).unflatten(0, x.shape[:2])


def test_squeezed_convolutions() -> None:
    prove(louder(Squeezed(9), 2), counts(3, 9, 2, 16, 16, largest=3), batch_first, KINDS, rest=rest)


def test_a_network_converted_by_sinabs_itself() -> None:
    """from_model of docs/getting_started/quickstart, which takes one recording a call."""
    plain = nn.Sequential(
        nn.Conv2d(1, 6, 5, bias=False),
        nn.ReLU(),
        nn.AvgPool2d(2),
        nn.Conv2d(6, 8, 3, bias=False),
        nn.ReLU(),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Linear(8 * 4, 10, bias=False),
        nn.ReLU(),
    )
    module = from_model(louder(plain, 3), batch_size=1, spike_fn=SingleSpike, min_v_mem=None).spiking_model

    def one_by_one(module: nn.Module, frames: Tensor) -> None:
        outputs = []
        for recording in frames:
            rest(module)
            outputs.append(module(recording))

    frames = counts(1, 9, 1, 16, 16)
    network = prove(module, frames, one_by_one, KINDS, rest=rest)
    assert network.output_layer == "iafsqueeze_8"


def test_a_residual_network_with_batch_norm() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem = nn.Sequential(sl.FlattenTime(), nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4))
            self.lif1, self.lif2, self.lif3 = (sl.LIF(tau_mem=8.0, **ONE, norm_input=False) for _ in range(3))
            self.conv = sl.Repeat(nn.Conv2d(4, 4, 3, padding=1))
            self.merge, self.fc = sl.Merge(), nn.Linear(4 * 64, 10)

        def forward(self, x: Tensor) -> Tensor:
            first = self.lif1(self.stem(x).unflatten(0, x.shape[:2]))
            second = self.lif2(self.merge(self.conv(first), first))
            return self.lif3(self.fc(second.flatten(2)))

    network = prove(spread(louder(Net(), 2)), counts(3, 9, 2, 8, 8), batch_first, KINDS, rest=rest)
    assert len(network.sources("lif2")) == 2


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda: sl.IAF(), "MultiSpike, which gives several spikes in a step; use spike_fn=SingleSpike"),
        (lambda: sl.IAF(spike_fn=MaxSpike(3)), "MaxSpike, which gives several spikes"),
        (lambda: sl.IAF(**ONE, min_v_mem=-1.0), "a lower bound of the potential, min_v_mem"),
        (lambda: sl.IAF(**ONE, reset_fn=MembraneReset(0.1)), r"the reset MembraneReset\(reset_value=0.1\)"),
        (lambda: sl.ALIF(tau_mem=10.0, tau_adapt=10.0), "a ALIF; of sinabs, IAF, LIF"),
    ],
)
def test_what_no_network_says_is_refused_by_name(make: Any, why: str) -> None:
    assert MultiSpike is not SingleSpike
    with pytest.raises(ModuleRefusedError, match=f"^1, a .*: {why}"):
        export.from_torch(louder(nn.Sequential(nn.Linear(20, 30), make()), 3), counts(4, 12, 20))
