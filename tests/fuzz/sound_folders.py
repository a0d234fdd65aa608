"""Sound folders, and what lies in them: a run, a data set, the output of a worker."""

import gzip
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from tests.builders import small_frames, small_network
from tests.fuzz.sound_recordings import RECORDINGS

CLASSES = ["one", "two", "three"]


def write_run(path: Path) -> None:
    """A finished run as training leaves it, of fresh weights."""
    import torch

    from ckd.config import Config
    from ckd.config.schema import Data, StudentConfig
    from ckd.data.split import Split
    from ckd.models.build import build_student
    from ckd.models.teacher import build_teacher
    from ckd.models.weights import write_weights
    from ckd.runs.folder import create_run, write_summary
    from ckd.training.checkpoint import Checkpoint, write_checkpoint
    from ckd.training.engine import Progress

    config = Config(data=Data(size=26, time_steps=4, sensor=(52, 52)), student=StudentConfig(widths="4-AP-8-AP"))
    create_run(path, config, Split(train=("one/1.bin",), validation=("one/2.bin",), test=("one/3.bin",)))
    torch.manual_seed(0)
    student = build_student(config, classes=3).network
    write_weights(path / "student.safetensors", student.state_dict())
    write_weights(path / "teacher.safetensors", build_teacher("vgg", channels=1, classes=3, size=26).state_dict())
    optimizer = torch.optim.AdamW(student.parameters()).state_dict()
    progress = Progress(iteration=3, model=student.state_dict(), optimizer=optimizer)
    write_checkpoint(path, Checkpoint(stage="student", progress=progress, seconds=2.5))
    records = [{"stage": "student", "iteration": i, "loss": 1.0 / (i + 1), "P": 0.5, "W": 1.0} for i in range(4)]
    (path / "metrics.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    write_summary(path, {"classes": CLASSES, "seed": 0, "test_accuracy": 0.5, "baseline_test_accuracy": 0.25})


def write_preset(path: Path) -> None:
    """All that a configuration says."""
    import yaml

    from ckd.config import Config, config_to_dict

    path.write_text(yaml.safe_dump(config_to_dict(Config()), sort_keys=False))


def write_data(path: Path) -> None:
    """Recordings and stills of two classes."""
    from PIL import Image

    for i, label in enumerate(("one", "two")):
        (path / "recordings" / label).mkdir(parents=True)
        (path / "images" / label).mkdir(parents=True)
        _, write = RECORDINGS["nmnist"]
        write(path / "recordings" / label / "a.bin")
        pixels = np.random.default_rng(i).integers(0, 256, (20, 24, 3)).astype(np.uint8)
        for ending in (".png", ".jpg", ".bmp", ".webp"):
            Image.fromarray(pixels).save(path / "images" / label / f"a{ending}")


def write_mnist(path: Path) -> None:
    """MNIST's files, of three images, and a recording of N-MNIST."""
    (path / "mnist").mkdir(parents=True)
    (path / "nmnist" / "NMNIST" / "Train" / "3").mkdir(parents=True)
    RECORDINGS["nmnist"][1](path / "nmnist" / "NMNIST" / "Train" / "3" / "00001.bin")
    for name, magic, array in (
        ("train-images-idx3-ubyte.gz", 2051, np.arange(3 * 28 * 28).reshape(3, 28, 28) % 256),
        ("train-labels-idx1-ubyte.gz", 2049, np.array([3, 1, 2])),
    ):
        head = magic.to_bytes(4, "big") + b"".join(n.to_bytes(4, "big") for n in array.shape)
        (path / "mnist" / name).write_bytes(gzip.compress(head + array.astype(np.uint8).tobytes(), mtime=0))


@cache
def worker_plan() -> tuple[Any, Any, dict[str, Any]]:
    """The network, the frames and the plan of `write_worker_output`."""
    from deploy.runners.lava.fixed import prepare

    network, frames = small_network(), small_frames()[:2]
    with TemporaryDirectory() as folder:
        return network, frames, prepare(network, frames, Path(folder), states=2)


def write_worker_output(path: Path) -> None:
    """What the worker of Lava leaves behind: arrays of every layer, and last of all that it is done."""
    from deploy.runners import integer

    network, frames, plan = worker_plan()
    trace = integer.run(network, frames, states=2, digests=False)
    path.mkdir()
    for i, (name, spec) in enumerate(zip(network.neurons, plan["populations"], strict=True)):
        for kind, dtype in (("spikes", np.bool_), ("u", np.int32), ("v", np.int32)):
            values = trace.layers[name].get(kind)
            if values is not None and (kind == "spikes" or spec["keep"][kind]):
                maps = np.moveaxis(values, 2, -1) if values.ndim == 5 else values
                np.save(path / f"{kind}{i}.npy", maps.astype(dtype))
        np.save(path / f"overflows{i}.npy", np.zeros(1, np.int64))
    (path / "done.json").write_text(json.dumps({"build_seconds": 1.0, "run_seconds": 2.0, "processes": 9}))


def write_onnx(path: Path) -> None:
    import deploy

    deploy.save(small_network(), path)


def write_float_onnx(path: Path) -> None:
    import deploy
    from deploy.passes.to_float import to_float

    deploy.save(to_float(small_network()), path)


FOLDERS: dict[str, tuple[str, Callable[[Path], None]]] = {
    "run": ("", write_run),
    "folders": ("", write_data),
    "mnist": ("", write_mnist),
    "worker": ("", write_worker_output),
}
PRESETS: dict[str, tuple[str, Callable[[Path], None]]] = {"preset": (".yaml", write_preset)}
ONNX: dict[str, tuple[str, Callable[[Path], None]]] = {
    "onnx": (".onnx", write_onnx),
    "float onnx": (".onnx", write_float_onnx),
}
