"""What no network says is refused in one line that names it and the user's line; the module is left as it was."""

import inspect
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import snntorch as snn
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import export
from deploy.errors import FramesError
from export.modules.refusal import LayoutError, ModuleRefusedError
from tests.export.modules.proving import counts, louder

FRAMES = counts(3, 6, 2, 8, 8)


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


class Net(nn.Module):
    """A convolution and a dense layer; `hook` stands where others do something odd."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 4, 3)
        self.lif1 = snn.Leaky(beta=0.8, threshold=0.3)
        self.fc = nn.Linear(4 * 36, 6)
        self.lif2 = snn.Leaky(beta=0.8, threshold=0.3)

    def hook(self, x: Tensor) -> Tensor:
        return x

    def forward(self, x: Tensor) -> Tensor:
        mem1, mem2 = self.lif1.init_leaky(), self.lif2.init_leaky()
        out = []
        for frame in x.unbind(1):
            spk1, mem1 = self.lif1(self.hook(self.conv(frame)), mem1)
            spk2, mem2 = self.lif2(self.fc(spk1.flatten(1)), mem2)
            out.append(spk2)
        return torch.stack(out, 1)


class Softmax(Net):
    def hook(self, x: Tensor) -> Tensor:
        return torch.softmax(x, 1)


class Squared(Net):
    def hook(self, x: Tensor) -> Tensor:
        return x * x


class Noisy(Net):
    def hook(self, x: Tensor) -> Tensor:
        return x + torch.randn_like(x)


class Decides(Net):
    def hook(self, x: Tensor) -> Tensor:
        return x if x.mean().item() > 0 else -x


class Moves(Net):
    def hook(self, x: Tensor) -> Tensor:
        return x.to("meta")


class Halves(Net):
    def hook(self, x: Tensor) -> Tensor:
        return x.half().float()


class PoolsCurrents(Net):
    def hook(self, x: Tensor) -> Tensor:
        return F.max_pool2d(x, 3, 1, 1)


class Rectifies(Net):
    def hook(self, x: Tensor) -> Tensor:
        return F.relu(x)


class Normalizes(Net):
    def hook(self, x: Tensor) -> Tensor:
        return F.batch_norm(x, None, None, training=True)


def line_of(kind: type) -> int:
    """The line on which its hook does what it does."""
    return inspect.getsourcelines(kind.hook)[1] + 1  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        (Softmax, "softmax cannot be followed"),
        (Squared, "mul of two values that depend on the frames"),
        (Noisy, "randn_like draws random numbers"),
        (Decides, r"item\(\) reads values that depend on the frames"),
        (Moves, "to moves to the device meta"),
        (Halves, "computes in torch.float16"),
        (
            PoolsCurrents,
            "max pooling of what are no spikes; pool the spikes behind the neurons, or use average pooling",
        ),
        (Rectifies, "relu cannot be followed"),
        (Normalizes, "a batch norm that takes its statistics from the batch"),
    ],
)
def test_an_operation_that_cannot_be_followed_is_named_with_its_line(kind: type[Net], why: str) -> None:
    with pytest.raises(ModuleRefusedError, match=rf"test_module_refusals\.py:{line_of(kind)}[: ].*{why}") as refused:
        export.from_torch(louder(kind(), 3), FRAMES)
    assert "\n" not in str(refused.value)


def test_what_is_never_used_may_be_anything() -> None:
    class Watches(Net):
        def hook(self, x: Tensor) -> Tensor:
            self.rate = torch.softmax(x, 1).max()
            return x

    assert export.from_torch(louder(Watches(), 3), FRAMES).neurons


def test_a_translation_that_differs_is_told_with_its_first_difference_and_line() -> None:
    """snnTorch's soft reset at once takes nothing off where the potential stays above the threshold; ours does."""
    module = nn.Sequential(
        nn.Flatten(), nn.Linear(128, 30), snn.Leaky(beta=0.95, init_hidden=True, reset_delay=False, threshold=0.4)
    )
    with pytest.raises(
        ModuleRefusedError,
        match=r"^2, a Leaky: the network made from the module differs from it, first in layer leaky_2, recording \d+, "
        r"step \d+, neuron \(\d+,\): the module gives (none, the network a spike|a spike, the network none)",
    ):
        export.from_torch(louder(module, 1.5), counts(3, 20, 2, 8, 8))


