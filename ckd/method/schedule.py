"""What changes in the course of training, each a function of the step alone: nothing here has a state to restore."""

import math


def replacement_probability(step: int, total: int, *, power: float = 3.0) -> float:
    """Sliding replacement: P = min(1, (step / total)^power), a still's chance to give way to its recording [KT]."""
    return min(1.0, (step / total) ** power)


def two_stage_probability(step: int, total: int, *, switch: float = 0.5) -> float:
    """The two-stage ablation of sliding replacement: stills until `switch` of the steps, recordings after."""
    return float(step >= switch * total)


def distillation_weight(progress: float, *, centre: float = 0.5, steepness: float = 30.0) -> float:
    """Phased distillation: W = sigmoid(-k (e/E - c)), near 1 in phase I and near 0 in phase II.

    Args:
        progress: e/E, share of the training that is done, 0 to 1.
        centre: c, where W is one half.
        steepness: k.
    """
    # Beyond 709 the exponential is more than a float holds.
    return 1 / (1 + math.exp(min(700.0, steepness * (progress - centre))))


def learning_rate(step: int, total: int, *, peak: float, warmup: int) -> float:
    """Linear warm-up to `peak` over `warmup` steps, then half a cosine down to zero at `total`."""
    if step < warmup:
        return peak * (step + 1) / warmup
    return peak * 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, total - warmup)))
