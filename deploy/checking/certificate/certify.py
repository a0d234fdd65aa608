"""Make a certificate, and make it again to verify one."""

import hashlib
import json
from pathlib import Path
from typing import Any

from ckd.files import fill, sha256_of, write_then_rename
from deploy.checking.certificate.metrics import metrics
from deploy.checking.certificate.ranges import U_MAX, U_MIN, Registers, ranges
from deploy.checking.check import Checked, check
from deploy.errors import DeployError, TraceError, UnsupportedError
from deploy.formats.files import load_network
from deploy.grid import V_MAX
from deploy.network import Network
from deploy.runners.table import find_runner
from deploy.traces.trace import Trace

VERSION = 1
LARGEST_COUNT = 255
"""That frames can hold, where the model does not say it."""


def certify(model: Path | str, *, on: str = "integer", recordings: int | None = None) -> dict[str, Any]:
    """Check a model against the trace beside it, and say all that a certificate holds; nothing is written.

    Args:
        model: a model file on the grid, with its trace beside it.
        on: the simulator that runs it.
        recordings: how many of them, the first ones; None: all.

    Returns:
        plain values, for JSON: "files", "compared", "verdict", "metrics", "ranges" and "made_with". All but the last
        come out the same wherever they are worked out.

    Raises:
        UnsupportedError: a model of floats, whose numbers are not the same everywhere.
        DeployError: what `check` raises; the trace holds no frames.
    """
    model = Path(model)
    trace = model.with_suffix(".trace")
    if find_runner(on).gives == "floats":
        raise UnsupportedError(f"{on} gives floats, and a certificate is about integers; certify it --on integer")
    before = [file_digest(path) for path in (model, trace)]
    network = load_network(model)
    if not network.on_grid:
        raise UnsupportedError(
            f"{model}: holds floats, whose last bits are not the same on every machine; a certificate is about the "
            "integers of a chip: ckd-export --chip loihi2, or ckd-deploy compile"
        )
    checked = check(model, on=on, recordings=recordings, why=False)
    if checked.expected.frames is None:
        raise TraceError(f"{trace}: holds no frames, so its run cannot be made again; record it again")
    whole = _whole(checked)
    certificate = {
        "ckd_certificate": VERSION,
        "files": {"model": before[0], "trace": before[1]},
        "compared": _compared(checked, on),
        "verdict": _verdict(checked),
        "metrics": metrics(network, whole).as_dict(),
        "ranges": _ranges(network, whole),
        "made_with": dict(checked.found.versions),
    }
    if before != [file_digest(path) for path in (model, trace)]:
        raise DeployError(f"{model}: was written anew while it was checked; certify it again")
    return certificate


def write_certificate(certificate: dict[str, Any], path: Path) -> None:
    """Write it, with a digest of itself; a crash leaves no half-written file behind."""
    with write_then_rename(path) as temporary:
        fill(temporary, as_bytes(certificate))


def as_bytes(certificate: dict[str, Any]) -> bytes:
    """The only bytes that hold these values: their JSON, then the SHA-256 of that."""
    body = _json(certificate)
    return _json(certificate | {"sha256": hashlib.sha256(body).hexdigest()})


def _json(values: dict[str, Any]) -> bytes:
    return (json.dumps(values, indent=1, ensure_ascii=True) + "\n").encode()


def file_digest(path: Path) -> dict[str, Any]:
    """Name, bytes and SHA-256 of a file; DeployError where there is none."""
    try:
        digest = sha256_of(path)
    except FileNotFoundError:
        raise DeployError(f"{path}: no such file; a certificate needs a model and the .trace beside it") from None
    return {"name": path.name, "bytes": path.stat().st_size, "sha256": digest}


def _whole(checked: Checked) -> Trace:
    """What was compared of the run, in layer-synchronous order."""
    found = checked.found.take(range(checked.verdict.recordings))
    layers = {name: layer.synchronous(found.steps) for name, layer in found.layers.items()}
    frames = checked.expected.frames
    assert frames is not None
    return Trace(layers=layers, predictions=found.predictions, frames=frames[: checked.verdict.recordings])


def _compared(checked: Checked, on: str) -> dict[str, Any]:
    expected, verdict = checked.expected, checked.verdict
    return {
        "reference": {"runner": expected.runner, "device": expected.device, "versions": dict(expected.versions)},
        "on": on,
        "recordings": verdict.recordings,
        "of": expected.recordings,
        "steps": verdict.steps,
        "neuron_steps": verdict.neuron_steps,
        "spikes": verdict.spikes,
        "layers": [
            {
                "layer": layer.layer,
                "neuron_steps": layer.neuron_steps,
                "spikes": layer.expected_spikes,
                "steps_of_u_and_v": layer.states,
            }
            for layer in verdict.layers
        ],
    }


def _verdict(checked: Checked) -> dict[str, Any]:
    verdict = checked.verdict
    return {
        "word": verdict.word,
        "sentence": verdict.sentence,
        "differing": verdict.differing,
        "predictions_differing": verdict.predictions_differing,
        "accuracy": checked.expected.accuracy_over(verdict.recordings),
        "accuracy_running": checked.found.accuracy_over(verdict.recordings),
        "overflows": dict(checked.found.overflows),
    }


def _ranges(network: Network, trace: Trace) -> dict[str, Any]:
    """What holds for all frames of the counts that the model's binning gives, or the trace holds."""
    assert trace.frames is not None
    largest = LARGEST_COUNT if network.binning is None else max(network.binning.max_count, int(trace.frames.max()))
    return {
        "frames_hold": [0, largest],
        "u_of_24_bits": [U_MIN, U_MAX],
        "v_of_24_bits": [-V_MAX, V_MAX],
        "proven_for_all_inputs": [
            {"steps": limit or "any number", "layers": [_layer(found) for found in ranges(network, largest, limit)]}
            for limit in (trace.steps, None)
        ],
    }


def _layer(found: Registers) -> dict[str, Any]:
    none = "no bound found"
    return {
        "layer": found.layer,
        "sums": list(found.sums),
        "u": none if found.u is None else list(found.u),
        "v": none if found.v is None else list(found.v),
        "overflow": "impossible" if found.never_overflows else "cannot be excluded",
    }
