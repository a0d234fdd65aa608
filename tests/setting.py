"""What the commands of a page take for granted: files and folders of the names that they are typed with."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from shutil import copy, copytree

import numpy as np
import pytest

import deploy
from ckd.events import EVENT_DTYPE, Events
from deploy import zoo
from deploy.checking.certificate.certify import write_certificate
from deploy.formats.netx import write_netx
from deploy.formats.nir import write_nir
from deploy.formats.onnx import write_onnx
from deploy.network import Conv, Dense, Flatten, Input, Output
from deploy.passes.to_float import to_float
from tests.builders import BINNING, cells, chain, even, small_frames, small_network, write_model, write_own_data

ROOT = Path(__file__).resolve().parents[1]
DATA = Path(os.environ.get("CKD_DATA", ROOT.parent / "shared" / "data")).resolve()
OWN = ROOT / "examples" / "04_own_student_and_data"
PIXELS = 34
"""Of the frames of a module of one's own."""
MAKES_SHAPES = """

def make(data_root=None):
    return shapes()
"""


def prepare(folder: Path, commands: str, trained: Callable[[], Path]) -> None:
    """Put into the folder all that the commands name and do not make.

    Args:
        folder: where they will be typed.
        commands: what will be typed.
        trained: gives a run folder of the embedded digits.
    """
    for words, make in MAKERS.items():
        if re.search(words, commands, re.DOTALL):
            make(folder)
    for run in set(re.findall(r"(?<!--out )\b(?:runs/[\w-]+|RUN)\b", commands)):
        if f"--out {run}" not in commands and not (folder / run).exists():
            copytree(_own_run(folder) if run == "runs/own" else trained(), folder / run)


def need_nmnist() -> None:
    if not (DATA / "nmnist").is_dir():
        pytest.skip(f"no N-MNIST recordings in {DATA}")


def _examples(folder: Path) -> None:
    copytree(ROOT / "examples", folder / "examples")


def _nmnist(folder: Path) -> None:
    """N-MNIST and MNIST, under the names that stand for them."""
    need_nmnist()
    for name in ("DATA", "DIR"):
        (folder / name).symlink_to(DATA)
    (folder / "NMNIST").symlink_to(DATA / "nmnist" / "NMNIST")


def _recordings_of_nmnist(folder: Path) -> None:
    _nmnist(folder)
    (folder / "recordings").symlink_to(DATA / "nmnist" / "NMNIST" / "Train")


def _recordings_of_digits(folder: Path) -> None:
    """A recording of each class, which the run of the embedded digits can read."""
    for label in range(10):
        (folder / "RECORDINGS" / str(label)).mkdir(parents=True)
        np.save(folder / "RECORDINGS" / str(label) / "0.npy", _events(np.random.default_rng(label), 20, 20, 0))


def _model(folder: Path) -> None:
    """student.nir with its trace and certificate; the same spikes as if recorded elsewhere; its frames; its graph."""
    path = write_model(folder)
    network, trace = deploy.load(path), deploy.load_trace(path.with_suffix(".trace"))
    copy(path.with_suffix(".trace"), folder / "chip.trace")
    replace(trace, layers={name: trace.layers[name] for name in ("lif1", "lif2")}).save(
        folder / "recorded_on_chip.trace"
    )
    np.save(folder / "frames.npy", small_frames())
    assert isinstance(network, deploy.Network)
    write_onnx(network, folder / "student.onnx")
    copy(path.with_suffix(".trace"), folder / "student.onnx.trace")


def _model_of_nmnist(folder: Path) -> None:
    for suffix in (".nir", ".trace"):
        copy(zoo.FOLDER / f"nmnist{suffix}", folder / f"student{suffix}")


def _certificate(folder: Path) -> None:
    write_certificate(deploy.certify(folder / "student.nir"), folder / "student.certificate")


def _own_tests(folder: Path) -> None:
    """The tests of one's own that stand on the page about checking."""
    written = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "checking.md").read_text(), re.DOTALL)
    (tests,) = (block for block in written if "def test_" in block)
    (folder / "test_mine.py").write_text(tests)


def _exits(folder: Path) -> None:
    """student.nir keeps a margin, as `ckd-export --exit-loss` would write it."""
    write_nir(small_network().replace(exit_margin=20000), folder / "student.nir")


def _other_model(folder: Path) -> None:
    """A model like student.nir, one weight of it changed."""
    network = small_network()
    conv = network.nodes["conv2"]
    assert isinstance(conv, Conv)
    weight = conv.weight.copy()
    weight[0, 0, 1, 1] += 40
    for name in ("other.nir", "from_elsewhere.nir"):
        write_nir(network.replace(nodes={**network.nodes, "conv2": replace(conv, weight=weight)}), folder / name)


