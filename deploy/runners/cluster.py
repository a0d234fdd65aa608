"""Recordings shared out over a Ray cluster that exists already: the same trace as one process gives, to the bit.

Every node needs this package; a shard whose worker dies is run again elsewhere. Ray comes with the extra `cluster`.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from ckd.events import load_frames
from ckd.files import away_from_current_folder
from deploy.errors import ModelError, RunnerError
from deploy.extras import require
from deploy.formats.model_file import ModelFile
from deploy.network import Array, Network
from deploy.runners.table import run as run_here
from deploy.traces.trace import Trace, join_traces

SHARD = 64
"""Recordings a worker takes at once."""

RETRIES = 5
"""How often a shard is run again when its worker dies."""


def run(
    network: Network | ModelFile,
    recordings: Array | Sequence[Path],
    *,
    address: str,
    on: str = "integer",
    states: int = 0,
    digests: bool = False,
    shard: int = SHARD,
) -> Trace:
    """Run a network over recordings on a cluster.

    Args:
        network: as for `deploy.run`.
        recordings: frames (R, T, *input_shape), or the files of recordings under paths that every node sees: each
            worker reads and bins its own, so that no machine needs to hold them all; the trace then has no frames.
        address: of the cluster, as Ray takes it ("auto", "host:6379", "ray://host:10001"; "local" starts one here).
        on: the runner's name.
        states, digests: as for `deploy.run`.
        shard: recordings a worker takes at once.

    Raises:
        RunnerError: Ray is not installed, the cluster cannot be reached, or a shard's workers died again and again.
        ModelError: files are given and the network does not say how they become frames.
    """
    ray = _connect(address)
    started = time.perf_counter()
    paths = not hasattr(recordings, "shape")
    if paths:
        recordings = [Path(path).absolute() for path in recordings]
    if paths and network.binning is None:
        raise ModelError("this model does not say how recordings become frames; give frames, or a model with binning")
    sent = ray.put((type(network), _sendable(network)))
    task = ray.remote(_run_shard).options(max_retries=RETRIES, num_cpus=1)
    try:
        tasks = [
            task.remote(sent, recordings[first : first + shard], on, max(0, states - first), digests)
            for first in range(0, len(recordings), shard)
        ]
        parts = ray.get(tasks)
    except ray.exceptions.RayError as error:
        cause = getattr(error, "cause", None)
        if isinstance(cause, Exception):
            raise cause from None
        raise RunnerError(f"the cluster at {address} lost a shard {RETRIES + 1} times: {error}") from error
    whole = {"seconds": time.perf_counter() - started, "frames": None if paths else recordings}
    return join_traces(parts, **whole)


def _connect(address: str) -> Any:
    ray = require("ray", extra="cluster", use="running on a cluster needs")
    if not ray.is_initialized():
        try:
            # Ray's workers import from the folder in which it is started.
            with away_from_current_folder():
                ray.init(address=address, log_to_driver=False)
        except (ConnectionError, ValueError) as error:
            raise RunnerError(f"no Ray cluster at {address!r} ({error}); start one: ray start --head") from error
    return ray


def _sendable(network: Network | ModelFile) -> dict[str, Any]:
    """The fields of a network; its read-only mappings cannot be sent, dicts can."""
    values = {field.name: getattr(network, field.name) for field in fields(network)}
    return {name: dict(value) if isinstance(value, Mapping) else value for name, value in values.items()}


def _run_shard(network: tuple[type, dict[str, Any]], recordings: Any, on: str, states: int, digests: bool) -> Trace:
    """One worker's part."""
    kind, values = network
    built = kind(**values)
    if not hasattr(recordings, "shape"):
        assert built.binning is not None
        recordings = load_frames(list(recordings), built.binning)
    # Frames stay where they came from.
    return replace(run_here(built, recordings, on=on, states=states, digests=digests), frames=None)
