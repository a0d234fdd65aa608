"""What the Lava runner refuses before it starts, and what its worker does when something goes wrong."""

import json
import re
import sys
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import deploy
from deploy.errors import FramesError, GridError, RunnerError, UnsupportedError
from deploy.network import Conv, Dense, Flatten, FloatNeuron, Input, Network, Output, SumPool
from deploy.runners.lava import environment, netx
from deploy.runners.lava import fixed as lava
from deploy.runners.lava.loihi2 import loihi2_missing
from deploy.runners.lava.python310 import find_python310
from deploy.runners.lava.worker import run_worker
from tests.builders import FRAMES, cells, chain, small
from tests.deploy.marks import needs_lava

# What Lava cannot do is refused before it starts.


def test_weights_that_lava_would_change_are_refused() -> None:
    for weight in ([[1, -2, 3]] * 2, [[300, 2, 2]] * 2, [[-256, -1, -2]] * 2):
        with pytest.raises(GridError, match="fc: weights from"):
            lava.run(small(fc=Dense(weight=np.array(weight))), FRAMES)


def test_a_bias_without_mantissa_and_exponent_is_refused() -> None:
    with pytest.raises(GridError, match="lif: bias 4097"):
        lava.run(small(lif=cells(2, bias=np.array([4097, 0]))), FRAMES)


def test_pooling_is_refused_with_the_way_out() -> None:
    nodes = {
        "pool": SumPool(kernel=(2, 2), stride=(2, 2)),
        "flatten": Flatten(),
        "fc": Dense(weight=np.full((2, 4), 2)),
    }
    network = chain(input=Input(shape=(1, 4, 4)), **nodes, lif=cells(2), output=Output())
    with pytest.raises(UnsupportedError, match=r"pool \(SumPool\).*fold it"):
        lava.run(network, np.ones((1, 2, 1, 4, 4), np.uint8))


def test_feedback_that_would_arrive_too_late_is_refused_with_the_delay_it_needs() -> None:
    nodes = {
        "fc": Dense(weight=np.full((2, 3), 2)),
        "lif1": cells(2),
        "lif2": cells(2),
        "back": Dense(weight=np.full((2, 2), 2)),
    }
    edges = (*pairwise(["input", "fc", "lif1", "lif2", "back", "lif1"]), ("lif2", "output"))
    network = Network(nodes={"input": Input(shape=(3,)), "output": Output(), **nodes}, edges=edges)
    with pytest.raises(UnsupportedError, match=r"lif2 -> back -> lif1.*at least 1 step"):
        lava.run(network, FRAMES)


def test_a_float_network_is_refused_by_the_integer_models_and_the_other_way_round() -> None:
    with pytest.raises(UnsupportedError, match="lava-float runs a float network"):
        lava.run_floating(small(), FRAMES)
    one = np.ones(())
    with pytest.raises(UnsupportedError, match="compile"):
        lava.run(small(lif=FloatNeuron(shape=(2,), keep=one, gain=one, bias=one, threshold=one)), FRAMES)


def test_a_large_convolution_that_lava_cannot_shift_is_refused() -> None:
    conv = Conv(weight=np.full((64, 64, 3, 3), 3), padding=(1, 1), weight_exp=-1)
    network = chain(input=Input(shape=(64, 32, 32)), conv=conv, lif=cells(64, 32, 32), output=Output())
    with pytest.raises(UnsupportedError, match=r"conv: Lava's Conv ignores weight_exp \(-1\)"):
        lava.run(network, np.ones((1, 1, 64, 32, 32), np.uint8))


def test_two_synapses_in_a_row_are_refused() -> None:
    nodes = {"fc0": Dense(weight=np.full((3, 3), 2)), "fc": Dense(weight=np.full((2, 3), 2))}
    with pytest.raises(UnsupportedError, match="fc0 -> fc: two synapses"):
        lava.run(chain(input=Input(shape=(3,)), **nodes, lif=cells(2), output=Output()), FRAMES)


def test_branches_that_meet_before_a_shifted_sum_are_refused() -> None:
    fc = Dense(weight=np.full((3, 3), 3), weight_exp=-1)
    nodes = {"fc0": Dense(weight=np.full((3, 3), 2)), "lif0": cells(3), "fc": fc}
    network = chain(input=Input(shape=(3,)), **nodes, lif=cells(3), output=Output())
    with pytest.raises(UnsupportedError, match="fc: several branches meet before its sum is shifted"):
        lava.run(network.replace(edges=(*network.edges, ("input", "fc"))), FRAMES)


