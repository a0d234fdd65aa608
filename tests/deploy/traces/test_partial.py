"""Traces that hold less than the reference: equal where all was compared, or where the user is content with less."""

import json
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from deploy.cli import main
from deploy.errors import TraceError
from deploy.formats.nir import write_nir
from deploy.network import Array, Network
from deploy.runners import integer
from deploy.runners.table import Runner, run
from deploy.traces.compare import compare
from deploy.traces.layers import LayerRecord
from deploy.traces.trace import Trace, load_trace
from tests.deploy.changed import changed
from tests.equivalence.networks import convolutional, frames_for

RECORDINGS = 6


@pytest.fixture(scope="module")
def network() -> Network:
    return convolutional(np.random.default_rng(0))


@pytest.fixture(scope="module")
def whole(network: Network) -> Trace:
    frames = frames_for(np.random.default_rng(1), network, RECORDINGS)
    trace = run(network, frames, states=RECORDINGS, digests=True)
    return replace(trace, names=tuple(f"r{i}" for i in range(RECORDINGS)))


def without(trace: Trace, *names: str) -> Trace:
    return replace(trace, layers={name: layer for name, layer in trace.layers.items() if name not in names})


def of_spikes(trace: Trace) -> Trace:
    """What most chips give: spikes, and the readout's potential."""
    layers = {
        name: LayerRecord(v=layer.output) if layer.is_readout else LayerRecord(spikes=layer.output)
        for name, layer in trace.layers.items()
    }
    return replace(trace, layers=layers, frames=None)


def first(trace: Trace, steps: int) -> Trace:
    return replace(trace, layers={name: layer.synchronous(steps) for name, layer in trace.layers.items()}, frames=None)


PARTS = {
    "recordings": lambda trace: trace.take(range(2)),
    "layer": lambda trace: without(trace, "lif1"),
    "steps": lambda trace: first(trace, 7),
    "states": of_spikes,
    "predictions": lambda trace: replace(trace, predictions=np.array([*trace.predictions[:2], -1, -1, -1, -1])),
    "some states": lambda trace: changed(
        trace, "lif1", v=trace.layers["lif1"]["v"][:2], v_digest=None, u=None, u_digest=None
    ),
}


