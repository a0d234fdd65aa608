"""Faults, injected one at a time into an exported model or a runner: is each found, placed and named?

    python -m benchmarks.faults                    prints the table of docs/faults.md

A model fault is written to a .nir file and read back; a runner fault is made by `benchmarks.faulty_runner`, which
shares no code with the checker. The first divergence is found again by brute force, neuron by neuron. The checker gets
what a user gives `ckd-deploy check A B`: two files, and the trace of the trained network (made by PyTorch).
"""

import argparse
import itertools
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.faulty_runner import Faults, run
from ckd.events import EVENT_DTYPE, Binning, to_frames
from deploy.checking.check import Checked, check
from deploy.formats.nir import read_nir, write_nir
from deploy.network import Array, Conv, Delay, Dense, Flatten, GridNeuron, Input, Network, Node, Output
from deploy.traces.trace import Trace
from export.recording import record_quantized

SIZE, STEPS, RECORDINGS = 12, 20, 12
BINNING = Binning(step_us=1000, steps=STEPS, height=SIZE, width=SIZE, max_count=3)
HIGHEST = (1 << 17) - 1


@dataclass(frozen=True)
class Fault:
    """What is wrong, by which names the checker may call it, where, and how it is made.

    make: (network) -> network for a model fault; a `Faults` for a runner fault; a function of the binning otherwise.
    """

    name: str
    kinds: tuple[str, ...]
    where: tuple[str, ...]
    make: Callable[[Network], Network] | Faults | Binning


def even(rng: np.random.Generator, *shape: int, low: int = -50, high: int = 56) -> Array:
    return rng.integers(low, high, shape) * 2


def cells(*shape: int, vth: Any, du: int = 4095, dv: int = 400, bias: Any = 0) -> GridNeuron:
    return GridNeuron(
        shape=shape, du=np.array(du), dv=np.array(dv), vth=None if vth is None else np.array(vth), bias=np.array(bias)
    )


def build(rng: np.random.Generator) -> Network:
    """Convolutions, a decaying current, a delay, a flattened picture, dense layers and a readout; biases everywhere."""
    nodes: dict[str, Node] = {
        "input": Input(shape=(2, SIZE, SIZE)),
        "conv1": Conv(weight=even(rng, 6, 2, 3, 3), stride=(2, 2), padding=(1, 1)),
        "lif1": cells(6, 6, 6, vth=220, dv=410, bias=rng.integers(-900, 1500, (6, 1, 1))),
        "conv2": Conv(weight=even(rng, 8, 6, 3, 3), padding=(0, 1), weight_exp=1),
        "lif2": cells(8, 4, 6, vth=1900, du=2047, dv=300, bias=rng.integers(-900, 1500, (8, 1, 1))),
        "delay": Delay(steps=2),
        "flatten": Flatten(),
        "fc1": Dense(weight=even(rng, 24, 8 * 4 * 6)),
        "lif3": cells(24, vth=300, dv=4096, bias=rng.integers(-7, 8, 24) * 128),
        "fc2": Dense(weight=even(rng, 5, 24)),
        "readout": cells(5, vth=None, dv=0, bias=rng.integers(-500, 500, 5)),
        "output": Output(),
    }
    bits = {name: 7 for name, one in nodes.items() if isinstance(one, GridNeuron)}
    return Network(nodes=nodes, edges=tuple(itertools.pairwise(nodes)), binning=BINNING, chip="loihi2", scale_bits=bits)


def record(rng: np.random.Generator) -> list[Array]:
    """Raw events of a moving bar each, with noise; times in microseconds, many on the border of a step."""
    recordings = []
    for _ in range(RECORDINGS):
        n = 2600
        t = np.sort(rng.integers(0, STEPS * 1000, n))
        on_border = rng.random(n) < 0.1
        t[on_border] = t[on_border] // 1000 * 1000
        t[0] = 0
        at = (t / 1500 + rng.integers(0, SIZE)) % SIZE
        noise = rng.random(n) < 0.3
        x = np.where(noise, rng.integers(0, SIZE, n), (at + rng.integers(0, 3, n)) % SIZE)
        y = np.where(noise, rng.integers(0, SIZE, n), rng.integers(2, SIZE - 1, n))
        p = np.where(noise, rng.integers(0, 2, n), rng.random(n) < 0.8)
        events = np.zeros(n, EVENT_DTYPE)
        for field, value in zip("xytp", (x, y, np.sort(t), p), strict=True):
            events[field] = value
        recordings.append(events)
    return recordings


def node(name: str, **changes: Callable[[Any], Any]) -> Callable[[Network], Network]:
    """A fault that edits fields of one node."""

    def make(network: Network) -> Network:
        old = network.nodes[name]
        values = {field: edit(getattr(old, field)) for field, edit in changes.items()}
        return network.replace(nodes={**network.nodes, name: replace(old, **values)})  # pyright: ignore

    return make


