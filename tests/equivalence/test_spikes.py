"""The checks that a user runs on a model of their own.

    pytest tests/equivalence --ckd-model student.nir --ckd-on integer,lava

Without --ckd-model they build a small network and record it with PyTorch, so that they are never empty.
"""

from pathlib import Path

import numpy as np
import pytest

from ckd.pytest_plugin import AssertSame
from deploy.checking.check import check
from deploy.checking.divergence.story import story
from deploy.errors import RunnerError
from deploy.formats.nir import read_nir, write_nir
from deploy.runners.table import find_runner, run
from deploy.traces.trace import load_trace
from tests.equivalence.networks import convolutional, frames_for

SLOW = 3
"""Recordings for a slow simulator."""


@pytest.fixture(scope="module")
def model(ckd_model: Path | None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    if ckd_model is not None:
        return ckd_model
    from export.recording import record_quantized

    path = tmp_path_factory.mktemp("model") / "student.nir"
    rng = np.random.default_rng(0)
    network = convolutional(rng)
    write_nir(network, path)
    record_quantized(network, frames_for(rng, network, 6)).save(path.with_suffix(".trace"))
    return path


@pytest.fixture(scope="module")
def reference(model: Path, ckd_trace: Path | None) -> Path:
    return ckd_trace or model.with_suffix(".trace")


def test_what_runs_is_what_was_trained(model: Path, reference: Path, ckd_runner: str) -> None:
    recordings = SLOW if find_runner(ckd_runner).slow else None
    try:
        checked = check(model, on=ckd_runner, trace=reference, recordings=recordings)
    except RunnerError as error:
        if "lava" in ckd_runner and "python" in str(error).lower():
            pytest.skip(f"{ckd_runner} cannot run here: {error}")
        raise
    told = story(checked.explanation) if checked.explanation else ""
    assert checked.equal, f"{checked.verdict.sentence}\n{told}"


def test_every_layer_spikes(reference: Path) -> None:
    trace = load_trace(reference)
    silent = [
        layer for layer, spikes in ((name, layer.output) for name, layer in trace.spiking.items()) if not spikes.any()
    ]
    assert trace.spiking and not silent, f"layers {silent} never spike: equality of such a model proves nothing"


def test_no_state_leaves_its_24_bits_in_a_spiking_layer(reference: Path) -> None:
    trace = load_trace(reference)
    over = {layer: count for layer, count in trace.overflows.items() if count and layer in trace.spiking}
    assert not over, f"u wrapped or v saturated in {over}: the chip's behavior there is no longer that of the equations"


def test_running_twice_gives_the_same(model: Path, reference: Path, assert_same_spikes: AssertSame) -> None:
    network, trace = read_nir(model), load_trace(reference)
    if trace.frames is None:
        pytest.skip("the trace holds no frames")
    on = "integer" if network.on_grid else "float"
    few = trace.frames[:4]
    assert_same_spikes(run(network, few, on=on), run(network, few, on=on), model=network)


def test_recordings_do_not_influence_each_other(model: Path, reference: Path, assert_same_spikes: AssertSame) -> None:
    network, trace = read_nir(model), load_trace(reference)
    if trace.frames is None or trace.recordings < 2:
        pytest.skip("the trace holds no frames, or one recording")
    on = "integer" if network.on_grid else "float"
    together, alone = run(network, trace.frames[:2], on=on), run(network, trace.frames[1:2], on=on)
    assert_same_spikes(together.take([1]), alone, model=network)
