"""Pictures hold what they are given: what is read back from the Axes is counted on its own."""

import json
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest

from ckd import plot
from ckd.errors import RunError
from ckd.events import EVENT_DTYPE, RecordingError


@pytest.fixture(autouse=True)
def closed_figures() -> object:
    plt.switch_backend("Agg")
    yield
    plt.close("all")


def test_events_lie_where_they_were() -> None:
    recording = np.array([(2, 1, 5000, 1), (3, 1, 7000, 0), (4, 1, 9000, 1)], EVENT_DTYPE)
    axes = plt.subplots()[1]
    assert plot.events(recording, axes=axes) is axes
    rose, fell = (np.asarray(points.get_offsets()).tolist() for points in axes.collections)
    assert rose == [[0, 2], [4, 4]] and fell == [[2, 3]]


def test_frames_are_red_and_blue_and_spread_over_the_steps() -> None:
    frames = np.zeros((15, 2, 6, 32), np.uint8)
    frames[0, 1, 2, 3], frames[14, 0, 4, 31] = 1, 1
    axes = plot.frames(frames, step_us=2000)
    strip = np.asarray(axes.images[0].get_array())
    assert strip[2, 3].tolist() == [1, 0, 0] and strip[4, -1].tolist() == [0, 0, 1]
    ticks = [label.get_text() for label in axes.get_xticklabels()]
    assert len(ticks) == 8 and ticks[0] == "0 ms" and ticks[-1] == "28 ms"


def test_accuracy_has_a_line_a_stage(tmp_path: Path) -> None:
    lines = [{"stage": s, "iteration": i, "validation_accuracy": 0.5 + i / 10} for s in ("a", "b") for i in (1, 2)]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    axes = plot.accuracy(tmp_path)
    assert [line.get_label() for line in axes.lines] == ["a", "b"]
    assert np.allclose(np.asarray(axes.lines[1].get_ydata()), (0.6, 0.7), atol=1e-12)  # sums of decimals


def test_what_cannot_be_drawn_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="no events"):
        plot.events(np.zeros(0, EVENT_DTYPE))
    with pytest.raises(RecordingError, match=r"\(2, 3, 2, 4, 4\).*frames\[0\]"):
        plot.frames(np.zeros((2, 3, 2, 4, 4), np.uint8))
    with pytest.raises(RunError, match="no accuracy"):
        plot.accuracy(tmp_path)
