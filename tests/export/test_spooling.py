"""An export holds a part of the test recordings at a time, of their frames as of what the student gives."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import deploy
import export
from ckd.data.sources import open_source
from ckd.data.stored import FrameFile, Rows
from ckd.events import Frames
from ckd.runs.folder import Run, load_run
from deploy.formats.files import load_network
from deploy.network import Array, Network
from deploy.runners.table import run as simulate
from deploy.traces.spool import Spooled
from deploy.traces.trace import load_trace
from export.recording import KEEP_STATES, quantized_parts, record_quantized
from tests.deploy.changed import same_traces

RECORDINGS, AT_ONCE = 150, 64


@pytest.fixture
def read(tiny_run: Path, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many frames were read together; the run has `RECORDINGS` to test on."""
    source = open_source(load_run(tiny_run).config.data)
    rows = np.arange(RECORDINGS)
    given, recordings = source.frames(rows), Run.recordings
    assert isinstance(given, FrameFile)

    def more(self: Run, part: str) -> Any:
        return (given, source.labels[rows], source.names[:RECORDINGS]) if part == "test" else recordings(self, part)

    counts: list[int] = []
    whole = FrameFile.__getitem__

    def counted(self: FrameFile, rows: Rows) -> Frames:
        found = whole(self, rows)
        counts.append(len(found))
        return found

    read_whole = Spooled.read

    def no_spikes(self: Spooled) -> Array:
        assert self.dtype.kind != "b", "all spikes of a layer are asked for"
        return read_whole(self)

    monkeypatch.setattr(Run, "recordings", more)
    monkeypatch.setattr(FrameFile, "__getitem__", counted)
    monkeypatch.setattr("ckd.data.stored.BLOCK", 1 << 18)
    monkeypatch.setattr(Spooled, "read", no_spikes)
    monkeypatch.setattr(Spooled, "read_bits", no_spikes)
    return counts


@pytest.mark.parametrize("to", ["nir", "onnx", "netx"])
def test_no_more_is_held_than_is_run_together(to: str, tiny_run: Path, tmp_path: Path, read: list[int]) -> None:
    if to == "onnx":
        pytest.importorskip("onnx", reason="onnx is an extra")
    ending = ".net" if to == "netx" else f".{to}"
    plan = export.Plan(run=tiny_run, to=to, out=tmp_path / f"s{ending}")
    export.export(plan)
    exported = export.export(plan)  # this time there is a trace to compare with
    assert exported.recordings == RECORDINGS and min(exported.rates.values()) > 0
    assert sum(read) > 4 * RECORDINGS and max(read) <= AT_ONCE


def test_the_trace_is_what_the_simulator_gives(tiny_run: Path, tmp_path: Path, read: list[int]) -> None:
    exported = export.export(export.Plan(run=tiny_run, out=tmp_path / "s.nir", exit_loss=0.1))
    assert max(read) <= AT_ONCE
    trace = load_trace(exported.trace)
    assert trace.frames is not None and trace.recordings == RECORDINGS
    again = simulate(load_network(exported.model), trace.frames)
    assert np.array_equal(again.predictions, trace.predictions)
    for name, layer in again.spiking.items():
        assert layer.output.any() and np.array_equal(layer.output, trace.layers[name].output)
        assert exported.rates[name] == layer.output.mean()


def test_a_large_network_is_run_over_fewer_recordings_with_the_same_trace(
    network: Network, frames: Array, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready = deploy.quantize(network, frames)
    together = record_quantized(ready, frames)
    monkeypatch.setattr("export.recording.STATES_BYTES", 1)
    parts = list(quantized_parts(ready, frames))
    assert [part.recordings for part in parts] == [1] * len(frames)
    assert same_traces(record_quantized(ready, frames), together) and together.layers["lif1"].held("u") == KEEP_STATES
