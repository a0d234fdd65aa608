"""Recordings as other tools write them: names and orders of fields, times that are no microseconds, odd polarities."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ckd.errors import RecordingError
from ckd.events import EVENT_DTYPE, Binning, Events, read_recording, stream_events, to_frames


def some_events(count: int = 50) -> Events:
    made = np.zeros(count, EVENT_DTYPE)
    made["t"], made["x"], made["y"], made["p"] = np.arange(count) * 10, np.arange(count) % 7, 3, np.arange(count) % 2
    return made


def read_both(path: Path) -> Events:
    """As a whole and as a stream, which must agree."""
    whole = read_recording(path)
    assert (np.concatenate(list(stream_events(path))) == whole).all()
    return whole


@pytest.mark.parametrize(
    "names", [("x", "y", "timestamp", "polarity"), ("x", "y", "ts", "pol"), ("x", "y", "timestamps", "polarities")]
)
@pytest.mark.parametrize("ending", [".npy", ".npz"])
def test_the_names_of_other_tools_are_read(tmp_path: Path, names: tuple[str, ...], ending: str) -> None:
    events, path = some_events(), tmp_path / f"a{ending}"
    fields = dict(zip(names, (events[name] for name in "xytp"), strict=True))
    if ending == ".npz":
        np.savez(path, **fields)  # pyright: ignore[reportArgumentType]
    else:
        stored = np.empty(len(events), [(name, np.int64) for name in reversed(names)])
        for name, values in fields.items():
            stored[name] = values
        np.save(path, stored)
    assert (read_both(path) == events).all()


def test_other_names_are_refused_with_those_that_are_wanted(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros(3, [("col", int), ("row", int), ("t", int), ("p", int)]))
    np.savez(tmp_path / "a.npz", x=[1], y=[1], when=[1], p=[1])
    for name, lacks, has in (("a.npy", "x", "col, row, t, p"), ("a.npz", "t", "x, y, when, p")):
        with pytest.raises(RecordingError, match=rf"{name}: has no '{lacks}' among its fields \({has}\); .* timestamp"):
            read_recording(tmp_path / name)


def test_rows_of_x_y_t_p_are_read_and_of_t_x_y_p_refused(tmp_path: Path) -> None:
    events = some_events()
    rows = np.ascontiguousarray(np.stack([events[name].astype(np.int64) for name in "xytp"], axis=1))
    np.save(tmp_path / "a.npy", rows)
    assert (read_both(tmp_path / "a.npy") == events).all()
    np.save(tmp_path / "b.npy", np.ascontiguousarray(rows[:, [2, 0, 1, 3]]))
    for read in (read_recording, lambda path: list(stream_events(path))):
        with pytest.raises(RecordingError, match=r"columns seem to be t, x, y, p.*\[:, \[1, 2, 0, 3\]\]"):
            read(tmp_path / "b.npy")


@pytest.mark.parametrize(
    ("field", "values", "said"),
    [
        ("t", np.linspace(0, 0.3, 50), r"t holds 0\.006\d+, which is no whole number, 4\d times in 50.*t \* 1e6"),
        ("x", np.full(50, 0.5), "x holds 0.5, which is no whole number"),
        ("t", np.full(50, np.nan), "t holds nan, which is no whole number"),
        ("p", np.full(50, 2), "p reaches from 2 to 2; allowed are 1 where light rose"),
    ],
)
def test_numbers_that_would_be_others_are_refused(tmp_path: Path, field: str, values: Any, said: str) -> None:
    events = some_events()
    fields = {name: events[name] for name in "xytp"} | {field: values}
    np.savez(tmp_path / "a.npz", **fields)  # pyright: ignore[reportArgumentType]
    with pytest.raises(RecordingError, match=said):
        read_recording(tmp_path / "a.npz")


def test_whole_floats_and_signed_polarities_are_read(tmp_path: Path) -> None:
    events = some_events()
    np.savez(tmp_path / "a.npz", x=events["x"], y=events["y"], t=events["t"] * 1.0, p=events["p"] * 2 - 1)
    assert (read_recording(tmp_path / "a.npz") == events).all()


def test_frames_are_made_of_fields_by_name_and_of_no_number_that_wraps() -> None:
    binning = Binning(step_us=100, steps=5, height=8, width=8)
    events = some_events()
    wide = np.empty(len(events), [("t", np.int64), ("p", np.int64), ("x", np.int64), ("y", np.int64)])
    for name in "xytp":
        wide[name] = events[name]
    assert (to_frames(wide, binning) == to_frames(events, binning)).all() and to_frames(events, binning).sum() > 20
    wide["x"][0] = 65536  # 0 in 16 bits
    with pytest.raises(RecordingError, match="x reaches from 0 to 65536; allowed are 0 to 32767"):
        to_frames(wide, binning)


def test_a_pixel_far_outside_a_small_sensor_stays_outside() -> None:
    events = some_events()
    events["x"][0] = 16384  # times 8 and divided by 2: 0 in 16 bits
    with pytest.raises(RecordingError, match="outside the sensor"):
        to_frames(events, Binning(step_us=100, steps=5, height=32, width=32, sensor=(8, 8)))