def put(index: tuple[int, ...], by: int = 0, to: int | None = None) -> Callable[[Array], Array]:
    def edit(values: Array) -> Array:
        values = values.copy()
        values[index] = values[index] + by if to is None else to
        return values

    return edit


def wrong_flatten(network: Network) -> Network:
    """fc1 trained for (H, W, C) pictures, fed (C, H, W)."""
    shape = network.shapes["delay"]
    return node("fc1", weight=lambda w: w.reshape(-1, *shape).transpose(0, 2, 3, 1).reshape(w.shape))(network)


def unfolded(network: Network) -> Network:
    """conv2 without its batch norm: every channel divided by its gain, the bias gone."""
    gains = np.linspace(0.6, 1.7, 8).reshape(-1, 1, 1, 1)
    network = node("conv2", weight=lambda w: (np.rint(w / gains / 2) * 2).astype(w.dtype).clip(-256, 254))(network)
    return node("lif2", bias=lambda b: np.zeros_like(b))(network)


def one_dead(network: Network) -> Network:
    return node("lif3", vth=lambda v: put((3,), to=HIGHEST)(np.broadcast_to(v, (24,))))(network)


def swap_rows(w: Array) -> Array:
    return w[[0, 2, 1, *range(3, len(w))]]


MODELS = [
    Fault("one weight's lowest bit, convolution", ("weight",), ("conv1",), node("conv1", weight=put((2, 1, 0, 2), 2))),
    Fault("one weight's lowest bit, dense", ("weight",), ("fc1",), node("fc1", weight=put((7, 33), 2))),
    Fault("kernel axes swapped", ("kernel-axes",), ("conv1",), node("conv1", weight=lambda w: w.swapaxes(2, 3))),
    Fault("kernel flipped", ("kernel-flipped",), ("conv2",), node("conv2", weight=lambda w: w[..., ::-1, ::-1])),
    Fault("decay dv off by one", ("potential-decay",), ("lif1",), node("lif1", dv=lambda v: v + 1)),
    Fault("decay du off by one", ("current-decay",), ("lif2",), node("lif2", du=lambda v: v - 1)),
    Fault("threshold off by one", ("threshold",), ("lif3",), node("lif3", vth=lambda v: v - 1)),
    Fault("bias missing", ("bias",), ("lif1",), node("lif1", bias=lambda b: b * 0)),
    Fault("bias of one channel off", ("bias",), ("lif2",), node("lif2", bias=put((4, 0, 0), 64))),
    Fault("delay off by one", ("delay",), ("delay",), node("delay", steps=lambda s: s + 1)),
    Fault("flatten order", ("flatten-order",), ("fc1",), wrong_flatten),
    Fault("batch norm not folded", ("batch-norm",), ("conv2", "lif2"), unfolded),
    Fault("one dead neuron, by its threshold", ("dead-neuron",), ("lif3",), one_dead),
    Fault("weights of one output 0", ("dead-neuron",), ("fc1",), node("fc1", weight=put((5,), to=0))),
    Fault(
        "polarity swapped in the weights", ("input-channels",), ("conv1",), node("conv1", weight=lambda w: w[:, ::-1])
    ),
    Fault("a low bit dropped", ("weight-bits",), ("fc1",), node("fc1", weight=lambda w: w >> 2 << 2)),
    Fault("weight exponent left out", ("weight-exponent",), ("conv2",), node("conv2", weight_exp=lambda e: 0)),
    Fault("two output channels swapped", ("output-order",), ("conv2",), node("conv2", weight=swap_rows)),
]
SPIKING, EVERYWHERE = ("lif1", "lif2", "lif3"), ("lif1", "lif2", "lif3", "readout")
"""The layers on which a fault of the runner acts; on some of them these recordings may hold no case of it."""

RUNNERS = [
    Fault(">= for >", ("spike-on-equal",), SPIKING, Faults(at_equal=True)),
    Fault("soft for hard reset", ("soft-reset",), SPIKING, Faults(soft=True)),
    Fault("reset one step late", ("late-reset",), SPIKING, Faults(reset_late=True)),
    Fault("state kept between recordings", ("state-carried-over",), EVERYWHERE, Faults(keeps_state=True)),
    Fault("leak rounds down", ("leak-floor",), SPIKING, Faults(floors=True)),
    Fault("leak after the input", ("leak-order",), SPIKING, Faults(leaks_last=True)),
    Fault("current reset by a spike", ("current-reset",), SPIKING, Faults(clears_current=True)),
    Fault("refractory step", ("refractory",), SPIKING, Faults(pause=1)),
    Fault("bias runs before the input", ("early-start",), EVERYWHERE, Faults(bias_skew=True)),
    Fault(
        "convolution for correlation",
        ("kernel-flipped",),
        ("lif1",),
        Faults(reads=node("conv1", weight=lambda w: w[..., ::-1, ::-1])),
    ),
    Fault("polarity transposed", ("polarity",), ("input",), Faults(frames=lambda f: f[:, :, ::-1])),
    Fault("x and y swapped", ("input-axes",), ("input",), Faults(frames=lambda f: f.swapaxes(3, 4))),
    Fault("counts cut to 0 and 1", ("input-counts",), ("input",), Faults(frames=lambda f: f.clip(0, 1))),
    Fault("frames one step late", ("input-step",), ("input",), Faults(frames=lambda f: np.roll(f, 1, 1) * _after(f))),
    Fault("bins of 1001 us", ("binning",), ("input",), replace(BINNING, step_us=1001)),
]
FAULTS = MODELS + RUNNERS