def test_frames_of_another_shape_are_refused() -> None:
    with pytest.raises(FramesError, match=r"takes \(R, T, 3,\)"):
        lava.run(small(), np.ones((1, 2, 4), np.uint8))


# The chip.


def test_without_a_chip_the_message_lists_everything_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CKD_LOIHI_PYTHON", sys.executable)  # It has neither Lava nor Intel's packages.
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("NXSDKHOST", raising=False)
    assert len(loihi2_missing()) == 4
    with pytest.raises(RunnerError, match=r"(?s)lava-nc.*NxCore.*neurocore compiler.*a board.*CKD_LOIHI_PYTHON"):
        deploy.run(small(), FRAMES, on="loihi2")


def test_a_board_that_is_named_is_not_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CKD_LOIHI_PYTHON", sys.executable)
    monkeypatch.setenv("NXSDKHOST", "10.0.0.2")
    assert not any("board:" in what for what in loihi2_missing())


def test_parameters_for_each_neuron_are_refused_for_the_chip(tmp_path: Path) -> None:
    network = small(lif=cells(2, vth=np.array([1, 2])))
    with pytest.raises(UnsupportedError, match="lif: vth differs"):
        lava.prepare(network, FRAMES, tmp_path, hardware=True)


# The worker.


@needs_lava
def test_a_lava_that_takes_too_long_is_ended_with_all_its_processes(tmp_path: Path) -> None:
    frames = np.ones((1, 60000, 3), np.uint8)
    lava.prepare(small(), frames, tmp_path)
    with pytest.raises(RunnerError, match="not done after 6 s"):
        run_worker(lava.WORKER, tmp_path, timeout=6)
    time.sleep(1)
    processes = [p for p in Path("/proc").glob("[0-9]*/cmdline") if str(tmp_path) in _read(p)]
    assert not processes


@needs_lava
def test_what_fails_inside_a_process_of_lava_is_shown_at_once(tmp_path: Path) -> None:
    lava.prepare(small(), np.ones((1, 50, 3), np.uint8), tmp_path)
    plan = json.loads((tmp_path / "plan.json").read_text())
    plan["steps"] = 60  # More than there are frames: the source fails in the middle of the run.
    (tmp_path / "plan.json").write_text(json.dumps(plan | {"interval": 60, "total": 61}))
    started = time.perf_counter()
    with pytest.raises(RunnerError, match="IndexError"):
        run_worker(lava.WORKER, tmp_path, timeout=120)
    assert time.perf_counter() - started < 60


@pytest.mark.parametrize("script", [lava.WORKER, netx.WORKER], ids=["lava", "netx"])
def test_the_list_of_a_workers_packages_is_that_of_its_head(script: Path) -> None:
    head = re.search(r"^# dependencies = (\[.*\])$", script.read_text(), re.MULTILINE)
    assert head
    listed = script.with_suffix(".lock").read_text()
    for package in json.loads(head[1]):
        assert re.search(rf"^{re.escape(package)} \\\n    --hash=sha256:", listed, re.MULTILINE), package


@needs_lava
def test_a_package_of_another_hash_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "other_worker.py"
    script.write_text("print('ran')\n")
    # Small, and in the cache of whoever has run Lava.
    script.with_suffix(".lock").write_text(f"threadpoolctl==3.8.0 --hash=sha256:{'0' * 64}\n")
    monkeypatch.setattr(environment, "cache_folder", lambda: tmp_path / "cache")
    with pytest.raises(RunnerError, match=r"other_worker\.py: its environment could not be built.*(?s:.*)[Hh]ash"):
        run_worker(script, tmp_path, timeout=10)


def test_a_python_that_is_no_3_10_is_refused_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CKD_PYTHON310", sys.executable)
    with pytest.raises(RunnerError, match=r"CKD_PYTHON310=.*not a Python 3\.10"):
        find_python310()


def test_without_a_python_3_10_the_message_says_how_to_get_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("CKD_PYTHON310", raising=False)
    for name, value in {"PATH": "", "PYENV_ROOT": tmp_path, "UV_PYTHON_INSTALL_DIR": tmp_path}.items():
        monkeypatch.setenv(name, str(value))
    with pytest.raises(RunnerError, match=r"uv python install 3\.10.*CKD_PYTHON310"):
        lava.run(small(), FRAMES)


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
