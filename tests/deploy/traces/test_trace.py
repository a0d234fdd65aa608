"""A trace read back is the trace that was written, and what is no trace says so in one line."""

from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from ckd.events import Binning
from deploy.errors import TraceError
from deploy.traces.trace import Trace, digest, join_traces, load_trace


def example(recordings: int = 3, seed: int = 0) -> Trace:
    rng = np.random.default_rng(seed)
    v = rng.integers(-(2**23), 2**23, (recordings, 5, 2, 3, 3), dtype=np.int32)
    return Trace(
        spikes={"lif1": rng.random((recordings, 5, 2, 3, 3)) < 0.3},
        v={"lif1": v[:2], "readout": rng.integers(-99, 99, (recordings, 5, 4), dtype=np.int32)},
        v_digest={"lif1": digest(v)},
        shifts={"lif1": 0, "readout": 0},
        predictions=rng.integers(0, 4, recordings),
        labels=rng.integers(0, 4, recordings),
        frames=rng.integers(0, 2, (recordings, 5, 2, 6, 6), dtype=np.uint8),
        names=tuple(f"r{i}" for i in range(recordings)),
        classes=("a", "b", "c", "d"),
        overflows={"lif1": 2, "readout": 0},
        binning=Binning(step_us=1000, steps=5, height=6, width=6),
        runner="test",
    )


def test_a_trace_survives_the_disk(tmp_path: Path) -> None:
    trace = example()
    trace.save(tmp_path / "a.trace")
    read = load_trace(tmp_path / "a.trace")
    for kind in ("spikes", "v", "v_digest"):
        before, after = getattr(trace, kind), getattr(read, kind)
        assert list(before) == list(after)
        for layer in before:
            assert np.array_equal(before[layer], after[layer]) and before[layer].dtype == after[layer].dtype
    for name in ("frames", "labels", "predictions"):
        assert np.array_equal(getattr(trace, name), getattr(read, name))
    for name in ("names", "classes", "shifts", "overflows", "binning", "runner", "schedule", "steps", "accuracy"):
        assert getattr(trace, name) == getattr(read, name)


def test_a_digest_changes_with_any_bit_of_its_step() -> None:
    v = example().v["lif1"]
    changed = v.copy()
    changed[1, 3, 1, 2, 0] ^= 1
    apart = digest(v) != digest(changed)
    assert apart[1, 3] and apart.sum() == 1


def test_joined_traces_hold_all_recordings() -> None:
    whole = join_traces([example(3, 0), example(2, 1)], runner="both")
    assert whole.recordings == 5 and whole.runner == "both" and whole.overflows["lif1"] == 4
    assert np.array_equal(whole.spikes["lif1"][3:], example(2, 1).spikes["lif1"])


def test_a_pipelined_trace_is_aligned_by_its_shifts() -> None:
    trace = example()
    late = {"lif1": np.concatenate([np.zeros((3, 1, 2, 3, 3), bool), trace.spikes["lif1"]], axis=1)}
    assert np.array_equal(
        replace(trace, spikes=late, shifts={"lif1": 1}).aligned("spikes", "lif1"), trace.spikes["lif1"]
    )


def test_what_is_no_trace_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match="no such trace"):
        load_trace(tmp_path / "missing.trace")
    (tmp_path / "text.trace").write_text("hello")
    with pytest.raises(TraceError, match="not a trace"):
        load_trace(tmp_path / "text.trace")
    example().save(tmp_path / "old.trace")
    with h5py.File(tmp_path / "old.trace", "a") as file:
        file.attrs["ckd_trace"] = 99
    with pytest.raises(TraceError, match="version 99"):
        load_trace(tmp_path / "old.trace")


def test_a_failed_save_leaves_nothing_behind(tmp_path: Path) -> None:
    broken = replace(example(), overflows={"lif1": object()})
    with pytest.raises(TypeError):
        broken.save(tmp_path / "a.trace")
    assert list(tmp_path.iterdir()) == []
