"""Sensor, length of a step and number of steps, taken from the recordings where nobody has said them."""

import math
from dataclasses import replace

import numpy as np

from ckd.config import Data
from ckd.data.folders import LAYOUTS
from ckd.data.sources import open_source
from ckd.data.survey import Survey
from ckd.errors import DatasetError

STEPS = 8
"""Steps of a recording where nobody says how many."""
LONGEST_STEP = 100_000
MOST_STEPS = 20
"""A longer step would show a moving thing as a blot; more steps cost time. What lies behind them is left out."""
SHORTEST, LONGEST = 1_000, 60_000_000
"""Microseconds that a recording lasts at least and at most, or its times were meant in another unit."""

WHOLE_SECONDS = 60
"""Below so many, times may well be seconds without their fractions."""
STRAY = 2
"""Times as far as all events but a thousandth, and an event is no pixel of the same sensor."""

CAMERAS = (
    (34, 34), (128, 128), (180, 240), (240, 304), (260, 346), (320, 320), (480, 640), (600, 800), (720, 1280),
)  # fmt: skip
"""Height and width of sensors that are sold, and of N-MNIST's recordings."""


def fitted(data: Data) -> tuple[Data, list[str]]:
    """The data's configuration with all that the recordings decide, and what to tell of it.

    Raises:
        DatasetError: the recordings are not there, or what they hold cannot have been meant.
    """
    sensor_is_due = data.sensor is None and data.dataset in LAYOUTS
    if data.step_us and data.time_steps and not sensor_is_due:
        return data, []
    source = open_source(replace(data, step_us=data.step_us or 1, time_steps=data.time_steps or 1))
    found = source.survey()
    if found is None:
        raise DatasetError(
            f"--dataset {data.dataset}: does not say how long its recordings last; give --step-us and --time-steps"
        )
    chosen = data
    told = []
    if sensor_is_due:
        _refuse_strays(found, source.names)
        sensor = sensor_of(found.extent)
        told.append(f"--sensor {sensor[0]} {sensor[1]}")
        chosen = replace(chosen, sensor=None if sensor == (data.size, data.size) else sensor)
    if not (data.step_us and data.time_steps):
        _require_microseconds(found, data)
        chosen = _with_steps(chosen, found.lasts)
        told += [f"--step-us {chosen.step_us}"] * (not data.step_us)
        told += [f"--time-steps {chosen.time_steps}"] * (not data.time_steps)
    height, width = found.extent
    reach = f"their events reach {height} x {width} pixels and they last {_ms(found.lasts)} in the median"
    return chosen, [f"taken from the recordings: {', '.join(told)} ({reach})"]


def sensor_of(extent: tuple[int, int]) -> tuple[int, int]:
    """The smallest known sensor that holds events of this height and width, if they fill it; else just that extent."""
    for height, width in CAMERAS:
        if 0.9 * height <= extent[0] <= height and 0.9 * width <= extent[1] <= width:
            return height, width
    return extent


def _refuse_strays(found: Survey, names: tuple[str, ...]) -> None:
    """A few damaged events must not decide how large the sensor is."""
    usual = int(found.usual_height.max()), int(found.usual_width.max())
    if all(reached <= STRAY * most for reached, most in zip(found.extent, usual, strict=True)):
        return
    strayed = np.maximum(found.height / usual[0], found.width / usual[1])
    row = int(np.argmax(strayed))
    raise DatasetError(
        f"{names[found.rows[row]]}: its events reach {found.height[row]} x {found.width[row]} pixels, while all events "
        f"but a thousandth lie within {usual[0]} x {usual[1]}; remove those that are damaged, or give the camera's "
        "--sensor HEIGHT WIDTH"
    )


def _with_steps(data: Data, lasts: float) -> Data:
    """Steps that cover `lasts` microseconds, given one of the two numbers or none."""
    if data.step_us:
        return replace(data, time_steps=min(MOST_STEPS, max(1, math.ceil(lasts / data.step_us))))
    step = _rounded_up(lasts / (data.time_steps or STEPS))
    if step <= LONGEST_STEP or data.time_steps:
        return replace(data, step_us=step, time_steps=data.time_steps or STEPS)
    return replace(data, step_us=LONGEST_STEP, time_steps=min(MOST_STEPS, math.ceil(lasts / LONGEST_STEP)))


def _rounded_up(value: float) -> int:
    """To two digits, so that the last event lies inside."""
    unit = 10 ** max(0, math.floor(math.log10(value)) - 1)
    return math.ceil((value + 1) / unit) * unit


def _require_microseconds(found: Survey, data: Data) -> None:
    lasts = found.lasts
    if SHORTEST <= lasts <= LONGEST:
        return
    unit = "milliseconds, then save t * 1000" if lasts < SHORTEST else "nanoseconds, then save t // 1000"
    if lasts < WHOLE_SECONDS:
        unit = "seconds, rounded? Then convert again from what was recorded: t * 1e6 as integers; or " + unit
    raise DatasetError(
        f"{data.dataset}: the recordings last {lasts:,.0f} us in the median; are their times in {unit}? Where they "
        "truly last so, say it: --step-us and --time-steps"
    )


def _ms(us: float) -> str:
    return f"{us / 1000:,.0f} ms" if us >= 10_000 else f"{us:,.0f} us"