def test_a_simulator_without_checksums_is_not_asked_for_them(
    network: Network, whole: Trace, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Lava: u and v of the recordings that the reference keeps them of, and no checksum of the others."""
    write_nir(network, tmp_path / "student.nir")
    frames = whole.frames
    assert frames is not None
    run(network, frames, states=2, digests=True).save(tmp_path / "student.trace")

    def without_digests(network: Network, frames: Array, *, states: int = 0, digests: bool = False) -> Trace:
        return integer.run(network, frames, states=states)

    monkeypatch.setattr(Runner, "load", lambda self: without_digests)
    assert main(["check", str(tmp_path / "student.nir"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["equal"] and not found["missing"] and found["uncompared"]
    assert "v of lif1 in 6 recordings, of which 2 were compared" in found["sentence"]


@pytest.mark.parametrize("part", PARTS)
def test_a_part_is_equal_only_where_the_user_is_content_with_it(
    part: str, network: Network, whole: Trace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_nir(network, tmp_path / "student.nir")
    whole.save(tmp_path / "student.trace")
    PARTS[part](whole).save(tmp_path / "chip.trace")
    pair = [str(tmp_path / "student.nir"), str(tmp_path / "chip.trace")]
    assert main(["check", *pair]) == 2
    told = "".join(capsys.readouterr())
    assert "--partial" in told and "\nEQUAL" not in told
    assert main(["check", *pair, "--partial"]) == 0
    assert "EQUAL in what both hold" in capsys.readouterr().out


@pytest.mark.parametrize("part", PARTS)
def test_a_wrong_spike_in_a_part_is_still_found(part: str, whole: Trace) -> None:
    spikes = whole.layers["lif2"].output.copy()
    spikes[1, 4, 2, 1, 1] ^= True
    wrong = PARTS[part](changed(whole, "lif2", spikes=spikes))
    verdict = compare(whole, wrong, partial=True)
    at = verdict.first
    assert not verdict and at is not None
    assert (at.layer, at.recording, at.step, at.neuron, at.what) == ("lif2", 1, 4, (2, 1, 1), "spike")


def test_recordings_are_matched_by_their_names(whole: Trace) -> None:
    some = whole.take([1, 4])
    assert compare(whole, some, partial=True)
    assert not compare(whole, replace(some, names=()), partial=True)
    moved = replace(some, names=("r4", "r1"))
    assert not compare(whole, moved, partial=True)


def test_a_layer_of_which_a_chip_gives_the_potential_alone_is_compared_by_it(whole: Trace) -> None:
    lif1 = whole.layers["lif1"]
    probed = replace(whole, layers={**whole.layers, "lif1": LayerRecord(v=lif1["v"])})
    verdict = compare(whole, probed, partial=True)
    assert verdict and "the spikes of lif1" in verdict.missing
    v = lif1["v"].copy()
    v[3, 5, 1, 0, 0] += 1
    at = compare(whole, replace(probed, layers={**probed.layers, "lif1": LayerRecord(v=v)}), partial=True).first
    assert at is not None and (at.what, at.recording, at.step, at.neuron) == ("v", 3, 5, (1, 0, 0))


def test_potentials_of_all_are_held_against_checksums_of_all(whole: Trace) -> None:
    """The reference keeps two recordings whole and checksums of all; potentials of elsewhere are summed up here."""
    lif1 = whole.layers["lif1"]
    kept = changed(whole, "lif1", v=lif1["v"][:2], u=lif1["u"][:2])
    v = lif1["v"].copy()
    given = changed(whole, "lif1", v=v, v_digest=None)
    assert compare(kept, given, every_state=True)
    v[4, 3, 0, 0, 0] += 1
    at = compare(kept, changed(whole, "lif1", v=v, v_digest=None), every_state=True).first
    assert at is not None and (at.recording, at.step, at.what) == (4, 3, "v")


def test_which_predictions_differ_is_said(whole: Trace) -> None:
    wrong = whole.predictions.copy()
    wrong[[1, 4]] = (wrong[[1, 4]] + 1) % 5
    verdict = compare(whole, replace(whole, predictions=wrong))
    assert verdict.wrong_predictions == (1, 4)
    assert verdict.sentence == "DIFFERENT: 2 of 6 predictions (recordings 1, 4)"


def test_what_differs_is_said_where_no_spike_does(whole: Trace) -> None:
    v = whole.layers["readout"]["v"].copy()
    v[2, 9, 0] += 1
    verdict = compare(whole, changed(whole, "readout", v=v, v_digest=None))
    assert verdict.sentence == "DIFFERENT: no spike differs, but the potential of readout at 1 of 72 steps"


def test_nothing_in_common_is_an_error(whole: Trace) -> None:
    other = replace(whole, layers={"another": whole.layers["lif1"]})
    with pytest.raises(TraceError, match="share no layer"):
        compare(whole, other, partial=True)


# What comes from elsewhere


@pytest.mark.parametrize("kind", [np.float32, np.float64, np.uint8, np.int64])
def test_spikes_of_any_type_that_are_0_and_1_are_taken(kind: type, whole: Trace) -> None:
    spikes = whole.layers["lif1"].output
    assert compare(whole, changed(whole, "lif1", spikes=spikes.astype(kind)))


@pytest.mark.parametrize("value", [255, 0.5, np.nan, -1, np.inf])
def test_other_values_are_refused_in_memory_and_in_a_file(value: float, whole: Trace, tmp_path: Path) -> None:
    spikes: Array = whole.layers["lif1"].output.astype(np.float32)
    spikes[0, 0, 0, 0, 0] = value
    with pytest.raises(TraceError, match="beside 0 and 1"):
        LayerRecord(spikes=spikes)
    path = tmp_path / "chip.trace"
    whole.save(path)
    _as_version_3(path, lif1=spikes)
    with pytest.raises(TraceError, match=r"lif1: spikes of float32 hold .* beside 0 and 1"):
        compare(whole, load_trace(path))


def test_a_file_of_another_tool_may_hold_plain_spikes_of_version_3(whole: Trace, tmp_path: Path) -> None:
    path = tmp_path / "chip.trace"
    whole.save(path)
    _as_version_3(path, lif1=whole.layers["lif1"].output.astype(np.float32))
    given = load_trace(path)
    assert compare(whole, given, partial=True)
    assert "v of lif1" in compare(whole, given).sentence, (
        "it keeps u and v of other layers: of this one they are missing"
    )


def test_a_layer_of_fewer_recordings_is_one_line_and_exit_code_2(
    network: Network, whole: Trace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_nir(network, tmp_path / "student.nir")
    whole.save(tmp_path / "student.trace")
    whole.save(tmp_path / "chip.trace")
    _as_version_3(tmp_path / "chip.trace", lif1=whole.layers["lif1"].output[:3].astype(np.uint8))
    assert main(["check", str(tmp_path / "student.nir"), str(tmp_path / "chip.trace")]) == 2
    told = "".join(capsys.readouterr())
    assert "lif1" in told and "Traceback" not in told


def _as_version_3(path: Path, **spikes: Array) -> None:
    """Other spikes in the file, plain and without checksums, as a tool writes them that knows the format alone."""
    with h5py.File(path, "r+") as file:
        file.attrs["ckd_trace"] = 3
        for layer, values in spikes.items():
            group = file[f"layers/{layer}"]
            assert isinstance(group, h5py.Group)
            for kind in list(group):
                del group[kind]
            group.create_dataset("spikes", data=values)


def flipped(good: bytes, bit: int) -> bytes:
    bad = bytearray(good)
    bad[bit // 8] ^= 1 << bit % 8
    return bytes(bad)


def read_all(path: Path) -> Trace:
    """The trace, every array of it read."""
    trace = load_trace(path)
    return trace.take(range(trace.recordings))


def test_any_flipped_bit_is_a_damaged_file_or_none_at_all(whole: Trace, tmp_path: Path) -> None:
    """A flip in what a file says is never another run; one in space that nobody reads changes nothing."""
    path, rng = tmp_path / "student.trace", np.random.default_rng(0)
    small = whole.take(range(2))
    small.save(path)
    good, refused = path.read_bytes(), 0
    for bit in rng.permutation(8 * len(good))[:100].tolist():
        path.write_bytes(flipped(good, bit))
        try:
            assert compare(small, read_all(path), every_state=True), f"bit {bit} is another run"
        except TraceError as error:
            refused += 1
            assert "\n" not in str(error) and str(path) in str(error)
    assert refused >= 10


def test_a_flipped_bit_in_any_array_is_damage_by_name(whole: Trace, tmp_path: Path) -> None:
    path, rng = tmp_path / "student.trace", np.random.default_rng(0)
    whole.save(path)
    good, places = path.read_bytes(), {}

    def note(name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset):
            chunk = item.id.get_chunk_info(0) if item.chunks else None
            start, size = (
                (chunk.byte_offset, chunk.size) if chunk else (item.id.get_offset(), item.id.get_storage_size())
            )
            places[name] = start, size

    with h5py.File(path) as file:
        file.visititems(note)
    assert {"frames", "predictions", "layers/lif1/spikes", "layers/lif1/v", "layers/readout/v_digest"} <= set(places)
    for name, (start, size) in places.items():
        for bit in (8 * start + rng.integers(0, 8 * size, 5)).tolist():
            path.write_bytes(flipped(good, bit))
            with pytest.raises(TraceError, match=r"damaged|cannot be read"):
                read_all(path)
                pytest.fail(f"bit {bit} of {name} went unnoticed")
