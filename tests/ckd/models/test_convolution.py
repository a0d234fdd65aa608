"""Convolutions of what is there, and Winograd's, give what torch's give, forward and backward."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from ckd.models import convolution
from ckd.models.convolution import convolve


@settings(max_examples=30, deadline=None)
@given(
    st.integers(0, 10_000),
    st.sampled_from([(2, 16), (3, 48), (16, 32), (20, 128), (64, 16)]),
    st.sampled_from([(3, 1, 1), (3, 1, 0), (5, 2, 2), (1, 1, 0), (2, 1, 1), (3, 2, 1)]),
    st.tuples(st.integers(5, 9), st.integers(5, 9)),
    st.sampled_from([0.0, 0.03, 0.04]),
    st.booleans(),
)
def test_outputs_and_gradients_are_torchs_in_float64(
    seed: int, channels: tuple[int, int], form: tuple[int, int, int], size: tuple[int, int], rate: float, counts: bool
) -> None:
    torch.manual_seed(seed)
    kernel, stride, padding = form
    conv = nn.Conv2d(*channels, kernel, stride, padding, bias=False)
    exact = nn.Conv2d(*channels, kernel, stride, padding, bias=False).double()
    exact.load_state_dict(conv.state_dict())
    there = (torch.rand(20, channels[0], *size) < rate).float()
    there[0, 0, 2, 2] = 1
    x = (there * torch.randint(1, 5, there.shape) / 4 if counts else there).requires_grad_()
    twin = x.detach().double().requires_grad_()
    assert convolution._ways(x, conv).sparse, "the dense convolution was taken, this proves nothing"
    _require_exact(x, conv, twin, exact)


@settings(max_examples=30, deadline=None)
@given(
    st.integers(0, 10_000),
    st.sampled_from([(64, 64), (64, 80), (96, 64), (192, 128), (16, 32), (48, 16)]),
    st.integers(0, 2),
    st.tuples(st.integers(3, 11), st.integers(3, 11)),
    st.sampled_from([0.01, 0.3, 1.0]),
)
def test_winograds_products_give_torchs_outputs_and_gradients_in_float64(
    seed: int, channels: tuple[int, int], padding: int, size: tuple[int, int], rate: float
) -> None:
    torch.manual_seed(seed)
    conv = nn.Conv2d(*channels, 3, 1, padding, bias=False)
    exact = nn.Conv2d(*channels, 3, 1, padding, bias=False).double()
    exact.load_state_dict(conv.state_dict())
    x = (torch.randn(20, channels[0], *size) * (torch.rand(20, channels[0], *size) < rate)).requires_grad_()
    twin = x.detach().double().requires_grad_()
    ways = convolution._ways(x, conv)
    assert ways.winograd and ways.sparse == (rate < 0.05)
    _require_exact(x, conv, twin, exact)


def _require_exact(x: torch.Tensor, conv: nn.Conv2d, twin: torch.Tensor, exact: nn.Conv2d) -> None:
    y, wanted = convolve(x, conv), exact(twin)
    assert type(y.grad_fn).__name__.startswith("_Convolution"), "torch's convolution was taken, this proves nothing"
    ahead = torch.randn_like(wanted)
    y.backward(ahead.float())
    wanted.backward(ahead)
    for mine, other in ((y, wanted), (x.grad, twin.grad), (conv.weight.grad, exact.weight.grad)):
        assert mine is not None and other is not None and mine.shape == other.shape and other.norm() > 0
        # Asked of gradients: to 1e-5 of their norm. Sums of float32 in another order.
        assert (mine.double() - other).norm() <= 1e-5 * other.norm()


@pytest.mark.parametrize("rate", [0.1, 0.6])
def test_the_number_of_threads_changes_no_bit(rate: float) -> None:
    threads, found = torch.get_num_threads(), []
    try:
        for number in (1, 2, 3):
            torch.manual_seed(0)
            torch.set_num_threads(number)
            conv = nn.Conv2d(64, 64, 3, padding=1, bias=False)
            x = (torch.rand(90, 64, 9, 9) < rate).float().requires_grad_()
            y = convolve(x, conv)
            y.backward(torch.randn_like(y))
            found.append((y, x.grad, conv.weight.grad))
    finally:
        torch.set_num_threads(threads)
    for other in found[1:]:
        assert all(torch.equal(a, b) for a, b in zip(found[0], other, strict=True))


@pytest.mark.parametrize(
    "conv",
    [
        nn.Conv2d(16, 24, 3, bias=False),
        nn.Conv2d(16, 32, 3),
        nn.Conv2d(16, 32, 3, groups=2, bias=False),
        nn.Conv2d(16, 32, 3, dilation=2, bias=False),
        nn.Conv2d(16, 32, 3, padding=1, padding_mode="reflect", bias=False),
        nn.Conv2d(16, 32, (3, 1), stride=(1, 2), bias=False),
        nn.Conv2d(16, 32, 3, padding="same", bias=False),
    ],
    ids=["24 channels", "bias", "groups", "dilation", "reflection", "strides", "same"],
)
def test_what_the_kernels_do_not_know_is_left_to_torch(conv: nn.Conv2d) -> None:
    x = (torch.rand(4, 16, 8, 8) < 0.05).float()
    assert torch.equal(convolve(x, conv), conv(x))


def test_what_is_there_decides_which_way_is_taken() -> None:
    conv = nn.Conv2d(64, 64, 3, bias=False)
    little, much = (torch.rand(4, 64, 9, 9) < 0.05).float(), torch.ones(4, 64, 9, 9)
    assert convolution._ways(little, conv) == (True, True, True)
    assert convolution._ways(much, conv) == (False, False, True)
    few = nn.Conv2d(2, 32, 3, bias=False)
    assert convolution._ways(little[:, :2], few) == (True, False, False)
    assert convolution._ways(much[:, :2], few) == (False, False, False)