class Keeps(Net):
    """Something else every time it runs, without random numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.runs = 0

    def hook(self, x: Tensor) -> Tensor:
        self.runs += 1
        return x * (1 + self.runs / 20)


def test_a_module_that_changes_from_call_to_call() -> None:
    with pytest.raises(ModuleRefusedError, match=r"step \d does something else than step 5|a second time"):
        export.from_torch(louder(Keeps(), 3), FRAMES)


class Counts(Net):
    """The same within a run, something else in the next."""

    def __init__(self) -> None:
        super().__init__()
        self.runs = 0

    def forward(self, x: Tensor) -> Tensor:
        self.runs += 1
        return super().forward(x)

    def hook(self, x: Tensor) -> Tensor:
        return x * (1 + self.runs / 5)


def test_a_module_that_changes_from_run_to_run() -> None:
    with pytest.raises(
        ModuleRefusedError, match=r"lif1, a Leaky\): gives something else when the module runs a second"
    ):
        export.from_torch(louder(Counts(), 3), FRAMES)


@pytest.mark.parametrize("draw", [random.random, np.random.random], ids=["python", "numpy"])
def test_random_numbers_of_python_and_numpy(draw: Any) -> None:
    class Draws(Net):
        def forward(self, x: Tensor) -> Tensor:
            draw()
            return super().forward(x)

    with pytest.raises(ModuleRefusedError, match="draws random numbers"):
        export.from_torch(louder(Draws(), 3), FRAMES)


def test_neurons_that_begin_again_in_the_middle() -> None:
    class Forgets(Net):
        def hook(self, x: Tensor) -> Tensor:
            self.lif2.mem = torch.zeros(0)
            return x

        def forward(self, x: Tensor) -> Tensor:
            mem1 = self.lif1.init_leaky()
            out = []
            for frame in x.unbind(1):
                spk1, mem1 = self.lif1(self.hook(self.conv(frame)), mem1)
                out.append(self.lif2(self.fc(spk1.flatten(1)))[0])
            return torch.stack(out, 1)

    with pytest.raises(ModuleRefusedError, match="begin again from rest in the middle"):
        export.from_torch(louder(Forgets(), 3), FRAMES, layout="batch-first")


def test_a_potential_that_does_not_start_at_rest() -> None:
    class Begins(Net):
        def forward(self, x: Tensor) -> Tensor:
            mem = torch.full((len(x), 4, 6, 6), 0.5)
            return torch.stack([self.lif1(self.conv(frame), mem)[0] for frame in x.unbind(1)], 1)

    with pytest.raises(ModuleRefusedError, match="begin with a potential of their own"):
        export.from_torch(Begins(), FRAMES, layout="batch-first")


def test_a_potential_as_output_of_neurons_that_reset() -> None:
    class Gives(Net):
        def forward(self, x: Tensor) -> Tensor:
            mem = self.lif1.init_leaky()
            out = []
            for frame in x.unbind(1):
                _, mem = self.lif1(self.conv(frame), mem)
                out.append(mem)
            return torch.stack(out, 1)

    with pytest.raises(
        ModuleRefusedError, match=r"lif1, a Leaky\): the module gives the potential of neurons that reset"
    ):
        export.from_torch(louder(Gives(), 3), FRAMES)


def test_neurons_of_ones_own_and_unknown_ones_of_a_library() -> None:
    class MyLeaky(snn.Leaky):
        pass

    for neurons, why in (
        (MyLeaky(beta=0.9, init_hidden=True), "1, a MyLeaky: a MyLeaky; of snntorch, Leaky, Synaptic, RLeaky"),  # pyright: ignore
        (snn.Lapicque(beta=0.9, init_hidden=True), "1, a Lapicque: a Lapicque; of snntorch"),  # pyright: ignore
        (
            snn.Leaky(beta=0.9, init_hidden=True, state_quant=torch.round),  # pyright: ignore
            "1, a Leaky: state_quant, which no network has",
        ),
    ):
        with pytest.raises(ModuleRefusedError, match=why):
            export.from_torch(nn.Sequential(nn.Linear(4, 4), neurons), counts(3, 5, 4))
    with pytest.raises(ModuleRefusedError, match="no layer of it is a neuron of snntorch, spikingjelly, norse, sinabs"):
        export.from_torch(nn.Sequential(nn.Linear(4, 4), nn.ReLU()), counts(3, 5, 4))


def test_silence_proves_nothing() -> None:
    module = nn.Sequential(nn.Linear(4, 4), snn.Leaky(beta=0.9, init_hidden=True, threshold=100.0))
    with pytest.raises(ModuleRefusedError, match="layer leaky_1 never spikes on these frames"):
        export.from_torch(module, counts(3, 5, 4))


@pytest.mark.parametrize(
    ("frames", "why"),
    [
        (np.zeros((3, 2, 4), np.uint8), "2 steps do not show what feeds back"),
        (np.zeros((3, 5), np.uint8), "numpy array"),
        (np.full((3, 5, 4), np.nan, np.float32), "finite"),
        ([[1]], "numpy array"),
    ],
)
def test_frames_that_are_none(frames: Any, why: str) -> None:
    module = nn.Sequential(nn.Linear(4, 4), snn.Leaky(beta=0.9, init_hidden=True))
    with pytest.raises(FramesError, match=why):
        export.from_torch(module, frames)


class Repeats(Net):
    """As snnTorch's tutorials have it: the loop shows one frame again and again. `steps` is how often."""

    def __init__(self, steps: int = 5, *, batch_first: bool = False) -> None:
        super().__init__()
        self.steps, self.batch_first = steps, batch_first

    def forward(self, x: Tensor) -> Tensor:
        mem1, mem2 = self.lif1.init_leaky(), self.lif2.init_leaky()
        out = []
        for _ in range(self.steps):
            spk1, mem1 = self.lif1(self.conv(x), mem1)
            spk2, mem2 = self.lif2(self.fc(spk1.flatten(1)), mem2)
            out.append(spk2)
        return torch.stack(out, 1 if self.batch_first else 0)


