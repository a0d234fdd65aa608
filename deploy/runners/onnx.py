"""Runs one-step ONNX graphs (`deploy.formats.onnx`) in onnxruntime, feeding the states back step by step."""

import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from deploy.errors import FramesError, RunnerError, shown
from deploy.extras import require_onnx
from deploy.formats.model_file import ModelFile
from deploy.formats.onnx.graph import NEXT
from deploy.formats.onnx.guard import judged
from deploy.network import Array, Network
from deploy.network.frames import MAX_COUNT, require_frames
from deploy.traces.checksum import digest
from deploy.traces.layers import record_layers
from deploy.traces.prediction import predict
from deploy.traces.trace import Trace, join_traces, software_versions

SPIKES = ".spikes"


def run(model: Network | ModelFile, frames: Array, *, states: int = 0, digests: bool = False, batch: int = 64) -> Trace:
    """Run a model over recordings.

    Args:
        model: an .onnx file of ours, or a network, which is written as ONNX in memory.
        frames: (R, T, *input_shape) counts from 0 to 255.
        states: for how many of the recordings u and v are kept whole.
        digests: whether a checksum of both is kept for every step of all recordings; floats have none.
        batch: recordings run together.

    Raises:
        RunnerError: the extra onnx is not installed.
        FramesError: frames that the model does not take, or with larger counts than it is made for.
        UnsupportedError, GridError: a network that cannot be written as ONNX.
    """
    started = time.perf_counter()
    require_frames(frames, model.input_shape)
    most = MAX_COUNT if model.binning is None else model.binning.max_count
    if frames.max(initial=0) > most:
        raise FramesError(f"frames hold counts up to {frames.max()}, the model's binning says at most {most}")
    try:
        source = _source(model, frames)
        session, output = _session(source), _output_layer(source)
        parts = [
            _run_batch(session, output, frames[i : i + batch], max(0, states - i), digests and model.on_grid)
            for i in range(0, len(frames), batch)
        ]
    except RunnerError as error:
        raise RunnerError(f"{model.path}: {error}" if isinstance(model, ModelFile) else str(error)) from error
    return join_traces(
        parts,
        frames=frames,
        classes=model.classes,
        binning=model.binning,
        runner="onnx",
        device="cpu",
        seconds=time.perf_counter() - started,
        versions=software_versions("numpy", "onnx", "onnxruntime"),
    )


def _source(model: Network | ModelFile, frames: Array) -> Any:
    """The ModelProto."""
    if isinstance(model, ModelFile):
        return judged(model.path)  # again: the file may be another one by now
    from deploy.formats.onnx import to_onnx

    largest = max(1, int(frames.max(initial=0))) if model.on_grid else None
    return to_onnx(model, max_count=largest)


def _output_layer(source: Any) -> str:
    return next(entry.value for entry in source.metadata_props if entry.key == "output_layer")


def _session(source: Any) -> Any:
    runtime = require_onnx("onnxruntime")
    options = runtime.SessionOptions()
    options.log_severity_level = 4  # what goes wrong is raised here; its own lines would stand beside ours
    try:
        return runtime.InferenceSession(source.SerializeToString(), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises many kinds
        raise RunnerError(f"onnxruntime cannot load the model ({str(error).strip().splitlines()[0]})") from error


def _run_batch(session: Any, output: str, frames: Array, keep: int, digests: bool) -> Trace:
    kept: dict[str, dict[str, list[Array]]] = {kind: {} for kind in ("spikes", "u", "v", "u_digest", "v_digest")}
    last: dict[str, Array] = {}
    for last in _steps(session, frames):
        for layer in _layers(last):
            if layer + SPIKES in last:
                kept["spikes"].setdefault(layer, []).append(last[layer + SPIKES].astype(bool))
            for kind in ("u", "v"):
                state = _as_kept(last[f"{layer}.{kind}{NEXT}"])
                readout = kind == "v" and layer + SPIKES not in last
                if keep or readout:
                    kept[kind].setdefault(layer, []).append(state if readout else state[:keep])
                if digests:
                    kept[f"{kind}_digest"].setdefault(layer, []).append(digest(state[:, None])[:, 0])
    joined = {
        kind: {layer: np.stack(steps, axis=1) for layer, steps in layers.items()} for kind, layers in kept.items()
    }
    layers = record_layers(dict.fromkeys(_layers(last), 0), joined)
    return Trace(layers=layers, predictions=predict(layers[output], frames.shape[1]))


def _steps(session: Any, frames: Array) -> Iterator[dict[str, Array]]:
    """The outputs of every step, by name."""
    inputs = {value.name: value for value in session.get_inputs()}
    names = [value.name for value in session.get_outputs()]
    feeds = {
        name: np.zeros((len(frames), *value.shape[1:]), _TYPES[value.type])
        for name, value in inputs.items()
        if name != "frame"
    }
    frame_type = _TYPES[inputs["frame"].type]
    for t in range(frames.shape[1]):
        frame = np.ascontiguousarray(frames[:, t], frame_type)
        try:
            outputs = dict(zip(names, session.run(names, {"frame": frame, **feeds}), strict=True))
        except Exception as error:  # onnxruntime raises many kinds
            raise RunnerError(f"onnxruntime cannot run the model ({shown(str(error))})") from error
        feeds = {name: outputs[name + NEXT] for name in feeds}
        yield outputs


def _layers(outputs: dict[str, Array]) -> list[str]:
    end = f".v{NEXT}"
    return [name.removesuffix(end) for name in outputs if name.endswith(end)]


def _as_kept(state: Array) -> Array:
    """Integers as a trace keeps them: 24 bits of a state fit int32."""
    return state.astype(np.int32) if state.dtype == np.int64 else state


_TYPES = {
    "tensor(uint8)": np.uint8,
    "tensor(int64)": np.int64,
    "tensor(float)": np.float32,
}
