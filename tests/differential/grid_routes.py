"""A network on the grid through everything that claims it, held against the reference of the tests."""

import tempfile
from collections.abc import Callable, Collection
from pathlib import Path

import numpy as np
import torch

import deploy
from deploy.formats.files import load, load_network, save
from deploy.formats.netx import fit_to_netx
from deploy.network import Array, Network
from deploy.runners import integer
from deploy.runners import onnx as onnx_runner
from deploy.runners.walk import offsets
from deploy.traces.trace import Trace
from export.integer import IntegerNetwork
from tests.deploy.changed import changed
from tests.deploy.runners.reference import Edge, Reference, simulate
from tests.differential.tally import Tally
from tests.graphs.same import same_nodes

KINDS = ("spikes", "u", "v")


def follow(
    network: Network, frames: Array, late: Collection[Edge], tally: Tally, *, refused: bool = False
) -> Reference | None:
    """Take a network along every route; gives what the reference says of it.

    Args:
        network: on the grid.
        frames: (R, T, ...) for it.
        late: the edges that carry the step before.
        tally: counts what became of it.
        refused: whether nobody may run it.
    """
    routes: dict[str, Callable[[], Trace]] = {
        "integer": lambda: integer.run(network, frames, states=len(frames), digests=True),
        "onnx": lambda: onnx_runner.run(network, frames, states=len(frames), digests=True),
        ".nir": lambda: reread(network, frames, ".nir"),
        ".onnx": lambda: reread(network, frames, ".onnx"),
        ".net": lambda: reread(network, frames, ".net"),
    }
    if refused:
        for route, run in routes.items():
            tally.must_refuse(route, run)
        return None
    wanted = simulate(network, frames, late=late)
    for route, run in routes.items():
        tally.follow(route, lambda run=run: assert_trace(run(), wanted))
    tally.follow(".net, fitted", lambda: fitted(network, frames, late))
    tally.follow("streamed", lambda: streamed(network, frames, wanted))
    tally.follow("torch", lambda: in_torch(network, frames, "synchronous", wanted))
    tally.follow("pipelined", lambda: pipelined(network, frames, wanted))
    tally.follow("torch, pipelined", lambda: in_torch(network, frames, "pipelined", wanted))
    tally.follow("compare", lambda: compared(network, frames, wanted))
    return wanted


def assert_trace(trace: Trace, wanted: Reference) -> None:
    """Every spike, current and potential."""
    for name, node in wanted.network.neurons.items():
        for kind in KINDS[node.is_readout :]:
            expected = np.stack(getattr(wanted, kind)[name], axis=1)
            assert np.array_equal(trace.layers[name][kind], expected), f"{kind} of {name}"


def assert_aligned(trace: Trace, wanted: Reference) -> None:
    """The same of each layer from its first input on."""
    for name, node in wanted.network.neurons.items():
        for kind in KINDS[node.is_readout :]:
            expected = np.stack(getattr(wanted, kind)[name], axis=1)
            assert np.array_equal(trace.aligned(kind, name), expected), f"{kind} of {name}"


def reread(network: Network, frames: Array, ending: str) -> Trace:
    """What the file of a network gives: the same network, or on its own simulator the same trace."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"network{ending}"
        save(network, path)
        if ending == ".onnx":
            return deploy.run(load(path), frames, on="onnx", states=len(frames))
        read = load_network(path)
    if ending == ".nir":
        assert same_nodes(read, network)
    return integer.run(read, frames, states=len(frames))


def fitted(network: Network, frames: Array, late: Collection[Edge]) -> None:
    """netx holds less: the nearest network that it can hold is another, and has an oracle's run of its own."""
    fit = fit_to_netx(network)
    assert_trace(reread(fit, frames, ".net"), simulate(fit, frames, late=late))


def streamed(network: Network, frames: Array, wanted: Reference) -> None:
    """All steps at once, cut in two, and one by one."""
    for cuts in ([], [1], range(1, frames.shape[1])):
        simulator = integer.Simulator(network, len(frames), states=True)
        parts = [simulator.advance(part) for part in np.split(frames, cuts, axis=1) if part.shape[1]]
        for kind in KINDS:
            for name in parts[0][kind]:
                found = np.concatenate([part[kind][name] for part in parts], axis=1)
                assert np.array_equal(found, np.stack(getattr(wanted, kind)[name], axis=1)), f"{kind} of {name}"
        assert simulator.overflows == wanted.overflows


def pipelined(network: Network, frames: Array, wanted: Reference) -> None:
    """On a pipeline, each layer gives from its first input on what it gives without one."""
    trace = integer.run(network, frames, states=len(frames), digests=True, schedule="pipelined")
    assert_aligned(trace, wanted)
    assert all(trace.layers[name].overflows == wanted.overflows[name] for name in network.neurons)


def in_torch(network: Network, frames: Array, schedule: str, wanted: Reference) -> None:
    module, starts = IntegerNetwork(network, max_count=int(frames.max(initial=1))), offsets(network, schedule)
    later = np.zeros((len(frames), max(starts.values()), *frames.shape[2:]), frames.dtype)
    activity = module(torch.from_numpy(np.concatenate([frames, later], 1)), schedule=schedule, states=True)
    for kind in KINDS:
        for name, values in getattr(activity, kind).items():
            found = values.numpy()[:, starts[name] : starts[name] + frames.shape[1]]
            assert np.array_equal(found, np.stack(getattr(wanted, kind)[name], axis=1)), f"{kind} of {name}"
    assert schedule == "pipelined" or activity.overflows == wanted.overflows


def compared(network: Network, frames: Array, wanted: Reference) -> None:
    """A trace equals itself where its layers spike, and differs at one changed spike, there and nowhere else."""
    trace = integer.run(network, frames, states=len(frames), digests=True)
    spiking = [wanted.spikes[name] for name in trace.spiking]
    proves = all(np.any(steps) for steps in spiking) and (spiking or any(np.any(v) for v in wanted.v.values()))
    assert bool(deploy.compare(trace, integer.run(network, frames, states=len(frames), digests=True))) == bool(proves)
    if not trace.spiking:
        return
    name = next(reversed(trace.spiking))
    place = tuple(int(n) for n in np.argwhere(trace.layers[name].output >= 0)[-1])
    spikes = trace.layers[name].output.copy()
    spikes[place] ^= True
    verdict = deploy.compare(trace, changed(trace, name, spikes=spikes))
    first = verdict.first
    assert not verdict and first is not None
    assert (first.layer, first.recording, first.step, first.neuron) == (name, *place[:2], place[2:])
