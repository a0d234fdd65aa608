"""Runs a network in Lava: its fixed_pt models (bit-accurate with Loihi), its floating_pt models, or Loihi 2 itself.

Lava demands a Python of its own (`deploy.runners.lava.worker`). The recordings run one after the other in one process
graph, kept apart by LIFReset with one reset_offset for each layer, so that a bias acts as long as it does in training.
"""

import json
import time
from pathlib import Path
from typing import Any

import numpy as np

from ckd.files import scratch_folder
from deploy.errors import RunnerError, UnsupportedError
from deploy.grid import VTH_MAX
from deploy.network import Array, Network
from deploy.network.frames import require_frames
from deploy.runners.lava.delays import join_delayed
from deploy.runners.lava.output import read_array, read_done
from deploy.runners.lava.parts import Arrays, population, synapse
from deploy.runners.lava.plan import connections, from_lava, lava_shape
from deploy.runners.lava.worker import run_worker
from deploy.runners.walk import offsets
from deploy.traces.layers import record_layers
from deploy.traces.prediction import predict
from deploy.traces.trace import Trace, software_versions

WORKER = Path(__file__).parent / "workers" / "lava_worker.py"
LAVA_VERSION = "0.10.0"
TIMEOUT = 1800.0
ESCAPED = "although it was held down"
"""What the worker says of a layer that spikes between recordings."""


def run(network: Network, frames: Array, *, states: int = 0, digests: bool = False, timeout: float = TIMEOUT) -> Trace:
    """Run a network on the grid in Lava, pipelined as on the chip: layer of depth k works on step t - k.

    Args:
        network: on the grid.
        frames: (R, T, *input_shape) counts from 0 to 255.
        states: for how many of the recordings u and v are kept (each makes Lava slower).
        digests: Lava has none.
        timeout: seconds for the whole run; Lava waits for ever when one of its processes fails.

    Returns:
        a Trace whose layers lie `offset` = depth steps late; what a layer did before and after its own T steps is 0.

    Raises:
        FramesError: frames that the network does not take.
        UnsupportedError: a node that Lava has no process for.
        GridError: weights or biases that Lava would silently change.
        RunnerError: no Python 3.10, Lava failed, or it took too long.
    """
    del digests
    return run_prepared(network, frames, states=states, timeout=timeout)


def run_floating(
    network: Network, frames: Array, *, states: int = 0, digests: bool = False, timeout: float = TIMEOUT
) -> Trace:
    """As `run`, a float network on Lava's floating_pt models, in float64."""
    del digests
    return run_prepared(network, frames, states=states, timeout=timeout, floating=True)


def run_prepared(
    network: Network,
    frames: Array,
    *,
    states: int,
    timeout: float,
    floating: bool = False,
    python: str | None = None,
) -> Trace:
    """`run` or `run_floating`; with `python`, on a Loihi 2 chip, by an interpreter that has Intel's packages."""
    started = time.perf_counter()
    with scratch_folder("ckd-lava-") as folder:
        hardware = python is not None
        plan = prepare(network, frames, folder, states=states, floating=floating, hardware=hardware)
        try:
            run_worker(WORKER, folder, timeout=timeout, python=python)
        except RunnerError as error:
            if not any(ESCAPED in line for line in (str(error), *getattr(error, "__notes__", ()))):
                raise
            if hardware or floating:
                raise UnsupportedError(
                    "a recurrent or delayed layer spikes between recordings, whatever current is sent against it; give "
                    "it smaller weights or biases, or use --on lava"
                ) from error
            plan = prepare(network, frames, folder, states=states, forced=True)
            run_worker(WORKER, folder, timeout=timeout)
        return read_output(network, frames, folder, plan, seconds=time.perf_counter() - started)


