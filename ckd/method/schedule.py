"""What changes in the course of training, each a function of the iteration alone: there is no state to restore."""

import math

from ckd.config import Method, Training


def schedules(method: Method, plan: Training, iteration: int) -> dict[str, float]:
    """P (replacement), W (distillation) and the learning rate of an iteration, by their names in metrics.jsonl."""
    total = plan.iterations
    match method.replacement:
        case "none":
            replacement = 0.0
        case "two-stage":
            replacement = two_stage_probability(iteration, total)
        case "sliding" | "time-mix":
            replacement = replacement_probability(iteration, total, power=method.replacement_power)
    match method.kd:
        case "none":
            weight = 0.0
        case "constant":
            weight = 1.0
        case "phased":
            share = iteration / total
            weight = distillation_weight(share, center=method.kd_center, steepness=method.kd_steepness)
    return {"P": replacement, "W": weight, "lr": learning_rate(iteration, total, peak=plan.lr, warmup=plan.warmup)}


def replacement_probability(iteration: int, total: int, *, power: float = 3.0) -> float:
    """Sliding replacement: P = min(1, (iteration / total)^power), a still's chance to give way to a recording [KT]."""
    return min(1.0, (iteration / total) ** power)


def two_stage_probability(iteration: int, total: int) -> float:
    """The two-stage ablation of sliding replacement: stills in the first half of training, recordings in the second."""
    return float(iteration >= 0.5 * total)


def distillation_weight(progress: float, *, center: float = 0.5, steepness: float = 30.0) -> float:
    """Phased distillation: W = sigmoid(-k (e/E - c)), near 1 in phase I and near 0 in phase II [paper].

    Args:
        progress: e/E, share of the training that is done, 0 to 1.
        center: c, where W is one half.
        steepness: k.
    """
    # Beyond 709 the exponential is more than a float holds.
    return 1 / (1 + math.exp(min(700.0, steepness * (progress - center))))


def learning_rate(iteration: int, total: int, *, peak: float, warmup: int) -> float:
    """Linear warm-up to `peak` over `warmup` iterations, then half a cosine down to zero at `total`."""
    if iteration < warmup:
        return peak * (iteration + 1) / warmup
    return peak * 0.5 * (1 + math.cos(math.pi * (iteration - warmup) / max(1, total - warmup)))
