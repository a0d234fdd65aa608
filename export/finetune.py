"""Fine-tuning on the grid, with the engine, the losses, the data and the teacher that trained the student."""

from dataclasses import replace

from ckd.runs.folder import Run
from ckd.training.engine import Hooks
from ckd.training.further import train_further
from deploy.network import Network
from deploy.quantization.search import Quantization
from export.grid_student import build_grid_student, to_network

LEARNING_RATE = 0.1
"""Of the run's own peak: the student is trained, it only has to settle on the grid."""


def finetune(
    run: Run, quantisation: Quantization, *, iterations: int, bits: int, hooks: Hooks, device: str = "cpu"
) -> Network:
    """Train a quantised student on the grid for `iterations` steps.

    Args:
        run: the trained student's run.
        quantisation: of that student.
        iterations: steps of training.
        bits: bits per weight.
        hooks: progress and logging.
        device: where it trains.

    Returns:
        the network on the grid whose loss on the validation recordings was lowest.
    """
    plan = run.config.training
    training = replace(
        plan, iterations=iterations, lr=plan.lr * LEARNING_RATE, warmup=min(plan.warmup, iterations // 10)
    )
    # Integers are exact in float32, and in nothing narrower that the run may have been trained in.
    accelerator = "cuda" if device.startswith("cuda") else "cpu"
    machine = replace(run.config.machine, precision="32-true", accelerator=accelerator)
    config = replace(run.config, training=training, machine=machine)
    student = build_grid_student(quantisation, bits=bits, alpha=config.student.surrogate_alpha)
    return to_network(train_further(run, student, config, hooks=hooks), quantisation)
