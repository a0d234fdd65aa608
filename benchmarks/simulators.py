"""How fast the integer simulator is beside the others, as ratios from one run.

    python -m benchmarks.simulators [--threads 1] [--peers PYTHON] [--quick] [--only pytorch] [--json FILE]

Beside it: the same network in floats in PyTorch on this processor (same batch, threads), eager and under torch.compile,
in float32 and bfloat16, as medians over rounds in which all take turns; Lava's fixed_pt models, and brian2 and
nengo-loihi where PYTHON is an interpreter that has them. What is missing is said and left out. Theirs are the best of
several, taken in turns, in processor seconds where both sides run in this process, so that other work on the machine
does not count. A peer's compiling and starting does not count; ours is compiled before.
"""

import argparse
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from benchmarks.networks import PAPER, SMALL, at_activity, events, mlp, small_conv, stack, vgg, weights
from benchmarks.turns import in_turns
from deploy.errors import RunnerError
from deploy.network import Conv, Dense, GridNeuron, Network
from deploy.runners import integer
from deploy.runners.lava import fixed as lava

RATES = (0.005, 0.01, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0)
console = Console()


def best_of(
    functions: list[Callable[[], Any]], repeats: int, clock: Callable[[], float] = time.process_time
) -> list[float]:
    """Seconds of the fastest of several runs of each; they take turns, so that a busy machine is busy for all."""
    best = [float("inf")] * len(functions)
    for _ in range(repeats):
        for i, function in enumerate(functions):
            started = clock()
            function()
            best[i] = min(best[i], clock() - started)
    return best


def memory_speed() -> float:
    """Bytes a second that one core copies, counted once read and once written."""
    source = np.ones(1 << 28, np.uint8)
    target = np.empty_like(source)
    (seconds,) = best_of([lambda: np.copyto(target, source)], 5)
    return 2 * source.nbytes / seconds


def beside_pytorch(repeats: int) -> list[dict[str, Any]]:
    """A row for each network and activity: the same network in floats, eager and under torch.compile, in both types.

    A ratio is the median over the rounds of a side's processor time by ours in the same round.
    """
    import torch

    from benchmarks.float_network import sides, thresholds

    rows = []
    for label, widths, size, padding, shape in (
        (f"{SMALL}, 34 x 34", SMALL, 34, 0, (64, 20)),
        ("the paper's VGG, 48 x 48", PAPER, 48, 1, (4, 10)),
    ):
        network = vgg(widths, size, padding)
        modules = sides(network)
        for rate in RATES:
            ready, frames = driven(network, rate, shape)
            steps: dict[str, Callable[[], Any]] = {"ckd": lambda r=ready, f=frames: integer.run(r, f)}
            for name, (module, dtype) in modules.items():
                given = torch.from_numpy(np.moveaxis(frames, 1, 0)).to(dtype), thresholds(ready, dtype)

                def forward(module: Any = module, given: Any = given) -> Any:
                    with torch.inference_mode():
                        return module(*given)

                steps[name] = forward
            trace = integer.run(ready, frames)
            spiking = float(np.mean([layer.output.mean() for name, layer in trace.spiking.items() if "conv" in name]))
            floats = float(np.mean([float(x.float().mean()) for x in steps["eager float32"]()[:-1]]))
            assert abs(floats - spiking) < 0.1 * spiking + 0.01, (floats, spiking)
            times = in_turns(steps, repeats)
            ratios = {name: float(np.median(np.array(found) / times["ckd"])) for name, found in times.items()}
            ours = float(np.median(times["ckd"])) / (shape[0] * shape[1])
            rows.append({"network": label, "input": rate, "spikes": spiking, "ms": ours * 1e3, **ratios})
    return rows


def driven(network: Network, rate: float, shape: tuple[int, int]) -> tuple[Network, NDArray[np.uint8]]:
    """The network and frames (R, T, ...) in which inputs and layers spike at `rate`; at 1, with thresholds below
    anything, every neuron in every step."""
    ready = at_activity(network, rate) if rate < 1 else always(network)
    return ready, events(ready, *shape, rate)


def always(network: Network) -> Network:
    """Every neuron spikes in every step: a bias that no sum outweighs."""
    bias = np.array(1 << 20)
    nodes = {
        name: replace(node, bias=bias, vth=np.array(0)) if isinstance(node, GridNeuron) else node
        for name, node in network.nodes.items()
    }
    return network.replace(nodes=nodes)


def pytorch_table(rows: list[dict[str, Any]]) -> Table:
    sides = [name for name in rows[0] if " " in name]
    table = Table("network", "input", "spikes", "ckd ms/step", *sides, title="By ckd's time: PyTorch on this processor")
    for row in rows:
        share = (f"{row['input']:.1%}", f"{row['spikes']:.1%}", f"{row['ms']:.4f}")
        table.add_row(row["network"], *share, *(f"{row[name]:.2f}" for name in sides))
    return table


def beside_lava(repeats: int, steps: int) -> Table:
    """Steps a second of Lava's fixed_pt models, one recording after the other, and of a batch of ours, on every core.

    Lava, too, uses every core: each of its layers is a process.
    """
    before, threads = numba.get_num_threads(), numba.config.NUMBA_NUM_THREADS  # pyright: ignore
    numba.set_num_threads(threads)
    title = f"Lava fixed_pt, a process a layer; ckd on {threads} threads"
    table = Table("network", "Lava steps/s", "ckd steps/s", "ratio", "asked", title=title)
    for label, network, recordings, asked in (
        ("2312-512-256-10, 5 % input", at_activity(mlp(2312, 512, 256, 10), 0.05), 64, 150),
        ("34x34x2 - conv 8 - conv 16 - 10, 5 % input", at_activity(small_conv(), 0.05), 64, 1000),
    ):
        frames = events(network, recordings, 100, 0.05)
        try:
            theirs = lava_speed(network, steps)
        except RunnerError as error:
            console.print(f"Lava is left out: {error}")
            break
        (seconds,) = best_of([lambda n=network, f=frames: integer.run(n, f)], 4 * repeats, time.perf_counter)
        ours = recordings * frames.shape[1] / seconds
        table.add_row(label, f"{theirs:.0f}", f"{ours:.0f}", f"{ours / theirs:.0f}", f">= {asked}")
    numba.set_num_threads(before)
    return table


