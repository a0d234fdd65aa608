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
        case "sliding" | "time-mix" | "first-draw":
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


def first_draw_chance(share: float, steps: int) -> float:
    """The chance p of a step to be the first of a recording, so that `share` of all steps are a recording's.

        share = mean_t [1 - (1 - p)^t], t = 1 ... T

    In time-step mixing, recordings take over at t* = min {t | u_t < p}, u_t uniform (Xie et al., arXiv 2509.12959).

    Args:
        share: the expected mixing ratio, 0 to 1.
        steps: T.
    """
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        given = 1 - sum((1 - middle) ** t for t in range(1, steps + 1)) / steps
        low, high = (middle, high) if given < share else (low, middle)
    return high


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
