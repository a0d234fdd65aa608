"""The Triton kernels under Triton's interpreter, on the CPU, in a process of their own that reads its variable."""

import os
import subprocess
import sys

import pytest

CHECK = """
import torch
from torch import Tensor

from ckd.models.neuron import Piecewise, current_gradient, forward_torch
from ckd.models.triton_neuron import TritonLIF

BETA, THRESHOLD, ALPHA = 0.6, 0.4, 1.5
torch.manual_seed(0)
current = torch.randn(7, 3, 5, 100)
beta, threshold = torch.tensor(BETA), torch.tensor(THRESHOLD)

ours = current.clone().requires_grad_()
spikes, potential = TritonLIF.apply(ours, BETA, THRESHOLD, ALPHA, False, True)
expected, before = forward_torch(current, beta, threshold)
assert 0.05 < expected.mean() < 0.95
assert torch.equal(spikes, expected) and torch.equal(potential, before)
ds, dh = torch.randn_like(current), torch.randn_like(current)
((spikes * ds).sum() + (potential * dh).sum()).backward()
wanted = current_gradient(before, ds, dh, beta, threshold, ALPHA)
assert torch.equal(ours.grad, wanted), (ours.grad - wanted).abs().max()
alone = current.clone().requires_grad_()
spikes, none = TritonLIF.apply(alone, BETA, THRESHOLD, ALPHA, False, False)
assert none is None and torch.equal(spikes, expected)
spikes.backward(ds)
assert torch.equal(alone.grad, current_gradient(before, ds, None, beta, threshold, ALPHA))

def soft(x: Tensor) -> Tensor:
    v, rows = torch.zeros_like(x[0]), []
    for step in x:
        h = BETA * v + step
        rows.append(Piecewise.apply(h - THRESHOLD, ALPHA))
        v = h - rows[-1] * THRESHOLD
    return torch.stack(rows)

theirs, ours = current.clone().requires_grad_(), current.clone().requires_grad_()
expected, (spikes, _) = soft(theirs), TritonLIF.apply(ours, BETA, THRESHOLD, ALPHA, True, False)
assert torch.equal(spikes, expected) and 0.05 < expected.mean() < 0.95
(expected * ds).sum().backward()
(spikes * ds).sum().backward()
# Autograd's sums of seven steps are made in another order: a few units of rounding.
torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-5, atol=1e-5)

# Half precision outside, float32 inside: the spikes of the rounded current, none lost near the threshold.
half = current.bfloat16().requires_grad_()
spikes, potential = TritonLIF.apply(half, BETA, THRESHOLD, ALPHA, False, True)
expected, before = forward_torch(half.detach().float(), beta, threshold)
assert spikes.dtype == torch.bfloat16 and torch.equal(spikes.float(), expected) and torch.equal(potential, before)
spikes.backward(ds.bfloat16())
wanted = current_gradient(before, ds.bfloat16().float(), None, beta, threshold, ALPHA)
assert torch.equal(half.grad, wanted.bfloat16())
print("equal")
"""


def test_spikes_and_gradients_are_the_references_to_the_bit() -> None:
    pytest.importorskip("triton", reason="triton is not installed")
    environment = os.environ | {"TRITON_INTERPRET": "1"}
    ran = subprocess.run([sys.executable, "-c", CHECK], env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.split() == ["equal"]