def _after(frames: Array) -> Array:
    return (np.arange(frames.shape[1]) > 0).astype(frames.dtype).reshape(1, -1, 1, 1, 1)


def inject(fault: Fault, folder: Path, network: Network, events: list[Array], frames: Array) -> Checked:
    """Make the faulty file, and check it as a user would."""
    reference, suspect = folder / "student.nir", folder / "suspect"
    suspect.with_suffix(".nir").unlink(missing_ok=True)
    if isinstance(fault.make, Faults | Binning):
        if isinstance(fault.make, Faults):
            trace = replace(run(network, frames, fault.make), frames=frames)
        else:
            others = np.stack([to_frames(one, fault.make) for one in events])
            trace = replace(run(network, others, Faults()), frames=others)
        path = suspect.with_suffix(".trace")
        trace.save(path)
    else:
        path = suspect.with_suffix(".nir")
        write_nir(fault.make(network), path)
    return check(reference, path)


def by_brute_force(expected: Trace, found: Trace) -> tuple[str, int, int, tuple[int, ...], str] | None:
    """The first difference (layer, step, recording, neuron, what), one by one: step, layer, spikes before states."""
    for step in range(expected.steps):
        for layer in expected.layers:
            for kinds in (("spikes",), ("v", "u")):
                for recording in range(expected.recordings):
                    for kind in kinds:
                        one, other = (trace.layers[layer].get(kind) for trace in (expected, found))
                        if one is None or other is None or recording >= min(len(one), len(other)):
                            continue
                        a, b = one[recording, step], other[recording, step]
                        for neuron in np.ndindex(a.shape):
                            if a[neuron] != b[neuron]:
                                return layer, step, recording, neuron, {"spikes": "spike"}.get(kind, kind)
    return None


def rows() -> Iterator[tuple[Fault, Checked, bool, bool]]:
    """Each fault with what the check found, whether its first divergence is right, and whether its cause is."""
    rng = np.random.default_rng(7)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_nir(build(rng), folder / "student.nir")
        network = read_nir(folder / "student.nir")
        events = record(rng)
        frames = np.stack([to_frames(one, BINNING) for one in events])
        expected = record_quantized(network, frames, states=RECORDINGS)
        expected.save(folder / "student.trace")
        right = check(folder / "student.nir")
        assert right.equal, right.verdict
        assert all(0.02 < layer.rate < 0.6 for layer in right.verdict.layers if layer.spiking), right.verdict.layers
        plain = run(network, frames, Faults())
        assert by_brute_force(expected, plain) is None, "the plain runner is wrong without a fault"
        for fault in FAULTS:
            checked = inject(fault, folder, network, events, frames)
            truth = None if checked.equal else by_brute_force(_whole(checked.expected), _whole(checked.found))
            first = checked.verdict.first
            placed = first is not None and truth == (first.layer, first.step, first.recording, first.neuron, first.what)
            causes = checked.explanation.causes if checked.explanation else ()
            named = (
                len(causes) == 1
                and causes[0].kind in fault.kinds
                and causes[0].verified
                and set(causes[0].where) <= set(fault.where)
            )
            yield fault, checked, placed, named


def _whole(trace: Trace) -> Trace:
    """In memory, whatever it was read from."""
    return trace.take(range(trace.recordings))


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    print("| # | fault | in | detected | first divergence | cause named |")
    print("|---|---|---|---|---|---|")
    counts = np.zeros(3, int)
    for number, (fault, checked, placed, named) in enumerate(rows(), 1):
        counts += (not checked.equal, placed, named)
        first = checked.verdict.first
        where = "" if first is None else f"{first.layer}, step {first.step}, neuron {list(first.neuron or ())}"
        causes = checked.explanation.causes if checked.explanation else ()
        told = "; ".join(f"{', '.join(cause.where)}: {cause.text}" for cause in causes) or "none"
        marks = ["yes" if good else "NO" for good in (not checked.equal, placed, named)]
        place = "model" if fault in MODELS else "runner"
        print(
            f"| {number} | {fault.name} | {place} | {marks[0]} | {marks[1]}: {where} | {marks[2]}: {told} |", flush=True
        )
    print(
        f"\n{len(FAULTS)} faults: {counts[0]} detected, {counts[1]} first divergences right, {counts[2]} causes right"
    )


if __name__ == "__main__":
    main()