def lava_speed(network: Network, steps: int) -> float:
    """Steps a second from the difference between a long run and a short one, each the best of two: starting, which
    takes longer than the steps, does not count."""
    short, long = steps // 10, 2 * steps

    def run(length: int) -> None:
        trace = lava.run(network, events(network, 1, length, 0.05))
        assert all(layer.output.any() for layer in trace.spiking.values())

    seconds = best_of([lambda: run(short), lambda: run(long)], 2, time.perf_counter)
    if seconds[1] <= seconds[0]:
        raise RunnerError("this machine is too busy to tell a run of many steps from one of few")
    return (long - short) / (seconds[1] - seconds[0])


def beside_brian2_and_nengo(python: str | None, repeats: int, steps: int) -> Table:
    """One recording through the MLP: the simulation alone, without compiling."""
    table = Table("simulator", "steps/s", "spikes by layer", "ckd is faster by", "asked", title="2312-512-256-10, 5 %")
    network = at_activity(mlp(2312, 512, 256, 10), 0.05)
    frames = events(network, 1, steps, 0.05)
    (ours,) = best_of([lambda: integer.run(network, frames)], repeats, time.perf_counter)
    counts = [int(layer.output.sum()) for layer in integer.run(network, frames).spiking.values()]
    table.add_row("ckd integer", f"{steps / ours:.0f}", str(counts), "1", "")
    for name in ("brian2", "nengo_loihi"):
        try:
            done = peer(python, name, network, frames[0])
        except RunnerError as error:
            console.print(f"{name} is left out: {error}")
            continue
        ratio = f"{done['seconds'] / ours:.1f}"
        table.add_row(name, f"{steps / done['seconds']:.0f}", str(done["spikes"]), ratio, ">= 5")
    return table


def peer(python: str | None, name: str, network: Network, frames: NDArray[np.uint8]) -> dict[str, Any]:
    if python is None:
        raise RunnerError(f"give --peers PYTHON, an interpreter with {name}")
    with tempfile.TemporaryDirectory() as folder:
        thresholds = [int(n.vth) for n in network.neurons.values() if isinstance(n, GridNeuron) and n.vth is not None]
        np.save(Path(folder) / "frames.npy", frames)
        np.save(Path(folder) / "thresholds.npy", thresholds)
        dense = [node for node in network.nodes.values() if isinstance(node, Dense)]
        for i, node in enumerate(dense):
            np.save(Path(folder) / f"weight{i}.npy", node.weight)
        script = Path(__file__).parent / "peers" / f"{name}_mlp.py"
        ran = subprocess.run([python, script, folder], capture_output=True, text=True, check=False)
        if ran.returncode:
            raise RunnerError(ran.stderr.strip().splitlines()[-1])
        return json.loads((Path(folder) / "done.json").read_text())


def synaptic_operations(repeats: int) -> Table:
    """A 3 x 3 convolution from 32 to 64 channels at 34 x 34 pixels with its neurons, one core."""
    table = Table("activity", "G synaptic operations/s", "us/step", "asked", title="conv 32 -> 64, one core")
    network = stack(
        {"conv": Conv(weight=weights(np.random.default_rng(0), 64, 32, 3, 3), padding=(1, 1))}, (32, 34, 34)
    )
    threads = numba.get_num_threads()
    numba.set_num_threads(1)
    for rate in RATES:
        ready = at_activity(network, rate)
        frames = events(ready, 4, 50, rate)
        (seconds,) = best_of([lambda n=ready, f=frames: integer.Simulator(n, 4).advance(f)], repeats)
        operations = int(frames.sum()) * 64 * 9
        row = (f"{operations / seconds / 1e9:.1f}", f"{seconds / 200 * 1e6:.0f}")
        table.add_row(f"{rate:.0%}", *row, ">= 4" if rate == 0.1 else "")
    numba.set_num_threads(threads)
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1, help="threads of the simulator and of PyTorch")
    parser.add_argument("--peers", help="an interpreter that has brian2 and nengo-loihi")
    parser.add_argument("--quick", action="store_true", help="fewer repeats and shorter runs of the slow peers")
    parser.add_argument("--only", choices=("pytorch",), help="nothing but this")
    parser.add_argument("--json", type=Path, help="where to write the figures beside PyTorch")
    options = parser.parse_args()
    import torch

    torch.set_num_threads(options.threads)
    numba.set_num_threads(options.threads)
    repeats, steps = (2, 200) if options.quick else (5, 1000)
    console.print(f"Threads: {options.threads}. One core copies {memory_speed() / 1e9:.1f} GB/s (read and written).")
    rows = beside_pytorch(3 if options.quick else 7)
    console.print(pytorch_table(rows))
    if options.json:
        machine = {"threads": options.threads, "load": os.getloadavg()[0], "torch": torch.__version__}
        options.json.write_text(json.dumps(machine | {"rows": rows}, indent=1))
    if options.only:
        return
    console.print(synaptic_operations(repeats))
    console.print(beside_brian2_and_nengo(options.peers, repeats, steps))
    console.print(beside_lava(repeats, steps))


if __name__ == "__main__":
    main()
