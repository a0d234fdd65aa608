"""What a run is told about its recordings before it begins, and what would ruin it."""

import numpy as np

from ckd.data.survey import Survey
from ckd.errors import DatasetError
from ckd.events import Binning

HARDLY = 0.5
"""Share of a recording, of the window or of the sensor, below which something is worth a word."""
SHOWN_AT_LEAST = 100
"""A recording that lasts more than so many times what its frames show was hardly timed in microseconds."""


NEAR = 1.1
"""Extents of events that differ by less are of one sensor seen alike."""


def remarks_on(found: Survey, names: tuple[str, ...], binning: Binning) -> list[str]:
    """What is odd about recordings, a line each.

    Args:
        found: what was read of them.
        names: of all recordings.
        binning: how they become frames.

    Raises:
        DatasetError: times that are no microseconds, or events outside the sensor: no training can come out right.
    """
    names = tuple(names[row] for row in found.rows)
    _refuse_other_sensor(found, names, binning)
    _refuse_other_units(found, binning)
    return [
        *_on_window(found, binning),
        *_on_few_events(found, names, binning),
        *_on_sensor(found, binning),
        *_on_axes(found, names),
    ]


def _refuse_other_sensor(found: Survey, names: tuple[str, ...], binning: Binning) -> None:
    height, width = binning.sensor or (binning.height, binning.width)
    outside = (found.height > height) | (found.width > width) | (found.least < 0)
    if not outside.any():
        return
    first = int(np.argmax(outside))
    if (found.least < 0).any():
        row = int(np.argmax(found.least < 0))
        raise DatasetError(f"{names[row]}: has events at x or y = {found.least[row]}; both count pixels, from 0")
    raise DatasetError(
        f"{int(outside.sum())} of {len(names)} recordings have events outside the sensor of {height} x {width} pixels, "
        f"the first is {names[first]}, whose events reach {found.height[first]} x {found.width[first]}; give the "
        f"camera's --sensor HEIGHT WIDTH, at least {found.extent[0]} {found.extent[1]}"
    )


def _refuse_other_units(found: Survey, binning: Binning) -> None:
    shown = binning.steps * binning.step_us
    if binning.steps > 1 and found.lasts < binning.step_us:
        raise DatasetError(
            f"half of the recordings last {found.lasts:,.0f} us or less, and a step lasts {binning.step_us:,} us; are "
            "their times in milliseconds? Microseconds are needed: save t * 1000; or lower --step-us"
        )
    if found.lasts > SHOWN_AT_LEAST * shown:
        raise DatasetError(
            f"half of the recordings last {found.lasts:,.0f} us or more, of which --time-steps and --step-us show "
            f"{shown:,}; are their times in nanoseconds? Microseconds are needed: save t // 1000; or raise --step-us"
        )


def _on_window(found: Survey, binning: Binning) -> list[str]:
    shown = binning.steps * binning.step_us
    if found.lasts * HARDLY > shown:
        return [
            f"the recordings last {found.lasts / 1000:,.0f} ms in the median, of which --time-steps {binning.steps} "
            f"and --step-us {binning.step_us} show the first {shown / 1000:,.0f}; raise one of them to see the rest"
        ]
    if found.lasts < HARDLY * shown:
        return [
            f"the recordings last {found.lasts / 1000:,.0f} ms in the median and fill {found.lasts / shown:.0%} of the "
            f"{shown / 1000:,.0f} ms of --time-steps {binning.steps} and --step-us {binning.step_us}; lower --step-us"
        ]
    short = int((found.duration < binning.step_us).sum())
    return [f"{short} of {len(found.duration)} recordings last less than a step"] * (short > 0)


def _on_few_events(found: Survey, names: tuple[str, ...], binning: Binning) -> list[str]:
    remarks = []
    few = found.events < 10 * binning.steps
    if few.any():
        least = int(np.argmin(found.events))
        remarks.append(
            f"{int(few.sum())} of {len(names)} recordings hold fewer than {10 * binning.steps} events, {names[least]} "
            f"only {found.events[least]}"
        )
    rising = found.rising.sum() / found.events.sum()
    if not 0.02 < rising < 0.98:
        remarks.append(
            f"{rising:.0%} of all events are of rising light; is the polarity recorded? 1 is rising, 0 or -1 falling"
        )
    return remarks


def _on_sensor(found: Survey, binning: Binning) -> list[str]:
    height, width = binning.sensor or (binning.height, binning.width)
    if min(binning.height / height, binning.width / width) > 1:
        return [
            f"frames of {binning.height} x {binning.width} pixels are larger than the sensor of {height} x {width}, so "
            f"rows and columns stay empty; --size {max(16, min(height, width) // 16 * 16)}"
        ]
    if found.extent[0] >= HARDLY * height and found.extent[1] >= HARDLY * width:
        return []
    reach = " x ".join(map(str, found.extent))
    return [
        f"all events lie in {reach} of the sensor's {height} x {width} pixels, so most of each frame is empty; "
        f"--sensor {found.extent[0]} {found.extent[1]} would show them larger"
    ]


def _on_axes(found: Survey, names: tuple[str, ...]) -> list[str]:
    """Classes whose recordings lie across those of all others, which agree: x and y were exchanged in some."""
    classes = np.asarray([name.split("/")[0] for name in names])
    reach = {name: (found.height[classes == name].max(), found.width[classes == name].max()) for name in set(classes)}
    height, width = (float(np.median([each[axis] for each in reach.values()])) for axis in (0, 1))
    across = sorted(name for name, (h, w) in reach.items() if _near(h, width) and _near(w, height))
    others = [each for name, each in reach.items() if name not in across]
    if _near(height, width) or len(others) < 2 or not all(_near(h, height) and _near(w, width) for h, w in others):
        return []
    return [
        f"class {name}: its events reach {reach[name][0]} x {reach[name][1]} pixels, those of the others "
        f"{height:.0f} x {width:.0f}; are x and y exchanged in it?"
        for name in across
    ]


def _near(one: float, other: float) -> bool:
    return max(one / other, other / one) < NEAR
