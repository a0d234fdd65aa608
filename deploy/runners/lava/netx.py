"""Runs a netx file (lava-dl's HDF5 network) in Lava's fixed_pt models, as `lava.lib.dl.netx.hdf5.Network` builds it."""

import json
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ckd.files import scratch_folder
from deploy.errors import RunnerError
from deploy.formats.model_file import ModelFile
from deploy.formats.netx import write_netx
from deploy.grid import UNREACHABLE
from deploy.network import Array, Network
from deploy.network.frames import require_frames
from deploy.runners.lava.fixed import LAVA_VERSION, TIMEOUT, late
from deploy.runners.lava.worker import run_worker
from deploy.traces.layers import record_layers
from deploy.traces.prediction import predict
from deploy.traces.trace import Trace, software_versions

WORKER = Path(__file__).parent / "workers" / "netx_worker.py"


def run(model: Network | ModelFile, frames: Array, *, states: int = 0, digests: bool = False) -> Trace:
    """Run a .net file, or a network on the grid, which is written as one first. netx keeps no states of spiking layers.

    Raises:
        FramesError: frames that the model does not take.
        UnsupportedError, GridError: a network that netx cannot hold.
        RunnerError: as `run_netx`.
    """
    del states, digests
    require_frames(frames, model.input_shape)
    if isinstance(model, ModelFile):
        trace = run_netx(model.path, frames, names=model.layers)
    else:
        with scratch_folder("ckd-netx-") as folder:
            path = folder / "model.net"
            write_netx(model, path)
            trace = run_netx(path, frames, names=list(model.neurons))
    return replace(trace, classes=model.classes, binning=model.binning)


def run_netx(path: Path, frames: Array, *, names: Sequence[str]) -> Trace:
    """Run a netx file, pipelined: its k-th layer (the first is 1) works on step t - k.

    Args:
        path: the .net file.
        frames: (R, T, C, H, W) or (R, T, n) counts from 0 to 255.
        names: of its layers, in the file's order.

    Returns:
        a Trace with the spikes of every layer, (R, T', C, H, W) or (R, T', n). A layer whose threshold no potential can
        reach is a readout: its v is there instead.

    Raises:
        RunnerError: no such file, no Python 3.10, Lava failed (its words are shown), or it took too long.
    """
    started = time.perf_counter()
    path = Path(path).resolve()
    if not path.is_file():
        raise RunnerError(f"{path}: no such netx file; ckd-export --to netx writes one")
    recordings, steps = frames.shape[:2]
    with scratch_folder("ckd-netx-") as folder:
        np.save(folder / "frames.npy", np.ascontiguousarray(_turned(frames)))
        plan = {
            "path": str(path),
            "recordings": recordings,
            "steps": steps,
            "interval": steps,
            "input_shape": frames.shape[:1:-1],
            "message_bits": 8 if frames.max(initial=0) > 1 else 0,
            "unreachable": UNREACHABLE,
        }
        (folder / "plan.json").write_text(json.dumps(plan))
        run_worker(WORKER, folder, timeout=TIMEOUT)
        count = json.loads((folder / "done.json").read_text())["layers"]
        layers = list(names)
        if len(layers) != count:
            raise RunnerError(f"{path}: {count} layers, but {len(layers)} names for them: {layers}")
        kept: dict[str, dict[str, Array]] = {"spikes": {}, "v": {}}
        for i, layer in enumerate(layers):
            kind = "spikes" if (folder / f"spikes{i}.npy").exists() else "v"
            kept[kind][layer] = late(_turned(np.load(folder / f"{kind}{i}.npy")), i + 1, steps + count)
    records = record_layers({layer: i + 1 for i, layer in enumerate(layers)}, kept)
    return Trace(
        layers=records,
        predictions=predict(records[layers[-1]], steps),
        frames=frames,
        schedule="pipelined",
        runner="netx",
        device="cpu",
        seconds=time.perf_counter() - started,
        versions={**software_versions("ckd", "numpy"), "lava-nc": LAVA_VERSION, "lava-dl": "0.6.0"},
    )


def _turned(maps: Array) -> Array:
    """Between (R, T, C, H, W) and netx's (R, T, W, H, C)."""
    return maps.transpose(0, 1, 4, 3, 2) if maps.ndim == 5 else maps
