"""A student that answers while the camera still writes: events from a growing file, frame by frame.

    python live.py

A second process plays the camera. It appends the events of three recordings of the package's own student to a file,
five bytes an event as N-MNIST has them, and lets pauses pass as time passes, but faster.
"""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

import deploy
from ckd.events import EVENT_DTYPE, Events, count_frames, stream_frames, write_recording
from deploy.runners import integer
from deploy.zoo import FOLDER

SHOWN = 3
"""Recordings that are played."""
FASTER = 2
"""Than life."""
BYTES = 5
"""Of an event."""
QUIET = 2.0
"""Seconds without an event after which the recording is over."""


def main() -> None:
    """Play each recording, answer at every step, and hold the answers against a run of the whole file."""
    network = deploy.load("zoo:nmnist")
    assert isinstance(network, deploy.Network) and network.binning is not None
    trace = deploy.load_trace(FOLDER / "nmnist.trace")
    assert trace.frames is not None
    for recording in range(SHOWN):
        whole, growing = Path(f"recording{recording}.bin"), Path(f"growing{recording}.bin")
        write_recording(whole, events_of(trace.frames[recording], network.binning.step_us))
        growing.unlink(missing_ok=True)
        camera = subprocess.Popen([sys.executable, __file__, str(whole), str(growing)])
        live = answers(network, follow(growing))
        camera.wait()
        # The same file, read when it is whole: every answer of the live run must be the same integers.
        simulator = integer.Simulator(network, recordings=1)
        frames = np.concatenate(list(stream_frames(whole, network.binning)))
        potentials = simulator.advance(frames[None])["v"][network.output_layer][0]
        if not np.array_equal(potentials, live):
            raise SystemExit(f"{whole}: live and afterwards differ")
        print(f"{whole}: {len(live)} steps, class {network.classes[live[-1].argmax()]}; equal to a run of the file")


def answers(network: deploy.Network, chunks: Iterator[Events]) -> np.ndarray:
    """Step the network whenever a frame is full; gives the readout's potentials (T, classes)."""
    binning = network.binning
    assert binning is not None
    simulator, given, start = integer.Simulator(network, recordings=1), [], None
    frame = np.zeros((1, *binning.frame_shape), np.uint8)

    def step() -> None:
        began = time.perf_counter()
        given.append(simulator.advance(frame[None])["v"][network.output_layer][0, 0])
        spent = time.perf_counter() - began
        print(f"  step {len(given) - 1}: {network.classes[given[-1].argmax()]}  ({1000 * spent:.1f} ms)", flush=True)

    for events in chunks:
        start = binning.start(int(events["t"][0])) if start is None else start
        while len(events):
            ends = start + binning.step_us
            here = np.searchsorted(events["t"], ends)
            count_frames(events[:here], start, binning, frame, name="camera")
            events = events[here:]
            if len(events):  # one of a later step has come, so this frame is full
                step()
                frame[:] = 0
                start = ends
    if start is None:
        raise SystemExit("the camera wrote no event")
    step()
    return np.array(given)


def follow(path: Path) -> Iterator[Events]:
    """Events of a file that another process still writes, as they come; an event that is half written waits."""
    while not path.exists():
        time.sleep(0.01)
    with path.open("rb") as file:
        rest, last = b"", time.monotonic()
        while time.monotonic() - last < QUIET:
            rest += file.read()
            whole = len(rest) // BYTES * BYTES
            if whole:
                yield decode(rest[:whole])
                rest, last = rest[whole:], time.monotonic()
            time.sleep(0.002)


def decode(raw: bytes) -> Events:
    """N-MNIST's five bytes: x, y, then the polarity's bit and 23 bits of microseconds."""
    b = np.frombuffer(raw, np.uint8).reshape(-1, BYTES).astype(np.int64)
    events = np.zeros(len(b), EVENT_DTYPE)
    events["x"], events["y"], events["p"] = b[:, 0], b[:, 1], b[:, 2] >> 7
    events["t"] = (b[:, 2] & 127) << 16 | b[:, 3] << 8 | b[:, 4]
    return events


def events_of(frames: np.ndarray, step_us: int) -> Events:
    """An event for each count of frames (T, 2, H, W), anywhere within its step."""
    steps, p, y, x = np.nonzero(frames)
    events = np.zeros(len(steps), EVENT_DTYPE)
    within = np.random.default_rng(0).integers(0, step_us, len(steps))
    events["t"], events["p"], events["y"], events["x"] = steps * step_us + within, p, y, x
    events.sort(order="t")
    events["t"][0] = steps[0] * step_us  # steps are counted from the first event on
    return events


def play(whole: Path, growing: Path) -> None:
    """The camera: append what is due, in pieces that may end within an event."""
    raw, times = whole.read_bytes(), decode(whole.read_bytes())["t"]
    began, written = time.monotonic(), 0
    with growing.open("wb", buffering=0) as file:
        while written < len(raw):
            due = np.searchsorted(times - times[0], (time.monotonic() - began) * 1e6 * FASTER)
            until = len(raw) if due == len(times) else max(written, int(due) * BYTES - 2)
            file.write(raw[written:until])
            written = until
            time.sleep(0.003)


if __name__ == "__main__":
    play(*map(Path, sys.argv[1:])) if len(sys.argv) == 3 else main()
