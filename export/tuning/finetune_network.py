"""Fine-tuning any quantized network on the grid, on labeled recordings alone: nobody's teacher, one loss."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ckd.method.schedule import learning_rate
from deploy.errors import DeployError
from deploy.network import Array, Network
from deploy.quantization.search import Quantization
from export.tuning.grid_network import GridNetwork

BATCH = 32
MEASURED_AT_ONCE = 64
EVALUATIONS = 10
"""How often the loss on the validation recordings is looked at, beside the start."""

LEARNING_RATE = 0.01
"""Of the size of a layer's weights, in each iteration at the peak: layers of any units learn alike."""

SPREAD = 2.0
"""Standard deviation among the classes that outputs are scaled to before the softmax, whatever their units."""

SEED = 0


class Labeled(NamedTuple):
    """Frames (R, T, *input_shape) of counts and labels (R,)."""

    frames: Array
    labels: Array


def finetune_network(
    quantization: Quantization,
    *,
    train: Labeled,
    validation: Labeled,
    iterations: int,
    weight_bits: int,
    device: str = "cpu",
    advance: Callable[[int], None] = lambda iteration: None,
) -> Network:
    """Train a quantized network on the grid with the cross entropy of its outputs.

    What comes out is a readout's final potential, else the number of spikes, as in `deploy.traces.prediction`.

    Args:
        quantization: of any network with an output for each class.
        train, validation: recordings to learn from, and to choose by.
        iterations: of training, with 32 recordings each.
        weight_bits: bits per weight, 1 to 8.
        device: where it trains, as PyTorch names it: "cpu", "cuda".
        advance: told how many iterations are done.

    Returns:
        the network on the grid whose loss on the validation recordings was lowest, the untrained one included.

    Raises:
        DeployError: outputs that say nothing, because they are the same for every class.
        UnsupportedError: a node that cannot be trained on the grid.
    """
    largest = int(max(part.frames.max() for part in (train, validation)))
    module = GridNetwork(quantization, weight_bits=weight_bits, max_count=max(1, largest)).to(device)
    sharpness = _sharpness(module, train)
    groups = [{"params": group, "rate": LEARNING_RATE * size} for group, size in _layers(module, quantization)]
    optimizer = torch.optim.Adam(groups)
    rng = np.random.default_rng(SEED)
    rows = _epochs(rng, len(train.labels), iterations)
    look_at = {round(iterations * (i + 1) / EVALUATIONS) for i in range(EVALUATIONS)}
    best, chosen = _loss(module, validation, sharpness), module.network()
    for iteration in range(iterations):
        rate = learning_rate(iteration, iterations, peak=1.0, warmup=iterations // 10)
        for group in optimizer.param_groups:
            group["lr"] = group["rate"] * rate
        frames, labels = _batch(module, train, rows[iteration])
        loss = F.cross_entropy(sharpness * votes(module, frames), labels)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        if iteration + 1 in look_at and (found := _loss(module, validation, sharpness)) < best:
            best, chosen = found, module.network()
        advance(iteration + 1)
    return chosen


def votes(module: GridNetwork, frames: Tensor) -> Tensor:
    """(N, classes): a readout's final potentials, else the number of spikes, of frames (T, N, *input_shape)."""
    output = module(frames)
    return (output[-1] if module.ends_in_readout else output.sum(0)).flatten(1)


def _layers(module: GridNetwork, quantization: Quantization) -> list[tuple[list[torch.nn.Parameter], float]]:
    """What learns in each layer, and how large its weights are: biases are in the same units."""
    found = []
    for layer in quantization.layers:
        synapses = [module.nodes[name] for name in layer.synapses]
        weights = torch.cat([parameter.detach().flatten() for each in synapses for parameter in each.parameters()])
        parameters = [parameter for each in (*synapses, module.nodes[layer.name]) for parameter in each.parameters()]
        found.append((parameters, float(weights.square().mean().sqrt())))
    return found


def _epochs(rng: np.random.Generator, count: int, iterations: int) -> Array:
    """The rows of every iteration (iterations, batch): one epoch after another, each shuffled anew."""
    batch = min(BATCH, count)
    epochs = -(-iterations * batch // count)
    order = np.concatenate([rng.permutation(count) for _ in range(epochs)])
    return order[: iterations * batch].reshape(iterations, batch)


def _batch(module: GridNetwork, part: Labeled, rows: Array) -> tuple[Tensor, Tensor]:
    device = next(module.buffers()).device
    frames = torch.from_numpy(part.frames[rows]).to(device).transpose(0, 1)
    return frames, torch.from_numpy(part.labels[rows].astype(np.int64)).to(device)


@torch.no_grad()
def _outputs(module: GridNetwork, part: Labeled) -> tuple[Tensor, Tensor]:
    """The outputs of all recordings, and their labels."""
    outputs, labels = [], []
    for start in range(0, len(part.labels), MEASURED_AT_ONCE):
        rows = np.arange(start, min(start + MEASURED_AT_ONCE, len(part.labels)))
        frames, wanted = _batch(module, part, rows)
        outputs.append(votes(module, frames))
        labels.append(wanted)
    return torch.cat(outputs), torch.cat(labels)


def _loss(module: GridNetwork, part: Labeled, sharpness: float) -> float:
    outputs, labels = _outputs(module, part)
    return float(F.cross_entropy(sharpness * outputs, labels))


def _sharpness(module: GridNetwork, train: Labeled) -> float:
    """What outputs are multiplied by to become logits."""
    outputs, _ = _outputs(module, train)
    spread = float(outputs.std(1, correction=0).mean())
    if spread == 0:
        raise DeployError(
            f"none of the {len(outputs)} recordings to train on sets its outputs apart, so nothing can be learned from "
            "them; look at --step-us, --steps and --dt, or at what the layers do: ckd-deploy run FILE --on integer"
        )
    return SPREAD / spread
