"""How long one frame of one recording takes, as a camera brings it: median and 99th percentile of single steps.

    python -m benchmarks.latency [MODEL ...] [--activity 0.05] [--frames 2000]

Of the digits student's network and of that of the NIR paper for N-MNIST (here with random weights, of the same
shapes), or of model files. Of `Simulator.step` on one thread: wall time, for which a camera waits, and processor
time, in which other work on the machine does not count.
"""

import argparse
import time

import numba
import numpy as np
from rich.console import Console
from rich.table import Table

import deploy
from benchmarks.networks import at_activity, events, stack, vgg, weights
from deploy.network import Array, Conv, Dense, Flatten, Network, SumPool
from deploy.runners import integer


def nir_paper() -> Network:
    """cnn_sinabs.nir of the NIR paper (Pedersen et al. 2024): 34 x 34 x 2, three convolutions, two dense layers."""
    rng = np.random.default_rng(0)
    conv = {
        "conv1": Conv(weight=weights(rng, 16, 2, 5, 5), stride=(2, 2), padding=(1, 1)),
        "conv2": Conv(weight=weights(rng, 16, 16, 3, 3), padding=(1, 1)),
        "pool2": SumPool(kernel=(2, 2), stride=(2, 2)),
        "conv3": Conv(weight=weights(rng, 8, 16, 3, 3), padding=(1, 1)),
        "pool3": SumPool(kernel=(2, 2), stride=(2, 2)),
        "flatten": Flatten(),
        "dense1": Dense(weight=weights(rng, 256, 128)),
        "dense2": Dense(weight=weights(rng, 10, 256)),
    }
    return stack(conv, (2, 34, 34))


def latencies(network: Network, activity: float, frames: int) -> Array:
    """Milliseconds of a step (2, 2): wall and processor time, median and 99th percentile of each."""
    given = events(network, 1, frames, activity)
    simulator = integer.Simulator(network, recordings=1)
    for t in range(20):
        simulator.step(given[:, t])
    seconds, spikes = [], 0
    for t in range(frames):
        started = time.perf_counter(), time.thread_time()
        out = simulator.step(given[:, t])
        seconds.append((time.perf_counter() - started[0], time.thread_time() - started[1]))
        spikes += sum(int(layer.sum()) for layer in out.values())
    assert spikes > frames, "hardly anything spikes, this measures nothing"
    return np.quantile(seconds, (0.5, 0.99), axis=0).T * 1e3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", help="model files on the grid")
    parser.add_argument("--activity", type=float, default=0.05, help="of the frames; of our networks, of every layer")
    parser.add_argument("--frames", type=int, default=2000)
    options = parser.parse_args()
    numba.set_num_threads(1)
    networks = {path: deploy.load(path) for path in options.models} or {
        "digits student": at_activity(vgg("8-AP-32-AP-64-AP", 34, 0), options.activity),
        "NIR paper's network": at_activity(nir_paper(), options.activity),
    }
    columns = ("median ms", "99 % ms", "processor: median ms", "99 % ms", "asked")
    table = Table("network", *columns, title="One frame of one recording")
    for name, network in networks.items():
        assert isinstance(network, Network)
        found = latencies(network, options.activity, options.frames)
        table.add_row(name, *(f"{value:.3f}" for value in found.ravel()), "< 1")
    Console().print(table)


if __name__ == "__main__":
    main()
