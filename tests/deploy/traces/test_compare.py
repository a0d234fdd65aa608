"""Two traces: equal, or the first layer, step and neuron; and how alike, where they need not be equal."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import deploy
from deploy.errors import TraceError
from deploy.network import Array, Network
from deploy.traces.checksum import digest
from deploy.traces.compare import compare
from deploy.traces.layers import LayerRecord
from deploy.traces.likeness import Tolerance, measure, van_rossum
from deploy.traces.trace import Trace, load_trace
from tests.deploy.changed import changed


def trace(spikes: Array) -> Trace:
    """One layer "lif" and a readout."""
    v = spikes.reshape(*spikes.shape[:2], -1).sum(axis=2, dtype=np.int32).cumsum(axis=1, dtype=np.int32)[..., None]
    layers = {"lif": LayerRecord(spikes=spikes), "readout": LayerRecord(v=v)}
    return Trace(layers=layers, predictions=np.zeros(len(spikes), np.int64))


@pytest.fixture
def spikes() -> Array:
    return np.random.default_rng(0).random((3, 10, 2, 3, 4)) < 0.2


def flip(spikes: Array, *at: tuple[int, ...]) -> Array:
    changed = spikes.copy()
    for place in at:
        changed[place] ^= True
    return changed


def test_equal_traces_are_equal_and_counted(spikes: Array) -> None:
    verdict = compare(trace(spikes), trace(spikes.copy()))
    assert verdict and verdict.first is None
    assert verdict.spikes == spikes.sum() and verdict.neuron_steps == spikes.size


def test_one_flipped_spike_is_found_where_it_is(spikes: Array) -> None:
    at = (1, 4, 1, 2, 3)
    verdict = compare(trace(spikes), changed(trace(spikes), "lif", spikes=flip(spikes, at)))
    assert not verdict and verdict.differing == 1
    first = verdict.first
    assert first is not None
    assert (first.recording, first.step, first.neuron) == (1, 4, (1, 2, 3))
    assert (first.expected, first.found) == (int(spikes[at]), 1 - int(spikes[at]))


def test_the_earliest_step_counts_before_the_lowest_recording(spikes: Array) -> None:
    found = flip(spikes, (0, 7, 0, 0, 0), (2, 3, 1, 1, 1))
    first = compare(trace(spikes), changed(trace(spikes), "lif", spikes=found)).first
    assert first is not None and (first.recording, first.step) == (2, 3)


def test_packed_bits_count_as_loops_do() -> None:
    rng = np.random.default_rng(1)
    for shape in ((2, 5, 7), (3, 4, 2, 3, 3), (1, 3, 16)):
        a, b = rng.random(shape) < 0.3, rng.random(shape) < 0.3
        verdict = compare(trace(a), changed(trace(a), "lif", spikes=b))
        (layer, _) = verdict.layers
        assert (layer.expected_spikes, layer.found_spikes, layer.differing) == (a.sum(), b.sum(), (a != b).sum())
        places = [(t, r, n) for r, t, *n in np.argwhere(a != b).tolist()]
        assert verdict.first is not None
        assert (verdict.first.step, verdict.first.recording, list(verdict.first.neuron or ())) == min(places)


def test_a_layer_that_never_spikes_fails_the_check(spikes: Array) -> None:
    silent = trace(np.zeros_like(spikes))
    verdict = compare(silent, silent)
    assert not verdict and "never spikes" in verdict.problems[0]


def test_potentials_count_even_where_spikes_agree(spikes: Array) -> None:
    one = trace(spikes)
    v = one.layers["readout"]["v"].copy()
    v[2, 9, 0] += 1
    verdict = compare(one, changed(one, "readout", v=v))
    assert not verdict and verdict.first is not None and verdict.first_spike is None
    assert (verdict.first.layer, verdict.first.step, verdict.first.what) == ("readout", 9, "v")


def test_a_step_in_which_u_and_v_differ_counts_once(spikes: Array) -> None:
    rng = np.random.default_rng(3)
    states = rng.integers(-1000, 1000, spikes.shape)
    one = changed(trace(spikes), "lif", u=states, v=states)
    (layer, _) = compare(one, changed(one, "lif", u=states + 1, v=states + 1)).layers
    assert layer.states == layer.states_differing == spikes.shape[0] * spikes.shape[1]


def test_a_digest_finds_a_changed_potential_that_no_state_shows(spikes: Array) -> None:
    states = np.random.default_rng(2).integers(-1000, 1000, spikes.shape)
    one = changed(trace(spikes), "lif", v_digest=digest(states))
    states[1, 6, 0, 0, 0] += 1
    first = compare(one, changed(one, "lif", v_digest=digest(states))).first
    assert first is not None and (first.step, first.recording, first.neuron) == (6, 1, None)


def test_an_earlier_step_that_only_a_digest_shows_comes_first(spikes: Array) -> None:
    states = np.random.default_rng(2).integers(-1000, 1000, spikes.shape)
    one = changed(trace(spikes), "lif", v=states[:2], v_digest=digest(states))
    other = states.copy()
    other[1, 5, 0, 0, 0] += 1
    other[2, 3, 0, 0, 0] += 1
    found = changed(one, "lif", v=other[:2], v_digest=digest(other))
    first = compare(one, found).first
    assert first is not None and (first.step, first.recording, first.neuron) == (3, 2, None)


def test_only_as_many_recordings_are_compared_as_asked(spikes: Array) -> None:
    one, other = trace(spikes), trace(flip(spikes, (2, 4, 0, 0, 0)))
    assert not compare(one, other)
    assert compare(one, other, recordings=2).differing == 0


def test_a_trace_that_has_lost_a_layers_spikes_is_refused(spikes: Array) -> None:
    one = changed(trace(spikes), "lif", v=np.zeros(spikes.shape, np.int32))
    lost = changed(one, "lif", spikes=None)
    for a, b in ((one, lost), (lost, one)):
        with pytest.raises(TraceError, match="lif: one trace has its spikes"):
            compare(a, b)


def test_a_readout_that_never_leaves_zero_proves_nothing() -> None:
    readout = LayerRecord(v=np.zeros((2, 5, 3), np.int32))
    still = Trace(layers={"readout": readout}, predictions=np.zeros(2, np.int64))
    assert "proves nothing" in compare(still, still).problems[0]
    moving = changed(still, "readout", v=np.ones((2, 5, 3), np.int32))
    assert compare(moving, moving)


def test_spikes_recorded_elsewhere_need_no_offsets(spikes: Array, tmp_path: Path) -> None:
    chip = Trace(layers={"lif": LayerRecord(spikes=spikes)}, predictions=np.zeros(len(spikes), np.int64))
    chip.save(tmp_path / "chip.trace")
    assert np.array_equal(load_trace(tmp_path / "chip.trace").layers["lif"].output, spikes)
    with pytest.raises(TraceError, match="load_trace"):
        compare(chip, tmp_path / "chip.trace")  # pyright: ignore[reportArgumentType]


def test_a_pipelined_trace_is_aligned_by_its_schedule(spikes: Array) -> None:
    late = np.zeros((3, 12, 2, 3, 4), bool)
    late[:, 1:11] = spikes
    one = trace(spikes)
    v = np.zeros((3, 12, 1), np.int32)
    v[:, 2:] = one.layers["readout"]["v"]
    layers = {"lif": LayerRecord(spikes=late, offset=1), "readout": LayerRecord(v=v, offset=2)}
    pipelined = replace(one, layers=layers, schedule="pipelined")
    assert compare(one, pipelined)
    assert not compare(one, changed(pipelined, "lif", offset=2))


def test_a_file_compares_as_the_trace_in_memory(spikes: Array, tmp_path: Path) -> None:
    one = trace(spikes)
    one.save(tmp_path / "a.trace")
    assert compare(load_trace(tmp_path / "a.trace"), one)
    other = changed(one, "lif", spikes=flip(spikes, (0, 2, 0, 1, 1)))
    first = compare(load_trace(tmp_path / "a.trace"), other).first
    assert first is not None and first.neuron == (0, 1, 1)


def test_traces_of_other_networks_or_steps_are_refused(spikes: Array) -> None:
    one = trace(spikes)
    with pytest.raises(TraceError, match="steps"):
        compare(one, trace(spikes[:, :5]))
    with pytest.raises(TraceError, match="layers"):
        compare(one, replace(one, layers={"other": one.layers["lif"], "readout": one.layers["readout"]}))
    with pytest.raises(TraceError, match="neurons"):
        compare(one, changed(one, "lif", spikes=spikes[..., :3]))


# How alike


def test_equal_trains_have_distance_0_and_one_extra_spike_costs_the_sum_of_its_filter() -> None:
    empty, one = np.zeros((1, 400, 1), bool), np.zeros((1, 400, 1), bool)
    one[0, 5, 0] = True
    assert van_rossum(one, one, 50.0) == 0
    assert van_rossum(one, empty, 50.0) == pytest.approx(1 / (50 * (1 - np.exp(-2 / 50))), rel=1e-6)
    late = np.zeros_like(one)
    late[0, 399, 0] = True
    assert van_rossum(late, empty, 50.0) == pytest.approx(van_rossum(one, empty, 50.0), rel=1e-6)


def test_a_spike_moved_by_one_step_is_nearer_than_one_moved_by_twenty() -> None:
    at = {shift: np.zeros((1, 60, 1), bool) for shift in (0, 1, 20)}
    for shift, train in at.items():
        train[0, 10 + shift, 0] = True
    near, far = (van_rossum(at[0], at[shift], 4.0) for shift in (1, 20))
    assert 0 < near < far


def test_likeness_of_equal_traces_needs_no_tolerance(spikes: Array) -> None:
    similarity = measure(trace(spikes), trace(spikes))
    assert similarity
    assert (similarity.needed.agreement, similarity.needed.rate_error, similarity.needed.distance) == (1.0, 0.0, 0.0)


def test_the_tolerance_that_would_have_been_needed_just_passes(spikes: Array) -> None:
    found = flip(spikes, *[(r, t, 0, 0, 0) for r in range(3) for t in range(10)])
    other = replace(changed(trace(spikes), "lif", spikes=found), predictions=np.array([0, 1, 0]))
    strict = measure(trace(spikes), other, Tolerance(agreement=1.0, correlation=1.0, rate_error=0.0, distance=0.0))
    assert not strict and len(strict.problems) >= 3
    assert measure(trace(spikes), other, strict.needed)
    assert strict.needed.agreement == pytest.approx(2 / 3)


def test_likeness_fails_where_a_layer_never_spikes(spikes: Array) -> None:
    silent = trace(np.zeros_like(spikes))
    assert not measure(silent, silent)


def test_other_frames_are_said_and_never_equal(small_network: Network, small_frames: Array) -> None:
    trace = deploy.run(small_network, small_frames, on="integer")
    frames = small_frames.copy()
    frames[4, 1] += 1
    others = replace(trace, frames=frames)
    verdict = deploy.compare(replace(trace, frames=small_frames), others)
    assert not verdict and "the frames of 1 of 9 recordings differ (4)" in verdict.sentence
    assert deploy.compare(replace(trace, frames=small_frames), others, recordings=4)
    assert deploy.compare(replace(trace, frames=small_frames), replace(trace, frames=None))


def test_other_numbers_of_recordings_are_said(small_network: Network, small_frames: Array) -> None:
    whole, some = (deploy.run(small_network, small_frames[:n], on="integer") for n in (9, 5))
    longer, shorter = deploy.compare(some, whole), deploy.compare(whole, some)
    assert longer and not shorter
    assert longer.remarks == ("the reference holds 5 recordings and the other trace 9; 5 were compared",)
    assert "holds 9 recordings and the other trace 5; 5 were compared" in repr(shorter)
    assert not deploy.compare(whole, whole).remarks and not deploy.compare(whole, some, recordings=4).remarks
