"""Fine-tuning on the grid, with the engine, the losses, the data and the teacher that trained the student."""

from collections.abc import Callable
from dataclasses import replace

from ckd.runs.folder import Run
from ckd.training.engine import Hooks
from ckd.training.further import train_further
from deploy.network import Network
from deploy.quantization.search import Quantization
from export.tuning.grid_student import build_grid_student, grid_student_to_network

LEARNING_RATE = 0.1
"""Of the run's own peak: the student is trained, it only has to settle on the grid."""


def finetune(
    run: Run,
    quantization: Quantization,
    *,
    iterations: int,
    weight_bits: int,
    activity: float | None = None,
    synaptic_operations: float | None = None,
    device: str = "cpu",
    advance: Callable[[int], None] = lambda iteration: None,
) -> Network:
    """Train a quantized student on the grid.

    Args:
        run: the trained student's run.
        quantization: of that student.
        iterations: of training.
        weight_bits: bits per weight, 1 to 8.
        activity: budget of spikes per neuron and step; None: the run's own, if it has one.
        synaptic_operations: the same of synaptic operations per recording.
        device: where it trains, as PyTorch names it: "cpu", "cuda".
        advance: told how many iterations are done.

    Returns:
        the network on the grid whose loss on the validation recordings was lowest.

    Raises:
        UnsupportedError: the network is no student's.
    """
    plan = run.config.training
    training = replace(
        plan, iterations=iterations, lr=plan.lr * LEARNING_RATE, warmup=min(plan.warmup, iterations // 10)
    )
    # Integers are exact in float32, and in nothing narrower that the run may have been trained in.
    accelerator = "cuda" if device.startswith("cuda") else "cpu"
    machine = replace(run.config.machine, precision="32-true", accelerator=accelerator)
    method = run.config.method
    method = replace(
        method,
        activity=activity or method.activity,
        synaptic_operations=synaptic_operations or method.synaptic_operations,
    )
    config = replace(run.config, training=training, machine=machine, method=method)
    student = build_grid_student(quantization, weight_bits=weight_bits, alpha=config.student.surrogate_alpha)
    trained = train_further(run, student, config, hooks=Hooks(advance=advance))
    return grid_student_to_network(trained, quantization)