def _foreign_model(folder: Path) -> None:
    """A network of floats that says nothing of recordings."""
    write_nir(to_float(small_network()).replace(binning=None, classes=()), folder / "other.nir")


def _recordings(folder: Path) -> None:
    """Six recordings of each of student.nir's classes, as long as what it sees of them."""
    rng = np.random.default_rng(0)
    for number, label in enumerate(small_network().classes):
        for i in range(6):
            events = _events(rng, 10, 4 + 3 * number, i % 2)
            # Links lead to data that are not ours to write into.
            for place in (path for path in (folder / "recordings", folder / "DIR") if not path.is_symlink()):
                (place / label).mkdir(parents=True, exist_ok=True)
                np.save(place / label / f"{i}.npy", events)


def _events(rng: np.random.Generator, width: int, height: int, polarity: int) -> Events:
    events = np.zeros(250, EVENT_DTYPE)
    events["x"], events["y"] = rng.integers(0, width, 250), rng.integers(0, height, 250)
    events["t"], events["p"] = np.sort(rng.integers(0, BINNING.step_us * BINNING.steps, 250)), polarity
    return events


def _own_data(folder: Path) -> None:
    write_own_data(folder / "MINE")


def _own_code(folder: Path) -> None:
    """A student and a data set of one's own, under the names that pages give them, weights and frames."""
    package = folder / "my_package"
    package.mkdir()
    (folder / "DIR").mkdir(exist_ok=True)
    student, data = (OWN / "own_student.py").read_text(), (OWN / "own_data.py").read_text() + MAKES_SHAPES
    for path in (folder / "my_models.py", package / "models.py"):
        path.write_text(student)
    for path in (folder / "my_data.py", package / "data.py"):
        path.write_text(data)
    code = "import torch, my_models; torch.manual_seed(0); torch.save(my_models.make().state_dict(), 'w.pt')"
    subprocess.run([sys.executable, "-c", code], cwd=folder, check=True)
    # Counts at which every layer of the untrained student spikes.
    frames = 3 * (np.random.default_rng(0).random((6, 8, 2, PIXELS, PIXELS)) < 0.5).astype(np.uint8)
    for name in ("frames.npy", "in.npy"):
        np.save(folder / name, frames)


def _net(folder: Path) -> None:
    """A chain as lava-dl's files hold it, under the names that stand for one, and pictures for it."""
    rng = np.random.default_rng(0)
    network = chain(
        in_=Input(shape=(2, PIXELS, PIXELS)),
        conv=Conv(weight=even(rng, 4, 2, 5, 5), stride=(4, 4)),
        lif=cells(4, 8, 8),
        flatten=Flatten(),
        fc=Dense(weight=even(rng, 3, 256)),
        out=cells(3),
        output=Output(),
    )
    for name in ("pilotnet.net", "lava_dl.net"):
        write_netx(network, folder / name)
    np.save(folder / "pictures.npy", (rng.random((4, 6, 2, PIXELS, PIXELS)) < 0.2).astype(np.uint8))


def _own_run(folder: Path) -> Path:
    """A run of the student and the data set of one's own."""
    code = ["--student", "my_models:make", "--dataset", "my_data:make"]
    budget = ["--iterations", "6", "--batch", "8", "--evaluations", "2", "--teacher-iterations", "5", "--no-baseline"]
    command = [sys.executable, "-m", "ckd.train", *code, *budget, "--out", ".own"]
    subprocess.run(command, cwd=folder, check=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    return folder / ".own"


MAKERS = {
    r"examples/": _examples,
    r"^(?!.*--events recordings).*(?:NMNIST/|--preset nmnist|DATA )": _nmnist,
    r"evaluate \S+ --events recordings": _recordings_of_nmnist,
    r"evaluate \S+ --events RECORDINGS": _recordings_of_digits,
    r"(?<!/)student\.(?:nir|onnx|trace|certificate)(?!.*NMNIST)": _model,
    r"(?<!/)student\.nir.*NMNIST": _model_of_nmnist,
    r"--verify student": _certificate,
    r"test_mine\.py": _own_tests,
    r"(?<!/)student\.nir [^\n]*--exit model": _exits,
    r"(?:check|report|witness) student\.nir (?:other|from_elsewhere)": _other_model,
    r"(?:compile|run|ckd-export) other\.nir": _foreign_model,
    r"ckd-(?:deploy|export) [^\n]*--events (?:recordings|DIR)\b(?!.*RECORDINGS)": _recordings,
    r"MINE": _own_data,
    r"my_\w+": _own_code,
    r"pilotnet\.net|lava_dl\.net": _net,
}
"""What is made where the commands have such words."""
