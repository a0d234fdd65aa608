"""The fused neuron is snnTorch's neuron: the same spikes, the same gradients."""

import pytest
import torch
from snntorch import Leaky
from torch import Tensor

from ckd.models.neuron import LIF, backward_torch, forward_torch

ALPHA, BETA, THRESHOLD = 2.0, 0.5, 0.5


def stepped(neuron: Leaky, current: Tensor) -> tuple[Tensor, Tensor]:
    """Spikes of all steps, and the potential before each reset (which snnTorch does not give: beta v + I)."""
    v = torch.zeros_like(current[0])
    spikes, before = [], []
    for x in current:
        before.append(neuron.beta * v + x)
        s, v = neuron(x, v)
        spikes.append(s)
    return torch.stack(spikes), torch.stack(before)


def snntorch_triangle(x: Tensor) -> Tensor:
    """The surrogate written without our code: the derivative of x / 2 + ... is max(0, alpha - alpha^2 |x|)."""
    clipped = x.clamp(-1 / ALPHA, 1 / ALPHA)
    smooth = ALPHA * clipped - ALPHA**2 * clipped * clipped.abs() / 2
    return (x > 0).float() + smooth - smooth.detach()


@pytest.fixture
def current() -> Tensor:
    return torch.randn(8, 5, 3, 6, 7, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("layout", ["contiguous", "channels last"])
def test_all_steps_at_once_spike_like_snntorch_step_by_step(current: Tensor, layout: str) -> None:
    if layout == "channels last":
        current = current.flatten(0, 1).contiguous(memory_format=torch.channels_last).unflatten(0, (8, 5))
    expected, potential = stepped(
        Leaky(beta=BETA, threshold=THRESHOLD, reset_mechanism="zero", reset_delay=False), current
    )
    spikes, h = LIF(beta=BETA, threshold=THRESHOLD, alpha=ALPHA).sequence(current)
    assert 0.05 < expected.mean() < 0.95
    assert torch.equal(spikes, expected)
    assert torch.equal(h, potential)


@pytest.mark.parametrize("layout", ["contiguous", "channels last"])
def test_gradients_are_those_of_snntorch_step_by_step(current: Tensor, layout: str) -> None:
    if layout == "channels last":
        current = current.flatten(0, 1).contiguous(memory_format=torch.channels_last).unflatten(0, (8, 5))
    weights, potential_weights = torch.randn_like(current), torch.randn_like(current)
    neuron = Leaky(
        beta=BETA, threshold=THRESHOLD, reset_mechanism="zero", reset_delay=False, spike_grad=snntorch_triangle
    )
    theirs, ours = current.clone().requires_grad_(), current.clone().requires_grad_()
    spikes, potential = stepped(neuron, theirs)
    ((spikes * weights).sum() + (potential * potential_weights).sum()).backward()
    spikes, potential = LIF(beta=BETA, threshold=THRESHOLD, alpha=ALPHA).sequence(ours)
    ((spikes * weights).sum() + (potential * potential_weights).sum()).backward()
    assert theirs.grad is not None and ours.grad is not None
    assert theirs.grad.abs().mean() > 0.1
    # Sums of eight steps in another order: a few units of float32 rounding.
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-5, atol=1e-5)


def test_our_step_by_step_call_is_snntorch_too(current: Tensor) -> None:
    expected, _ = LIF(beta=BETA, threshold=THRESHOLD, alpha=ALPHA).sequence(current)
    spikes, _ = stepped(LIF(beta=BETA, threshold=THRESHOLD, alpha=ALPHA), current)
    assert torch.equal(spikes, expected)


def test_the_form_for_gpus_gives_the_same_as_the_compiled_one(current: Tensor) -> None:
    beta, threshold = torch.tensor(BETA), torch.tensor(THRESHOLD)
    ours = current.clone().requires_grad_()
    spikes, potential = LIF(beta=BETA, threshold=THRESHOLD, alpha=ALPHA).sequence(ours)
    other_spikes, other_potential = forward_torch(current, beta, threshold)
    assert torch.equal(spikes, other_spikes) and torch.equal(potential, other_potential)
    weights = torch.randn_like(current)
    (spikes * weights).sum().backward()
    assert ours.grad is not None
    grad = backward_torch(other_potential, weights, None, beta, threshold, ALPHA)
    torch.testing.assert_close(ours.grad, grad, rtol=1e-5, atol=1e-6)


def test_a_potential_at_the_threshold_does_not_spike() -> None:
    spikes, _ = LIF(beta=0.5, threshold=0.5).sequence(torch.tensor([[0.5], [0.2501]]))
    assert spikes.flatten().tolist() == [0, 1]


def test_made_neurons_are_not_kept_alive_by_snntorch() -> None:
    before = len(Leaky.instances)
    LIF()
    assert len(Leaky.instances) == before
