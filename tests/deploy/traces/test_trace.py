"""A trace read back is the trace that was written, and what is no trace says so in one line."""

from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from ckd.events import Binning
from deploy.errors import TraceError
from deploy.traces.checksum import digest
from deploy.traces.layers import KINDS, LayerRecord
from deploy.traces.trace import Trace, join_traces, load_trace


def example(recordings: int = 3, seed: int = 0) -> Trace:
    rng = np.random.default_rng(seed)
    v = rng.integers(-(2**23), 2**23, (recordings, 5, 2, 3, 3), dtype=np.int32)
    spikes = rng.random((recordings, 5, 2, 3, 3)) < 0.3
    return Trace(
        layers={
            "lif1": LayerRecord(spikes=spikes, v=v[:2], v_digest=digest(v), overflows=2),
            "readout": LayerRecord(v=rng.integers(-99, 99, (recordings, 5, 4), dtype=np.int32)),
        },
        predictions=rng.integers(0, 4, recordings),
        labels=rng.integers(0, 4, recordings),
        frames=rng.integers(0, 2, (recordings, 5, 2, 6, 6), dtype=np.uint8),
        names=tuple(f"r{i}" for i in range(recordings)),
        classes=("a", "b", "c", "d"),
        binning=Binning(step_us=1000, steps=5, height=6, width=6),
        runner="test",
    )


def test_a_trace_survives_the_disk(tmp_path: Path) -> None:
    trace = example()
    trace.save(tmp_path / "a.trace")
    read = load_trace(tmp_path / "a.trace")
    assert list(trace.layers) == list(read.layers)
    for name, before in trace.layers.items():
        after = read.layers[name]
        assert (before.shape, before.is_readout) == (after.shape, after.is_readout)
        for kind in KINDS:
            assert (kind in before) == (kind in after)
            if kind in before:
                assert np.array_equal(before[kind], after[kind]) and before[kind].dtype == after[kind].dtype
    for name in ("frames", "labels", "predictions"):
        assert np.array_equal(getattr(trace, name), getattr(read, name))
    for name in ("names", "classes", "offsets", "overflows", "binning", "runner", "schedule", "steps", "accuracy"):
        assert getattr(trace, name) == getattr(read, name)


def test_a_digest_changes_with_any_bit_of_its_step() -> None:
    v = example().layers["lif1"]["v"]
    changed = v.copy()
    changed[1, 3, 1, 2, 0] ^= 1
    apart = digest(v) != digest(changed)
    assert apart[1, 3] and apart.sum() == 1


def test_joined_traces_hold_all_recordings() -> None:
    whole = join_traces([example(3, 0), example(2, 1)], runner="both")
    assert whole.recordings == 5 and whole.runner == "both" and whole.overflows["lif1"] == 4
    assert np.array_equal(whole.layers["lif1"].output[3:], example(2, 1).layers["lif1"].output)


def test_a_pipelined_trace_is_aligned_by_its_offsets() -> None:
    trace = example()
    spikes = trace.layers["lif1"].output
    late = LayerRecord(spikes=np.concatenate([np.zeros((3, 1, 2, 3, 3), bool), spikes], axis=1), offset=1)
    moved = replace(trace, layers={"lif1": late})
    assert moved.steps == trace.steps
    assert np.array_equal(moved.output("lif1"), spikes)
    assert np.array_equal(late.synchronous(moved.steps).output, spikes)


def test_recordings_are_taken_with_all_that_is_kept_of_them() -> None:
    trace = example(5)
    taken = trace.take([4, 0, 1])
    assert taken.recordings == 3 and taken.names == ("r0", "r1", "r4")
    lif = taken.layers["lif1"]
    assert np.array_equal(lif.output, trace.layers["lif1"].output[[0, 1, 4]])
    assert np.array_equal(lif["v"], trace.layers["lif1"]["v"][[0, 1]]), "of the five, v of two was kept"
    assert np.array_equal(lif.digests["v"], trace.layers["lif1"].digests["v"][[0, 1, 4]])


def test_a_trace_is_made_of_records_alone() -> None:
    with pytest.raises(TraceError, match=r"layer 'lif1' is a ndarray; give a deploy\.LayerRecord of its spikes"):
        Trace(layers={"lif1": np.zeros((1, 1, 1), bool)}, predictions=np.zeros(1))  # pyright: ignore[reportArgumentType]
    with pytest.raises(TraceError, match="needs spikes, or v of a readout"):
        LayerRecord(u=np.zeros((1, 1, 1)))


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
    broken = replace(example(), device=object())  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError):
        broken.save(tmp_path / "a.trace")
    assert list(tmp_path.iterdir()) == []


def test_a_trace_whose_parts_are_of_other_sizes_is_refused() -> None:
    trace = example()
    lif, readout = trace.layers["lif1"], trace.layers["readout"]
    for layers in (
        {"lif1": lif.replace(spikes=lif.output[:1], v=None, v_digest=None), "readout": readout},
        {"lif1": lif, "readout": readout.replace(v=readout.output[:, :4])},
    ):
        with pytest.raises(TraceError, match=r"is of shape .*; all have \(3, 5, ...\)"):
            replace(trace, layers=layers)
    with pytest.raises(TraceError, match="2 labels of 3 predictions"):
        replace(trace, labels=np.arange(2))


def test_joined_traces_keep_labels_and_end_states_where_one_lacks_them() -> None:
    first, second, third = example(2, seed=0), example(2, seed=1), example(2, seed=2)
    bare = replace(second, layers={**second.layers, "lif1": second.layers["lif1"].replace(v=None)})
    whole = join_traces([first, bare, third])
    assert whole.names == first.names + second.names + third.names and whole.frames is not None
    assert whole.accuracy == np.mean(
        np.concatenate([part.predictions == part.labels for part in (first, second, third)])
    )
    assert np.array_equal(whole.layers["lif1"]["v"], first.layers["lif1"]["v"])
    assert join_traces([first, replace(second, labels=None)]).labels is None


def test_spikes_are_0_and_1_over_recordings_and_steps() -> None:
    counts = np.ones((2, 3, 4), np.uint8)
    assert LayerRecord(spikes=counts).output.dtype == bool
    with pytest.raises(TraceError, match=r"spikes of float64 hold 0\.5 beside 0 and 1"):
        LayerRecord(spikes=counts * 0.5)
    with pytest.raises(TraceError, match=r"shape \(3,\); allowed is \(recordings, steps, ...\)"):
        LayerRecord(spikes=np.zeros(3, bool))