def prepare(
    network: Network,
    frames: Array,
    folder: Path,
    *,
    states: int = 0,
    floating: bool = False,
    hardware: bool = False,
    forced: bool = False,
) -> dict[str, Any]:
    """Write what the worker reads: plan.json, arrays.npz and frames.npy. Returns the plan. Raises as `run` does.

    forced: recurrent and delayed layers are kept silent between recordings by a process of ours, no longer by a current
    against which some of them spike.
    """
    _check(network, frames, floating)
    ways = connections(network)
    lag = max(way.lag for way in ways)
    holding = {way.source for way in ways if way.lag}
    bits = 8 if frames.max(initial=0) > 1 else 0
    arrays: Arrays = {}
    index = {name: i for i, name in enumerate(network.neurons)}
    populations = [population(name, network, held=name in holding, forced=forced, arrays=arrays) for name in index]
    for spec in populations:
        readout = network.neurons[spec["name"]].is_readout
        kept = min(states, len(frames))
        spec |= {"spikes": not readout, "keep": {"u": kept, "v": len(frames) if readout else kept}}
    synapses = [
        synapse(i, way, network, bits=bits if way.source == network.input else 0, arrays=arrays)
        | {"from": index.get(way.source), "to": index[way.target], "delay": way.delay}
        for i, way in enumerate(ways)
    ]
    synapses = join_delayed(synapses, arrays)
    if hardware:
        _fit_the_chip(populations, arrays)
    recordings, steps = frames.shape[:2]
    plan = {
        "floating": floating,
        "hardware": hardware,
        "recordings": recordings,
        "steps": steps,
        "interval": steps + lag,
        "total": (recordings - 1) * (steps + lag) + steps + max(spec["depth"] for spec in populations),
        "forget": 1 if floating else 4095,
        "input_shape": lava_shape(network.input_shape),
        "populations": populations,
        "synapses": synapses,
    }
    ordered = np.moveaxis(frames, 2, -1) if frames.ndim == 5 else frames
    np.save(folder / "frames.npy", np.ascontiguousarray(ordered))
    np.savez(folder / "arrays.npz", **arrays)  # pyright: ignore[reportArgumentType]
    (folder / "plan.json").write_text(json.dumps(plan))
    return plan


def _check(network: Network, frames: Array, floating: bool) -> None:
    if floating == network.on_grid:
        raise UnsupportedError(
            "lava-float runs a float network, this one is on the grid; use --on lava"
            if floating
            else "Lava's fixed_pt models run a network on the grid, this one is not; use `ckd-deploy compile` first"
        )
    require_frames(frames, network.input_shape, counts=not floating)
    for name, shape in network.shapes.items():
        if len(shape) not in (1, 3):
            raise UnsupportedError(f"{name}: shape {shape}; Lava runs flat layers and maps of (C, H, W)")


def _fit_the_chip(populations: list[dict[str, Any]], arrays: Arrays) -> None:
    """What Lava's simulation takes and the chip does not: parameters for each neuron, thresholds of 18 bits."""
    for spec in populations:
        if spec["reset"] != "zero" or spec["reset_delay"]:
            raise UnsupportedError(
                f"{spec['name']}: its reset is soft, late or none, which the chip's own neurons are not; use --on lava"
            )
        for key in ("du", "dv", "vth"):
            if arrays[spec[key]].shape:
                raise UnsupportedError(
                    f"{spec['name']}: {key} differs between its neurons; the chip has one for a layer"
                )
        arrays[spec["vth"]] = np.minimum(arrays[spec["vth"]], VTH_MAX)


def read_output(network: Network, frames: Array, folder: Path, plan: dict[str, Any], *, seconds: float) -> Trace:
    """The trace of what the worker left in its folder.

    Raises:
        RunnerError: part of it is missing, damaged, or of another shape than the plan says.
    """
    read_done(folder)
    behind = offsets(network, "pipelined")
    steps = plan["steps"] + max(behind.values())
    states = np.float64 if plan["floating"] else np.int32
    kept: dict[str, dict[str, Array]] = {"spikes": {}, "u": {}, "v": {}}
    for i, (name, spec) in enumerate(zip(network.neurons, plan["populations"], strict=True)):
        rows = {"spikes": plan["recordings"] if spec["spikes"] else 0, **spec["keep"]}
        for kind in kept:
            if rows[kind]:
                shape = (rows[kind], plan["steps"], *spec["shape"])
                found = read_array(folder / f"{kind}{i}.npy", shape, np.bool_ if kind == "spikes" else states)
                kept[kind][name] = late(from_lava(found, network.neurons[name].shape), behind[name], steps)
    layers = record_layers(behind, kept, _overflows(network, folder, plan))
    return Trace(
        layers=layers,
        predictions=predict(layers[network.output_layer], plan["steps"]),
        frames=frames,
        classes=network.classes,
        schedule="pipelined",
        binning=network.binning,
        runner="lava-float" if plan["floating"] else "loihi2" if plan["hardware"] else "lava",
        device="loihi2" if plan["hardware"] else "cpu",
        seconds=seconds,
        versions={**software_versions("numpy"), "lava-nc": LAVA_VERSION},
    )


def _overflows(network: Network, folder: Path, plan: dict[str, Any]) -> dict[str, int]:
    """By layer, what Lava's integer models counted; the chip and floats count nothing."""
    if plan["floating"] or plan["hardware"]:
        return {}
    files = {name: folder / f"overflows{i}.npy" for i, name in enumerate(network.neurons)}
    return {name: int(read_array(file, (1,), np.int64)[0]) for name, file in files.items()}


def late(values: Array, offset: int, total: int) -> Array:
    """(R, T, ...) to (R, total, ...), `offset` steps later."""
    moved = np.zeros((values.shape[0], total, *values.shape[2:]), values.dtype)
    moved[:, offset : offset + values.shape[1]] = values
    return moved
