"""The student's training step on a GPU beside ReLU and other libraries: run it where there is one and send the JSON.

    python -m benchmarks.gpu [--network paper] [--batch 120] [--repeats 10] [--json FILE]

The Triton neuron is held against torch's loop on this GPU first, to the bit in float32. Times are between CUDA events;
every ratio is the median over the rounds of one side's time by ReLU's in the same round. Without a GPU it says so.
"""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.training import build, training_step
from benchmarks.training_peers import NETWORKS
from ckd.models.neuron import LIF, forward_torch
from ckd.models.student import Student


class TritonNeuron(LIF):
    """A LIF whose sequence is the Triton kernel; constants are read once, so that no step waits for the GPU."""

    constants: tuple[float, float, float, bool, bool]

    @classmethod
    def of(cls, lif: LIF) -> "TritonNeuron":
        neuron = cls(beta=float(lif.beta), threshold=float(lif.threshold), alpha=lif.alpha)
        neuron.constants = (float(lif.beta), float(lif.threshold), lif.alpha, False, True)
        return neuron

    def sequence(self, current: Tensor) -> tuple[Tensor, Tensor]:
        from ckd.models.triton_neuron import TritonLIF

        return TritonLIF.apply(current, *self.constants)  # pyright: ignore


def with_triton(student: Student) -> Student:
    for name, module in student.nodes.items():
        if isinstance(module, LIF):
            student.nodes[name] = TritonNeuron.of(module)
    return student.cuda()


def require_equal() -> None:
    """Raises AssertionError where the kernel and torch's loop give different spikes or potentials here."""
    from ckd.models.triton_neuron import TritonLIF

    current = torch.randn(10, 32, 64, 16, 16, device="cuda")
    beta, threshold = (torch.tensor(0.5, device="cuda") for _ in range(2))
    expected, found = forward_torch(current, beta, threshold), TritonLIF.apply(current, 0.5, 0.5, 2.0, False, True)
    assert found is not None and all(torch.equal(a, b) for a, b in zip(expected, found, strict=True))
    assert expected[0].mean() > 0.05


def measured(steps: dict[str, Callable[[], None]], repeats: int) -> dict[str, dict[str, float]]:
    times: dict[str, list[float]] = {name: [] for name in steps}
    for step in steps.values():
        for _ in range(3):
            step()
    for _ in range(repeats):
        for name, step in steps.items():
            begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            begin.record()
            step()
            end.record()
            torch.cuda.synchronize()
            times[name].append(begin.elapsed_time(end))
    base = np.array(times["ReLU"])
    return {
        name: {"ms": float(np.median(found)), "ratio": float(np.median(np.array(found) / base))}
        for name, found in times.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", choices=("small", "paper"), default="paper")
    parser.add_argument("--batch", type=int, default=120)
    parser.add_argument("--rate", type=float, default=0.1, help="share of neurons that spike in a step")
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if not torch.cuda.is_available():
        sys.exit("benchmarks.gpu: no GPU here that torch can use; benchmarks.training measures on the processor")
    require_equal()
    student, frames, labels = build(options.network, options.rate)
    repeat = -(-options.batch // frames.shape[1])
    frames = frames.repeat(1, repeat, 1, 1, 1)[:, : options.batch].cuda()
    labels = labels.repeat(repeat)[: options.batch].cuda()
    steps: dict[str, Callable[[], None]] = {}
    for name in NETWORKS:
        try:
            steps[name] = training_step(name, student.cuda(), frames, labels)
        except ImportError as error:
            print(f"{name} is left out: {error}")
    steps["ckd, Triton"] = training_step("ckd", with_triton(build(options.network, options.rate)[0]), frames, labels)
    found: dict[str, Any] = {"gpu": torch.cuda.get_device_name(), "torch": torch.__version__, **vars(options)}
    found |= {"json": None, "steps": measured(steps, options.repeats)}
    print(json.dumps(found, indent=1))
    if options.json:
        options.json.write_text(json.dumps(found))


if __name__ == "__main__":
    main()
