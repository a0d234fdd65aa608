"""A cluster gives what one process gives, to the bit, also when a worker dies in the middle."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import deploy
from ckd.events import EVENT_DTYPE, Binning, load_frames, write_recording
from deploy.errors import RunnerError
from deploy.network import Dense, Flatten, Input, Network, Output
from deploy.runners import cluster
from deploy.traces.trace import Trace
from tests.builders import cells, chain, even
from tests.deploy.changed import same_traces

ray = pytest.importorskip("ray", reason="the extra `cluster` is not installed")
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::FutureWarning")
Frames = NDArray[np.uint8]


@pytest.fixture(scope="module")
def local() -> Iterator[str]:
    """A Ray of two workers on this machine."""
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, object_store_memory=200 << 20)
    yield "auto"
    ray.shutdown()


def network(steps: int = 60) -> Network:
    rng = np.random.default_rng(0)
    nodes = {
        "in_": Input(shape=(2, 16, 16)),
        "flatten": Flatten(),
        "dense1": Dense(weight=even(rng, 64, 512)),
        "lif1": cells(64, du=2000),
        "dense2": Dense(weight=even(rng, 4, 64)),
        "lif2": cells(4),
        "output": Output(),
    }
    return chain(**nodes).replace(binning=Binning(step_us=100, steps=steps, height=16, width=16))


@pytest.fixture
def frames() -> Frames:
    return (np.random.default_rng(1).random((24, 60, 2, 16, 16)) < 0.05).astype(np.uint8)


def assert_same(one: Trace, other: Trace, *apart_from: str) -> None:
    assert same_traces(one, other, apart_from=frozenset({"seconds", *apart_from}))
    assert one.layers["lif2"].output.any()


@pytest.mark.parametrize(("states", "digests"), [(0, False), (7, True), (7, False)])
def test_shards_make_the_trace_of_one_process(local: str, frames: Frames, states: int, digests: bool) -> None:
    trace = cluster.run(network(), frames, address=local, states=states, digests=digests, shard=5)
    assert_same(trace, deploy.run(network(), frames, states=states, digests=digests))


def test_workers_read_their_own_recordings(local: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    paths = [tmp_path / f"{i}.bin" for i in range(6)]
    for path in paths:
        events = np.zeros(800, EVENT_DTYPE)
        events["x"], events["y"] = rng.integers(0, 16, (2, 800))
        events["t"], events["p"] = np.sort(rng.integers(0, 6000, 800)), rng.integers(0, 2, 800)
        write_recording(path, events)
    binning = network().binning
    assert binning is not None
    trace = cluster.run(network(), paths, address=local, shard=2)
    assert_same(trace, deploy.run(network(), load_frames(paths, binning)), "frames")


def test_a_worker_killed_in_the_middle_changes_nothing(local: str, frames: Frames) -> None:
    many = np.tile(frames, (8, 6, 1, 1, 1))
    expected = deploy.run(network(360), many)
    killed: list[int] = []
    watcher = threading.Thread(target=_kill_a_busy_worker, args=(killed,))
    watcher.start()
    trace = cluster.run(network(360), many, address=local, shard=4)
    watcher.join()
    assert killed, "no worker was seen at work; the test proves nothing"
    assert_same(trace, expected)


def _kill_a_busy_worker(killed: list[int]) -> None:
    """SIGKILL the first process of this Ray that is running a shard."""
    until = time.monotonic() + 60
    while time.monotonic() < until and not killed:
        for process in Path("/proc").glob("[0-9]*"):
            try:
                title = (process / "cmdline").read_bytes()
            except OSError:
                continue
            if title.startswith(b"ray::_run_shard") and _descends_from_us(int(process.name)):
                os.kill(int(process.name), signal.SIGKILL)
                killed.append(int(process.name))
                return
        time.sleep(0.002)


def _descends_from_us(process: int) -> bool:
    while process > 1:
        if process == os.getpid():
            return True
        try:
            status = Path(f"/proc/{process}/stat").read_text()
        except OSError:
            return False
        process = int(status.rpartition(")")[2].split()[1])
    return False


def test_an_error_in_a_worker_is_the_runners_own(local: str, frames: Frames) -> None:
    with pytest.raises(RunnerError, match="runner 'abacus' is not known"):
        cluster.run(network(), frames, address=local, on="abacus")
