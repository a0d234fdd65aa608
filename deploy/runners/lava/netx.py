"""Runs a netx file (lava-dl's HDF5 network) in Lava's fixed_pt models, as `lava.lib.dl.netx.hdf5.Network` builds it."""

import json
import time
from pathlib import Path
from typing import Any

import numpy as np

from ckd.files import scratch_folder
from deploy.errors import RunnerError
from deploy.formats.netx import write_netx
from deploy.formats.netx.origin import NetxNetwork
from deploy.formats.netx.runnable import Runnable, what_netx_runs
from deploy.network import Array, Delay, Dense, GridNeuron, Network
from deploy.network.frames import require_frames
from deploy.network.ops import apply
from deploy.runners.lava.fixed import LAVA_VERSION, TIMEOUT, late
from deploy.runners.lava.output import read_array, read_layers
from deploy.runners.lava.worker import run_worker
from deploy.traces.layers import record_layers
from deploy.traces.prediction import predict
from deploy.traces.trace import Trace, join_traces, software_versions

WORKER = Path(__file__).parent / "workers" / "netx_worker.py"


def run(network: Network, frames: Array, *, states: int = 0, digests: bool = False) -> Trace:
    """Run the .net file that a network was read from, or any network on the grid, which is written as one first.

    netx is pipelined: its k-th layer works on step t - k. It keeps no states of spiking layers. A mean at the end
    (`average`), which netx does not have, is worked out from the spikes before it.

    Returns:
        a Trace with the spikes of every layer, (R, T', C, H, W) or (R, T', n); v of a readout in their place.

    Raises:
        FramesError: frames that the network does not take.
        UnsupportedError, GridError: a network that netx cannot hold, or a file that it would read otherwise.
        RunnerError: the file is gone, no Python 3.10, Lava failed (its words are shown), or it took too long.
    """
    del states, digests
    require_frames(frames, network.input_shape)
    started = time.perf_counter()
    with scratch_folder("ckd-netx-") as folder:
        path = _file_of(network, folder)
        found = what_netx_runs(path)
        # What is on its way when a recording ends reaches the next one: those with delays or feedback run alone.
        apart = bool(network.recurrent_edges) or any(isinstance(node, Delay) for node in network.nodes.values())
        parts = np.split(frames, len(frames)) if apart else [frames]
        traces = [_run_file(network, path, found, part) for part in parts]
    return join_traces(traces, frames=frames, seconds=time.perf_counter() - started)


def _file_of(network: Network, folder: Path) -> Path:
    if not isinstance(network, NetxNetwork):
        path = folder / "model.net"
        write_netx(network, path)
        return path
    if not network.path.is_file():
        raise RunnerError(f"{network.path}: is there no more, and netx runs the file itself; load it again")
    return network.path.resolve()


def _run_file(network: Network, path: Path, found: Runnable, frames: Array) -> Trace:
    recordings, steps = frames.shape[:2]
    names = list(network.neurons)
    first = 0 if found.image else 1
    offsets = {name: first + i for i, name in enumerate(names)}
    with scratch_folder("ckd-netx-") as folder:
        np.save(folder / "frames.npy", np.ascontiguousarray(_entering(network, frames)))
        plan = {
            "path": str(path),
            "layers": found.layers,
            "image": found.image,
            "readouts": [network.neurons[layer].is_readout for layer in names],
            "recordings": recordings,
            "steps": steps,
            "interval": steps,
            "message_bits": 8 if frames.max(initial=0) > 1 and not found.image else 0,
        }
        (folder / "plan.json").write_text(json.dumps(plan))
        run_worker(WORKER, folder, timeout=TIMEOUT)
        built = read_layers(folder, len(names))
        kept = _read(network, folder, names[:built], (recordings, steps))
    kept["v"] |= {layer: _mean(network, layer, kept["spikes"]) for layer in names[built:]}
    total = steps + max(offsets.values())
    moved = {
        kind: {layer: late(values, offsets[layer], total) for layer, values in of_kind.items()}
        for kind, of_kind in kept.items()
    }
    records = record_layers(offsets, moved)
    return Trace(
        layers=records,
        predictions=predict(records[network.output_layer], steps),
        frames=frames,
        classes=network.classes,
        binning=network.binning,
        schedule="pipelined",
        runner="netx",
        device="cpu",
        versions={**software_versions("numpy"), "lava-nc": LAVA_VERSION, "lava-dl": "0.6.0"},
    )


def _entering(network: Network, frames: Array) -> Array:
    """Frames as netx's first layer takes them: (R, T, W, H, C), or (R, T, n) where that is dense."""
    flat = any(len(network.shapes[name]) == 1 for name in network.targets(network.input))
    return frames.reshape(*frames.shape[:2], -1) if flat else _turned(frames)


def _read(network: Network, folder: Path, names: list[str], size: tuple[int, int]) -> dict[str, dict[str, Array]]:
    kept: dict[str, dict[str, Array]] = {"spikes": {}, "v": {}}
    for i, layer in enumerate(names):
        kind, dtype = ("v", np.int32) if network.neurons[layer].is_readout else ("spikes", np.bool_)
        shape = (*size, *reversed(network.neurons[layer].shape))
        kept[kind][layer] = _turned(read_array(folder / f"{kind}{i}.npy", shape, dtype))
    return kept


def _mean(network: Network, layer: str, spikes: dict[str, Array]) -> Array:
    """v of the readout that adds up groups of the last layer's spikes."""
    synapse = network.sources(layer)[0]
    node, neuron = network.nodes[synapse], network.neurons[layer]
    assert isinstance(node, Dense) and isinstance(neuron, GridNeuron)
    given = spikes[network.sources(synapse)[0]].astype(np.int64)
    sums = apply(node, given.reshape(-1, given.shape[-1])).reshape(*given.shape[:2], -1)
    _, states = neuron.run(neuron.rest(len(given)), sums)
    return states["v"].astype(np.int32)


def _turned(maps: Array) -> Any:
    """Between (R, T, C, H, W) and netx's (R, T, W, H, C)."""
    return maps.transpose(0, 1, 4, 3, 2) if maps.ndim == 5 else maps
