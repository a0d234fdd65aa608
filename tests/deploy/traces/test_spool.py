"""Traces that lie on disk are those in memory: recorded part by part, gone through part by part, saved and read."""

import errno
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import deploy
from ckd.files import DiskFullError
from deploy.errors import TraceError
from deploy.mapping.layout import map_network
from deploy.network import Array, Network
from deploy.traces import spool
from deploy.traces.spool import Spooled, spooled
from deploy.traces.trace import Trace, join_traces, load_trace
from tests.builders import small_frames, small_network
from tests.deploy.changed import same_traces

STATES = 2
NAMES = tuple("abcdefghi")


class Frames:
    """Frames that lie somewhere, as `deploy.traces.layers.Stored`; nobody asks for all of them."""

    def __init__(self, frames: Array) -> None:
        self._frames, self.shape, self.dtype = frames, frames.shape, frames.dtype

    def read(self) -> Array:
        raise AssertionError("all frames are asked for")

    def read_bits(self) -> None:
        return None

    def parts(self, rows: int) -> Iterator[Array]:
        return (self._frames[first : first + rows] for first in range(0, len(self._frames), rows))


@pytest.fixture(scope="module")
def network() -> Network:
    return small_network()


@pytest.fixture(scope="module")
def parts(network: Network) -> list[Trace]:
    """Of four recordings, four and one; the first of them with states."""
    frames = small_frames()
    found = [
        deploy.run(network, frames[first : first + 4], states=max(0, STATES - first), digests=True)
        for first in range(0, len(frames), 4)
    ]
    assert [part.recordings for part in found] == [4, 4, 1]
    return found


@pytest.fixture(scope="module")
def whole(parts: list[Trace]) -> Trace:
    return join_traces(parts, names=NAMES, labels=np.arange(9) % 3)


@pytest.fixture(params=[1, 1 << 24], ids=["on disk", "in memory"])
def kept(parts: list[Trace], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Trace:
    monkeypatch.setattr(spool, "IN_MEMORY", request.param)
    trace = spooled(parts, tmp_path / "not" / "there" / "s.trace", names=NAMES, labels=np.arange(9) % 3)
    assert not list(tmp_path.iterdir())  # its files have no names: nobody need remove them
    return replace(trace, stored_frames=Frames(small_frames()))


def in_memory(trace: Trace) -> Trace:
    return join_traces(list(trace.parts(2)), names=trace.names)


def test_a_spooled_trace_is_the_joined_one(kept: Trace, whole: Trace) -> None:
    assert kept.spiking["lif1"].output.any() and kept.recordings == 9
    assert same_traces(kept, whole, apart_from=frozenset({"frames", "stored_frames", "seconds"}))
    for name, layer in whole.spiking.items():
        assert np.array_equal(kept.layers[name].bits(kept.steps), layer.bits(whole.steps))
        assert kept.layers[name].rate() == layer.rate() == layer.output.mean()


def test_parts_are_all_recordings_in_order(kept: Trace, whole: Trace, tmp_path: Path) -> None:
    whole.save(tmp_path / "whole.trace")
    for trace in (kept, whole, load_trace(tmp_path / "whole.trace")):
        assert [part.recordings for part in trace.parts(4)] == [4, 4, 1]
        assert [part.layers["lif1"].held("u") for part in trace.parts(1)] == [1, 1, *[0] * 7]
        assert same_traces(in_memory(trace), whole)


def test_it_is_saved_as_the_joined_one_is(kept: Trace, whole: Trace, tmp_path: Path) -> None:
    whole = replace(whole, seconds=kept.seconds)
    for name, trace in (("whole", whole), ("kept", kept)):
        trace.save(tmp_path / f"{name}.trace")
    assert same_traces(load_trace(tmp_path / "kept.trace"), whole)
    assert (tmp_path / "kept.trace").read_bytes() == (tmp_path / "whole.trace").read_bytes()


def test_a_map_counts_the_spikes_of_all_parts(kept: Trace, whole: Trace, network: Network) -> None:
    took = np.array([1, 7, 3, 3, 2, 7, 7, 5, 1])
    for ends in (None, took):
        estimates = [map_network(network, "loihi2", trace, took=ends).estimate for trace in (kept, whole)]
        assert estimates[0] == estimates[1] and estimates[0] is not None and estimates[0].activity.messages > 0


def test_damage_is_told_before_the_last_part(whole: Trace, tmp_path: Path) -> None:
    whole.save(tmp_path / "whole.trace")
    content = (tmp_path / "whole.trace").read_bytes()
    bits = whole.layers["lif1"].bits(whole.steps).tobytes()
    place = content.index(bits)  # they are not compressed
    damaged = bytearray(content)
    damaged[place] ^= 1
    (tmp_path / "damaged.trace").write_bytes(damaged)
    seen = 0
    with pytest.raises(TraceError, match="lif1/spikes is damaged"):
        for part in load_trace(tmp_path / "damaged.trace").layers["lif1"].parts(4):
            seen += len(part.output)
    assert seen == 8


def test_a_file_that_is_replaced_while_parts_are_read_is_told(whole: Trace, tmp_path: Path) -> None:
    path = tmp_path / "whole.trace"
    whole.save(path)
    reading = load_trace(path).layers["lif1"].parts(4)
    next(reading)
    whole.take(range(3)).save(path)
    with pytest.raises(TraceError, match="replaced while it was read"):
        next(reading)


def test_a_full_disk_is_told_with_what_was_to_be_written(
    parts: list[Trace], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def append(self: Spooled, values: Array) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(Spooled, "append", append)
    with pytest.raises(DiskFullError, match=r"s\.trace: no space left on device: more than 0 bytes"):
        spooled(parts, tmp_path / "s.trace")
