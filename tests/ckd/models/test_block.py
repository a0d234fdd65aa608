"""Batch norm, LIF and pooling in one pass, and a first convolution, give what the modules give one after the other."""

import copy

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from snntorch import Leaky
from torch import Tensor, nn

from ckd.models.block import can_fuse, normed_spikes
from ckd.models.convolution import convolve_first
from ckd.models.neuron import LIF, Piecewise

STEPS = 5


def _modules(channels: int, *, training: bool, momentum: float = 0.1) -> tuple[nn.BatchNorm2d, LIF]:
    norm = nn.BatchNorm2d(channels, momentum=momentum)
    with torch.no_grad():
        norm.weight.uniform_(0.5, 1.5)
        norm.bias.uniform_(-0.5, 0.5)
    return norm.train(training), LIF(beta=0.6, threshold=0.4, alpha=1.5)


def _one_by_one(y: Tensor, norm: nn.BatchNorm2d, lif: LIF, pooled: bool) -> tuple[Tensor, Tensor]:
    """The same in whatever precision y has: torch's batch norm and pooling, snnTorch's neuron, step by step."""
    neuron = Leaky(
        beta=float(lif.beta),
        threshold=float(lif.threshold),
        reset_mechanism="zero",
        reset_delay=False,
        spike_grad=lambda x: Piecewise.apply(x, lif.alpha),
    )
    current = norm(y).unflatten(0, (STEPS, -1))
    v, spikes, before = torch.zeros_like(current[0]), [], []
    for x in current:
        before.append(neuron.beta.to(x) * v + x)
        s, v = neuron(x, v)
        spikes.append(s)
    out = torch.cat(spikes)
    return nn.functional.avg_pool2d(out, 2) if pooled else out, torch.stack(before)


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 10_000),
    st.sampled_from([(3, 4, 4), (16, 6, 2), (40, 2, 60)]),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)
def test_spikes_gradients_and_statistics_are_those_of_the_modules_in_float64(
    seed: int, shape: tuple[int, ...], pooled: bool, training: bool, laid_out: bool
) -> None:
    torch.manual_seed(seed)
    norm, lif = _modules(shape[0], training=training)
    exact = copy.deepcopy(norm).double()
    y = torch.randn(STEPS * 3, *shape) * 2 + 1
    y = y.contiguous(memory_format=torch.channels_last) if laid_out else y
    ours, theirs = y.clone().requires_grad_(), y.double().requires_grad_()
    assert can_fuse(ours, norm, lif, nn.AvgPool2d(2) if pooled else None)
    out, potential = normed_spikes(ours, norm, lif, STEPS, pooled, True)
    wanted, before = _one_by_one(theirs, exact, lif, pooled)
    assert potential is not None and 0.05 < wanted.mean() < 0.95
    close = (before - float(lif.threshold)).abs().min() < 1e-6
    if close:
        # A potential that float32 cannot tell from the threshold may spike or not.
        return
    assert torch.equal(out.double(), wanted)
    torch.testing.assert_close(potential.double(), before, rtol=0, atol=2e-5)
    ahead, into = torch.randn_like(wanted), torch.randn_like(before)
    ((out * ahead.float()).sum() + (potential * into.float()).sum()).backward()
    ((wanted * ahead).sum() + (before * into).sum()).backward()
    for mine, other in ((ours, theirs), (norm.weight, exact.weight), (norm.bias, exact.bias)):
        assert mine.grad is not None and other.grad is not None
        # Asked: to 1e-5 of their norm.
        assert (mine.grad.double() - other.grad).norm() <= 1e-5 * other.grad.norm()
    for mine, other in zip(norm.buffers(), exact.buffers(), strict=True):
        torch.testing.assert_close(mine.double(), other.double(), rtol=1e-6, atol=1e-6)


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 10_000),
    st.sampled_from([(2, 16), (1, 32), (3, 64), (2, 128)]),
    st.sampled_from([(3, 1), (3, 0), (5, 1), (1, 0)]),
    st.sampled_from([(8, 8), (6, 20), (48, 6)]),
    st.booleans(),
    st.booleans(),
)
def test_the_first_convolutions_gradient_is_that_of_the_modules_in_float64(
    seed: int, channels: tuple[int, int], form: tuple[int, int], size: tuple[int, int], pooled: bool, training: bool
) -> None:
    # One weight an output is a scale, which batch norm takes out again: its gradient is 0, and nothing but rounding.
    assume(channels[0] * form[0] > 1)
    torch.manual_seed(seed)
    conv = nn.Conv2d(*channels, form[0], padding=form[1], bias=False)
    norm, lif = _modules(channels[1], training=training)
    exact, exact_norm = copy.deepcopy(conv).double(), copy.deepcopy(norm).double()
    shape = (STEPS * 3, channels[0], *size)
    x = (torch.rand(shape) < 0.15) * torch.randint(1, 4, shape) / 2
    found = convolve_first(x, conv)
    assert found is not None
    y, source = found
    out, potential = normed_spikes(y, norm, lif, STEPS, pooled, True, source)
    wanted, before = _one_by_one(exact(x.double()), exact_norm, lif, pooled)
    assert potential is not None and not y.requires_grad and 0.02 < wanted.mean() < 0.98
    if not torch.equal(out.double(), wanted):
        # A potential that float32 cannot tell from the threshold may spike or not.
        assert (before - float(lif.threshold)).abs().min() < 1e-5
        return
    ahead, into = torch.randn_like(wanted), torch.randn_like(before)
    ((out * ahead.float()).sum() + (potential * into.float()).sum()).backward()
    ((wanted * ahead).sum() + (before * into).sum()).backward()
    for mine, other in ((conv, exact), (norm, exact_norm)):
        assert mine.weight.grad is not None and other.weight.grad is not None
        assert (mine.weight.grad.double() - other.weight.grad).norm() <= 1e-5 * other.weight.grad.norm()


