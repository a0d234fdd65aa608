"""What is done with a file or folder of each kind, as a user's commands would do it."""

from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

DT = 1e-4


def load_model(path: Path) -> None:
    import deploy
    from deploy.formats.model_file import ModelFile
    from deploy.runners import onnx

    said: dict[str, Any] = {"dt": DT} if path.suffix == ".nir" else {}
    try:
        model = deploy.load(path, **said)
    except deploy.DeployError as error:
        if "leave it out" not in str(error):
            raise
        model = deploy.load(path)
    if isinstance(model, ModelFile):
        onnx.run(model, np.ones((2, 3, *model.input_shape), np.uint8), states=1, digests=True)
        return
    assert isinstance(model, deploy.Network) and model.shapes


def load_trace(path: Path) -> None:
    from deploy.traces.layers import KINDS
    from deploy.traces.trace import load_trace

    trace = load_trace(path)
    assert isinstance(trace.steps, int) and isinstance(trace.accuracy, float | None)
    for name, layer in trace.layers.items():
        trace.output(name)
        for kind in KINDS:
            assert layer.get(kind) is None or np.asarray(layer.get(kind)).ndim


def load_recording(path: Path) -> None:
    from ckd.errors import RecordingError
    from ckd.events import Binning, read_recording, stream_events, stream_frames, to_frames

    binning = Binning(step_us=1000, steps=8, height=64, width=64, sensor=(1 << 15, 1 << 15))
    found = read_recording(path)
    frames = to_frames(found, binning, name=str(path))
    assert frames.shape == (8, 2, 64, 64)
    try:
        for part in stream_events(path):
            assert len(part)
    except RecordingError as error:
        if "time goes back" not in str(error) and "a stream takes" not in str(error):
            raise
        return
    for block in islice(stream_frames(path, binning, block=1000), 20):
        assert block.dtype == np.uint8


def load_frames(path: Path) -> None:
    from deploy.commands.recordings import from_frames

    assert from_frames(path).frames.dtype == np.uint8


def load_preset(path: Path) -> None:
    from ckd.config import config_from_dict, config_to_dict, load_preset

    config = load_preset(str(path))
    assert config_from_dict(config_to_dict(config), source="itself") == config


def load_run(path: Path) -> None:
    """As the commands evaluate, export with its teacher, compare, and train --resume do."""
    from ckd.errors import CkdError
    from ckd.runs.folder import load_run, read_summary
    from ckd.runs.metrics import read_metrics
    from ckd.training.checkpoint import read_checkpoint
    from export.teacher import read_teacher

    refused: list[CkdError] = []
    try:
        read_teacher(load_run(path))
    except CkdError as error:
        refused.append(error)
    for read in (read_summary, read_checkpoint, read_metrics):
        try:
            read(path)
        except CkdError as error:
            refused.append(error)
    if refused:
        raise refused[0]


def load_folders(path: Path) -> None:
    """Stills and recordings in folders of classes."""
    from ckd.config.schema import Data
    from ckd.data.folders import Folders

    source = Folders(Data(dataset="folder", data_root=str(path), size=64))
    assert source.stills().images.shape[1:] == (3, 64, 64)
    assert len(source.frames(np.arange(len(source.names)))) == len(source.names)


def load_mnist(path: Path) -> None:
    from ckd.config.schema import Data
    from ckd.data.nmnist import NMNIST

    assert NMNIST(Data(dataset="nmnist", data_root=str(path))).stills().images.ndim == 4


def load_worker_output(path: Path) -> None:
    """The folder that the worker of Lava leaves behind."""
    from deploy.runners.lava.fixed import read_output
    from tests.fuzz.sound_folders import worker_plan

    network, frames, plan = worker_plan()
    trace = read_output(network, frames, path, plan, seconds=1.0)
    assert trace.steps and all(layer.output.ndim >= 3 for layer in trace.layers.values())


LOADS: dict[str, Callable[[Path], None]] = {
    "model": load_model,
    "trace": load_trace,
    "recording": load_recording,
    "frames": load_frames,
    "preset": load_preset,
    "run": load_run,
    "folders": load_folders,
    "mnist": load_mnist,
    "worker": load_worker_output,
}
