"""What a step of the integer simulator costs, against activity and against width, as a picture.

    python -m benchmarks.draw_cost        writes docs/simulator-cost.png, in about two minutes

A 3 x 3 convolution at 34 x 34 pixels with its neurons, one core, batch 4, processor time. Beside it, in the same run,
what memory alone would take: a dense simulation cannot take less than reading and writing every potential once, and
reading, for each, the inputs that it sees as bytes.
"""

from pathlib import Path

import numba
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.networks import at_activity, events, stack, weights
from benchmarks.simulators import best_of, memory_speed
from deploy.network import Conv
from deploy.runners import integer

SIZE, BATCH, STEPS = 34, 4, 40


def cost(channels: int, rate: float) -> tuple[float, int]:
    """Seconds and synaptic operations of a step of a convolution from half as many channels to `channels`."""
    conv = Conv(weight=weights(np.random.default_rng(0), channels, channels // 2, 3, 3), padding=(1, 1))
    network = at_activity(stack({"conv": conv}, (channels // 2, SIZE, SIZE)), max(rate, 0.001))
    frames = events(network, BATCH, STEPS, rate)
    (seconds,) = best_of([lambda: integer.Simulator(network, BATCH).advance(frames)], 6)
    steps = BATCH * STEPS
    return seconds / steps, int(frames.sum()) * channels * 9 // steps


def dense_bytes(channels: int) -> int:
    """What a step of a dense simulation moves: potentials in and out, and each neuron's window of inputs."""
    return SIZE * SIZE * channels * (2 * 4 + 9 * channels // 2)


def draw(
    axis: Axes, x: list[float], channels: list[int], measured: list[tuple[float, int]], bytes_a_second: float
) -> None:
    axis.plot(x, [seconds * 1e6 for seconds, _ in measured], "o-", label="measured")
    fastest = max(operations / seconds for seconds, operations in measured)
    axis.plot(
        x, [n / fastest * 1e6 for _, n in measured], ":", label=f"operations alone, {fastest / 1e9:.0f} G/s", color="C1"
    )
    states = [SIZE * SIZE * n * 9 / bytes_a_second * 1e6 for n in channels]
    axis.plot(x, states, "--", color="C2", label="potentials and spikes at the speed of memory")
    dense = [dense_bytes(n) / bytes_a_second * 1e6 for n in channels]
    axis.plot(x, dense, "--", color="C3", label="every window at the speed of memory")
    axis.set_xscale("log")
    axis.set_yscale("log")
    axis.set_ylabel("microseconds a step")
    axis.grid(alpha=0.3, which="both")


def main() -> None:
    numba.set_num_threads(1)
    speed = memory_speed()
    figure = Figure(figsize=(10, 4.2), layout="constrained", facecolor="white")
    by_rate, by_width = figure.subplots(1, 2)

    rates = [0.001, 0.003, 0.01, 0.03, 0.1, 0.3]
    draw(by_rate, [100 * rate for rate in rates], [64] * len(rates), [cost(64, rate) for rate in rates], speed)
    by_rate.set_title("32 to 64 channels")
    by_rate.set_xlabel("inputs that spike in a step, %")

    widths = [8, 16, 32, 64, 128]
    draw(by_width, [*map(float, widths)], widths, [cost(width, 0.05) for width in widths], speed)
    by_width.set_title("5 % of inputs spike")
    by_width.set_xlabel("output channels, twice the input's")
    by_width.set_xticks(widths, [str(width) for width in widths], minor=False)

    handles, labels = by_rate.get_legend_handles_labels()
    labels[1] = "synaptic operations alone, at the best rate of the panel"
    figure.legend(handles, labels, loc="outside lower center", ncols=2, fontsize=9)
    figure.suptitle(f"One core; it copies {speed / 1e9:.0f} GB/s", fontsize=10)
    figure.savefig("docs/simulator-cost.png", dpi=80)
    print(Path("docs/simulator-cost.png").stat().st_size, "bytes")


if __name__ == "__main__":
    main()