def test_a_first_convolution_that_is_watched_dense_or_differentiated_is_an_ordinary_one() -> None:
    conv = nn.Conv2d(2, 32, 3, bias=False)
    x = torch.eye(8).expand(5, 2, 8, 8).contiguous()
    assert convolve_first(x, conv) is not None
    assert convolve_first(torch.ones_like(x), conv) is None
    assert convolve_first(x.clone().requires_grad_(), conv) is None
    assert convolve_first(x, nn.Conv2d(2, 32, 3, stride=2, bias=False)) is None
    assert convolve_first(x, nn.Conv2d(2, 48, 3, bias=False)) is None
    with torch.no_grad():
        assert convolve_first(x, conv) is None
    conv.weight.requires_grad_(False)
    assert convolve_first(x, conv) is None


@pytest.mark.parametrize("pooled", [False, True])
def test_the_number_of_threads_changes_no_bit(pooled: bool) -> None:
    threads, found = torch.get_num_threads(), []
    try:
        for number in (1, 2, 3):
            torch.manual_seed(0)
            torch.set_num_threads(number)
            norm, lif = _modules(8, training=True)
            y = torch.randn(STEPS * 7, 8, 6, 6).requires_grad_()
            out, _ = normed_spikes(y, norm, lif, STEPS, pooled, False)
            out.backward(torch.randn_like(out))
            conv = nn.Conv2d(2, 16, 3, bias=False)
            given = convolve_first((torch.rand(STEPS * 7, 2, 8, 8) < 0.2).float(), conv)
            assert given is not None
            more, _ = normed_spikes(given[0], nn.BatchNorm2d(16), lif, STEPS, pooled, False, given[1])
            more.backward(torch.randn_like(more))
            found.append([out, more, *(x.grad for x in (y, norm.weight, norm.bias, conv.weight))])
    finally:
        torch.set_num_threads(threads)
    assert found[0][0].mean() > 0.05
    for other in found[1:]:
        assert all(torch.equal(a, b) for a, b in zip(found[0], other, strict=True))


def test_what_it_does_not_know_is_left_to_the_modules() -> None:
    y = torch.zeros(STEPS, 4, 6, 6)
    norm, lif = _modules(4, training=True)
    assert can_fuse(y, norm, lif, None) and can_fuse(y, norm, lif, nn.AvgPool2d(2))
    assert not can_fuse(y.double(), norm, lif, None)
    assert not can_fuse(y, nn.Identity(), lif, None)
    assert not can_fuse(y, nn.BatchNorm2d(4, momentum=None), lif, None)  # pyright: ignore[reportArgumentType]
    assert not can_fuse(y, norm, lif, nn.AvgPool2d(3))
    assert not can_fuse(y[..., :5], norm, lif, nn.AvgPool2d(2))
    with torch.autocast("cpu", torch.bfloat16):
        assert not can_fuse(y, norm, lif, None)
    norm.register_forward_hook(lambda *_: None)
    assert not can_fuse(y, norm, lif, None)
