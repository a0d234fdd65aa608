"""Binning: borders, saturation, refusals; streams give the frames of whole recordings."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ckd.errors import RecordingError
from ckd.events import EVENT_DTYPE, Binning, Events, Frames, read_recording, to_frames, write_recording
from ckd.events.stream import stream_events, stream_frames


def events(*rows: tuple[int, int, int, int]) -> Events:
    """Events from (x, y, t, p)."""
    return np.array(list(rows), EVENT_DTYPE)


def random_events(seed: int, count: int, *, size: int = 8, duration: int = 5000) -> Events:
    rng = np.random.default_rng(seed)
    made = np.zeros(count, EVENT_DTYPE)
    made["x"], made["y"] = rng.integers(0, size, (2, count))
    made["t"], made["p"] = np.sort(rng.integers(0, duration, count)), rng.integers(0, 2, count)
    return made


def counted_one_by_one(recording: Events, binning: Binning) -> Frames:
    frames = np.zeros((binning.steps, *binning.frame_shape), np.int64)
    first = min(int(event["t"]) for event in recording)
    for event in recording:
        step = (int(event["t"]) - first) // binning.step_us
        if step < binning.steps:
            frames[step, event["p"], event["y"], event["x"]] += 1
    return np.minimum(frames, binning.max_count).astype(np.uint8)


def test_an_event_on_a_border_belongs_to_the_later_step() -> None:
    binning = Binning(step_us=100, steps=3, height=1, width=1, max_count=255)
    times = [1000, 1099, 1100, 1199, 1200, 1299, 1300]
    frames = to_frames(events(*((0, 0, t, 1) for t in times)), binning)
    assert frames[:, 1, 0, 0].tolist() == [2, 2, 2]
    assert frames[:, 0].sum() == 0


def test_counts_stop_at_the_largest_allowed() -> None:
    recording = events(*((0, 0, 0, 0) for _ in range(300)))
    for largest in (1, 7, 255):
        binning = Binning(step_us=1, steps=1, height=1, width=1, max_count=largest)
        assert to_frames(recording, binning)[0, 0, 0, 0] == largest


@settings(max_examples=100, deadline=None, derandomize=True)
@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 2), st.integers(-(10**12), 10**12), st.integers(0, 1)), min_size=1
    ),
    st.integers(1, 10**12),
    st.integers(1, 4),
    st.integers(1, 3),
)
def test_binning_equals_counting_one_by_one_in_any_order(
    rows: list[tuple[int, int, int, int]], step_us: int, steps: int, largest: int
) -> None:
    binning = Binning(step_us=step_us, steps=steps, height=3, width=4, max_count=largest)
    assert np.array_equal(to_frames(events(*rows), binning), counted_one_by_one(events(*rows), binning))


@pytest.mark.parametrize("bad", [(8, 0, 5, 0), (-1, 0, 5, 0), (0, 8, 5, 1), (0, -1, 5, 1), (0, 0, 5, 2), (0, 0, 5, -1)])
def test_events_outside_the_sensor_are_counted_and_the_first_is_named(bad: tuple[int, int, int, int]) -> None:
    recording = np.concatenate([random_events(0, 10), events(bad, bad)])
    with pytest.raises(RecordingError, match=rf"2 of 12 events lie outside .* x={bad[0]}, y={bad[1]}, p={bad[3]}"):
        to_frames(recording, Binning(step_us=100, steps=10, height=8, width=8))


def test_reading_recordings_loads_no_compiler() -> None:
    code = "import sys, ckd.events; print('numba' in sys.modules, 'torch' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.split() == ["False", "False"]


def save(path: Path, recording: Events) -> None:
    if path.suffix == ".bin":
        write_recording(path, recording)
    elif path.suffix == ".npy":
        np.save(path, recording)
    else:
        encoding = {".dat": "dat", ".evt2.raw": "evt2", ".evt3.raw": "evt3"}["".join(path.suffixes)]
        wizard = pytest.importorskip("expelliarmus").Wizard(encoding=encoding)
        order = np.dtype([("t", np.int64), ("x", np.int16), ("y", np.int16), ("p", np.uint8)])
        stored = np.empty(len(recording), order)
        for name in "xytp":
            stored[name] = recording[name]
        wizard.save(fpath=path, arr=stored)


@pytest.mark.parametrize("ending", [".bin", ".npy", ".dat", ".evt2.raw", ".evt3.raw"])
@pytest.mark.parametrize("block", [1, 7, 1000])
def test_a_stream_gives_the_frames_of_the_whole_recording(ending: str, block: int, tmp_path: Path) -> None:
    recording = random_events(3, 3000)
    path = tmp_path / f"recording{ending}"
    save(path, recording)
    binning = Binning(step_us=37, steps=200, height=8, width=8, max_count=4)
    streamed = np.concatenate(list(stream_frames(path, binning, block)))
    whole = to_frames(read_recording(path), binning)
    assert streamed.any() and np.array_equal(streamed, whole[: len(streamed)]) and not whole[len(streamed) :].any()
    assert np.array_equal(np.concatenate(list(stream_events(path, 64))), read_recording(path))


def test_a_stream_holds_only_its_chunk_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "long.npy"
    count = 10_000_000
    stored = np.lib.format.open_memmap(path, "w+", EVENT_DTYPE, (count,))
    stored["t"] = np.arange(count)
    stored.flush()
    del stored
    code = f"""
import resource
from pathlib import Path
from ckd.events.stream import stream_events
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
before, seen = peak(), 0
for chunk in stream_events(Path({str(path)!r}), 100_000):
    seen += len(chunk)
print(seen, (peak() - before) / 1024)
"""
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert int(out[0]) == count
    assert float(out[1]) < 30 < path.stat().st_size / 2**20


def test_a_stream_refuses_time_that_goes_back(tmp_path: Path) -> None:
    path = tmp_path / "back.npy"
    np.save(path, events((0, 0, 5, 0), (0, 0, 9, 0), (0, 0, 7, 0)))
    for chunk in (1, 2, 10):
        with pytest.raises(RecordingError, match="time goes back from 9 to 7 us"):
            list(stream_events(path, chunk))
