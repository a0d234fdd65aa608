"""Networks of norse, those of its own models and tasks among them: every spike is the network's."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import export
from export.modules.refusal import ModuleRefusedError
from tests.export.modules.proving import counts, louder, prove, spread, time_first

norse = pytest.importorskip("norse.torch", reason="norse is not installed")
pytestmark = pytest.mark.filterwarnings("ignore")

from norse.torch.functional.iaf import IAFParameters  # noqa: E402 # pyright: ignore
from norse.torch.functional.lif import LIFParameters  # noqa: E402 # pyright: ignore
from norse.torch.functional.lif_box import LIFBoxParameters  # noqa: E402 # pyright: ignore
from norse.torch.functional.reset import reset_subtract  # noqa: E402 # pyright: ignore
from norse.torch.models.conv import ConvNet  # noqa: E402 # pyright: ignore
from norse.torch.module.iaf import IAF, IAFCell  # noqa: E402 # pyright: ignore
from norse.torch.module.leaky_integrator import LI, LICell, LILinearCell  # noqa: E402 # pyright: ignore
from norse.torch.module.lif import LIF, LIFCell, LIFRecurrent, LIFRecurrentCell  # noqa: E402 # pyright: ignore
from norse.torch.module.lif_box import LIFBoxCell  # noqa: E402 # pyright: ignore

CELLS = (IAFCell, LIFBoxCell, LIFCell, LIFRecurrentCell, LICell, LILinearCell)
OVER_TIME = (IAF, LIF, LIFRecurrent, LI)


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def stepped(module: nn.Module, frames: Tensor) -> None:
    """A call a step, the state handed on, as norse's SequentialState has it."""
    state = None
    for frame in frames.unbind(1):
        _, state = module(frame, state)


def two(first: nn.Module, second: nn.Module, factor: float) -> nn.Module:
    return louder(norse.SequentialState(nn.Linear(20, 30), first, nn.Linear(30, 10), second), factor)


BOX = {"tau_mem_inv": torch.tensor(200.0)}
FASTER = {"tau_mem_inv": torch.tensor(300.0), "tau_syn_inv": torch.tensor(100.0)}
CELL_CASES: dict[str, Any] = {
    "box": lambda: LIFBoxCell(LIFBoxParameters(**BOX)),
    "box-soft": lambda: LIFBoxCell(LIFBoxParameters(**BOX, reset_method=reset_subtract)),
    "box-leak": lambda: LIFBoxCell(LIFBoxParameters(**BOX, v_leak=torch.tensor(0.2), v_reset=torch.tensor(-0.3))),
    "box-dt": lambda: LIFBoxCell(LIFBoxParameters(**BOX), dt=0.002),
    "lif": lambda: LIFCell(LIFParameters(**FASTER)),
    "lif-reset": lambda: LIFCell(LIFParameters(**FASTER, v_reset=torch.tensor(-0.5), v_leak=torch.tensor(0.1))),
    "lif-heaviside": lambda: LIFCell(LIFParameters(**FASTER, method="heaviside")),
    "iaf": lambda: IAFCell(IAFParameters(v_th=torch.tensor(2.0))),
    "iaf-below": lambda: IAFCell(IAFParameters(v_th=torch.tensor(2.0), v_reset=torch.tensor(-0.5))),
}


@pytest.mark.parametrize("case", CELL_CASES)
def test_every_cell_step_by_step(case: str) -> None:
    make = CELL_CASES[case]
    network = prove(two(make(), make(), 8), counts(4, 15, 20), stepped, CELLS)
    assert network.dt == (0.002 if case == "box-dt" else pytest.approx(0.001))


@pytest.mark.parametrize("make", [lambda: LIF(LIFParameters(**FASTER)), lambda: IAF()], ids=["lif", "iaf"])
def test_sequences(make: Any) -> None:
    prove(two(make(), make(), 6), counts(4, 15, 20), time_first, OVER_TIME)


def test_parameters_of_each_neuron() -> None:
    several = LIFParameters(tau_mem_inv=torch.rand(30) * 300 + 100, v_th=torch.rand(30) * 0.5 + 0.3)
    network = prove(two(LIFCell(several), LIFCell(), 8), counts(4, 15, 20), stepped, CELLS)
    assert network.neurons["lifcell_1"].keep.shape == (30,)  # pyright: ignore


def test_a_recurrent_cell_hears_its_own_spikes() -> None:
    module = louder(norse.SequentialState(LIFRecurrentCell(20, 30), nn.Linear(30, 10), LIFCell()), 8)
    network = prove(module, counts(4, 20, 20), stepped, CELLS)
    assert len(network.recurrent_edges) == 1


def test_recurrent_sequences() -> None:
    module = norse.SequentialState(LIFRecurrent(20, 30), LIFRecurrent(30, 16))
    network = prove(module.eval(), counts(4, 20, 20), time_first, OVER_TIME)
    assert len(network.recurrent_edges) == 2


def test_the_convolutional_network_of_its_own_models() -> None:
    """norse.torch.models.conv.ConvNet as it stands: maxima of spikes, a factor of 10, a leaky integrator at the end."""
    module = louder(ConvNet(num_channels=1, feature_size=20), 4)
    network = prove(module, counts(2, 12, 1, 20, 20), time_first, CELLS)
    assert network.output_layer == "out" and network.neurons["out"].is_readout


def test_a_lifted_convolution_and_a_leaky_integrator_over_time() -> None:
    module = norse.SequentialState(
        norse.Lift(nn.Conv2d(2, 6, 5, bias=False)), LIF(), nn.Flatten(2), nn.Linear(6 * 64, 10), LI()
    )
    network = prove(louder(module, 8), counts(3, 12, 2, 12, 12), time_first, OVER_TIME)
    assert network.output_layer == "li_4"


class Residual(nn.Module):
    """Convolution, batch norm, average pooling and a shortcut, states by hand, counts as input."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.norm1, self.lif1 = nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4), LIFCell()
        self.conv2, self.lif2 = nn.Conv2d(4, 4, 3, padding=1), LIFBoxCell(LIFBoxParameters(**BOX))
        self.fc, self.lif3 = nn.Linear(4 * 16, 10), IAFCell()

    def forward(self, x: Tensor) -> Tensor:
        s1 = s2 = s3 = None
        out = []
        for frame in x:
            first, s1 = self.lif1(self.norm1(self.conv1(frame)), s1)
            second, s2 = self.lif2(self.conv2(first) + 2 * first, s2)
            z, s3 = self.lif3(self.fc(nn.functional.avg_pool2d(second, 2).flatten(1)), s3)
            out.append(z)
        return torch.stack(out)


def test_a_residual_network_of_three_kinds_of_neurons() -> None:
    prove(spread(louder(Residual(), 3)), counts(3, 15, 2, 8, 8, largest=5), time_first, CELLS)


def test_a_neuron_type_that_is_not_known_is_named() -> None:
    module = nn.Sequential(nn.Linear(20, 30), norse.LIFAdExCell())
    with pytest.raises(ModuleRefusedError, match=r"1, a LIFAdExCell: a LIFAdExCell; of norse, LIFBoxCell"):
        export.from_torch(module, counts(3, 5, 20))
