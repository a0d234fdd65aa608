"""Which numbers a configuration may hold: refused here, before a run has cost anything."""

import dataclasses
import math
from collections.abc import Iterator
from typing import Any

from ckd.errors import ConfigError

POSITIVE = math.ulp(0.0)
"""The smallest number above zero, as a least value."""
ENDLESS = math.inf

BOUNDS: dict[str, tuple[float, float]] = {
    "seed": (0, 2**62),
    "labels_per_class": (POSITIVE, ENDLESS),
    "validation_per_class": (POSITIVE, ENDLESS),
    "test_per_class": (POSITIVE, ENDLESS),
    "size": (8, ENDLESS),
    "time_steps": (1, ENDLESS),
    "step_us": (1, ENDLESS),
    "max_count": (1, 255),
    "films": (1, ENDLESS),
    "first_padding": (0, 16),
    "beta": (0, 1),
    "threshold": (POSITIVE, ENDLESS),
    "surrogate_alpha": (POSITIVE, ENDLESS),
    "teacher_iterations": (1, ENDLESS),
    "teacher_batch": (2, ENDLESS),
    "teacher_lr": (POSITIVE, ENDLESS),
    "event_share": (POSITIVE, 1),
    "replacement_power": (0, ENDLESS),
    "align_weight": (0, ENDLESS),
    "kd_weight": (0, ENDLESS),
    "kd_centre": (0, 1),
    # From about 1,420 on its exponential is over what a float holds.
    "kd_steepness": (0, 1000),
    "kd_temperature": (POSITIVE, ENDLESS),
    "tet_lam": (0, 1),
    "pretrain": (0, 1),
    "roll": (0, ENDLESS),
    "rotate": (0, 180),
    "scale": (0, 0.9),
    "drop_events": (0, 1),
    "time_jitter": (0, 1),
    "event_mix": (0, 1),
    "iterations": (1, ENDLESS),
    "batch": (2, ENDLESS),
    "lr": (POSITIVE, ENDLESS),
    "weight_decay": (0, ENDLESS),
    "warmup": (0, ENDLESS),
    "clip": (0, ENDLESS),
    "ema": (0, 1),
    "evaluations": (1, ENDLESS),
    "checkpoint_seconds": (0, ENDLESS),
}
"""Least and greatest value by field, both allowed. Every number of `ckd.config` stands here (a test holds this)."""
COUNTS_OR_SHARES = ("labels_per_class", "validation_per_class", "test_per_class")


def check_numbers(config: Any) -> None:
    """Raise ConfigError at the first number of a (nested) configuration that is outside its bounds."""
    for name, value in _numbers(config):
        least, most = BOUNDS[name]
        if not (least <= value <= most and math.isfinite(value)):
            raise ConfigError(f"--{name.replace('_', '-')} (={value}) must be {_words(least, most)}")
        if name in COUNTS_OR_SHARES and value > 1 and value != int(value):
            raise ConfigError(f"--{name.replace('_', '-')} (={value}) must be a whole number, or a share under 1")
        if name == "roll" and value != int(value):
            raise ConfigError(f"--roll (={value}) must be a whole number of pixels")


def _numbers(config: Any) -> Iterator[tuple[str, float]]:
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if dataclasses.is_dataclass(value):
            yield from _numbers(value)
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            yield field.name, value


def _words(least: float, most: float) -> str:
    if most < ENDLESS:
        return f"above 0 and at most {most}" if least == POSITIVE else f"between {least} and {most}"
    return "positive" if least == POSITIVE else f"at least {least}"