@pytest.mark.parametrize("module", [Repeats(), Repeats(6), Repeats(3, batch_first=True)])
@pytest.mark.parametrize("layout", [None, "time-first", "step"])
def test_a_loop_that_repeats_one_frame(module: nn.Module, layout: Any) -> None:
    with pytest.raises(
        ModuleRefusedError, match=r"takes one frame and repeats it by itself: lif1 runs \d times a call"
    ):
        export.from_torch(module, FRAMES, layout=layout)
    dense = nn.Sequential(nn.Linear(4, 4), snn.Leaky(beta=0.9, init_hidden=True))
    assert export.from_torch(louder(dense, 4), counts(3, 5, 4))  # what takes a step a call repeats nothing


@pytest.mark.parametrize("layout", [None, "batch-first"])
def test_frames_of_another_shape_than_the_module_takes(layout: Any) -> None:
    with pytest.raises(LayoutError, match=r"^layer conv, a Conv2d, takes 2 channels and gets 3 of frames \(3, 6, 3, 8"):
        export.from_torch(Net(), counts(3, 6, 3, 8, 8), layout=layout)
    with pytest.raises(LayoutError, match=r"^layer fc, a Linear, takes 144 features and gets 196 of frames"):
        export.from_torch(Net(), counts(3, 6, 2, 9, 9), layout=layout)


def test_frames_without_channels() -> None:
    with pytest.raises(LayoutError, match=r"frames \(3, 6, 8, 8\) in none of the layouts .*; batch-first: ") as told:
        export.from_torch(Net(), counts(3, 6, 8, 8))
    assert len(str(told.value)) < 500 and Path(__file__).name in str(told.value)
    with pytest.raises(LayoutError, match=r"raises RuntimeError: .* on time-first frames"):
        export.from_torch(Net(), counts(3, 6, 8, 8), layout="time-first")
    with pytest.raises(ModuleRefusedError, match="layout 'sideways' is not known"):
        export.from_torch(Net(), FRAMES, layout="sideways")  # pyright: ignore[reportArgumentType]


def test_a_module_of_another_precision() -> None:
    with pytest.raises(ModuleRefusedError, match=r"conv\.weight: torch\.float64 on cpu"):
        export.from_torch(Net().double(), FRAMES)


def test_the_module_is_left_as_it_was() -> None:
    module = nn.Sequential(nn.Flatten(), nn.Linear(128, 8), nn.Dropout(0.5), snn.Leaky(beta=0.9, init_hidden=True))
    louder(module, 4).train()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    export.from_torch(module, FRAMES)
    with pytest.raises(ModuleRefusedError):
        export.from_torch(nn.Sequential(module, nn.Softmax(1), snn.Leaky(beta=0.9, init_hidden=True)), FRAMES)
    assert module.training and all(layer.training for layer in module)
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    assert "forward" not in vars(module[3]) and not module[3]._forward_hooks and module[3].mem.numel() == 0  # pyright: ignore


def test_the_record_is_what_the_module_gave() -> None:
    module = louder(Net(), 3)
    with torch.no_grad():
        expected = module(torch.from_numpy(FRAMES).float()).numpy()
    trace = export.record(module, FRAMES)
    assert np.array_equal(trace.layers["lif2"].output, expected != 0) and trace.runner == "torch"
    assert np.array_equal(trace.predictions, expected.sum(1).argmax(1))
