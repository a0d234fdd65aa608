"""ckd-export --to onnx: teacher, float student and integer student, each held against what it was made from."""

import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import deploy
from ckd.config import load_preset
from ckd.data.sources import open_source
from ckd.data.split import make_split
from ckd.models.student import Student, build_vgg
from ckd.runs.folder import load_run
from deploy.cli import main as deploy_main
from deploy.formats.files import load
from deploy.formats.model_file import ModelFile
from deploy.network import Array
from deploy.runners import integer
from export.cli import main
from export.fold import student_to_network
from export.recording import record_float, record_quantized
from export.teacher import OPSET
from tests.export.conftest import BINNING, CLASSES, unsettle

onnx = pytest.importorskip("onnx", reason="needs the extra onnx")
pytest.importorskip("onnxruntime", reason="needs the extra onnx")

ROOT = Path(os.environ.get("CKD_DATA", Path(__file__).parents[3] / "shared" / "data"))


@pytest.fixture(scope="module")
def exported(tiny_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("onnx")
    assert main(["--to", "onnx", str(tiny_run), "--out", str(folder / "student.onnx"), "--json"]) == 0
    return folder


def test_every_file_is_checked_and_says_its_opset(exported: Path) -> None:
    opsets = {}
    for name in ("teacher", "student_float", "student"):
        onnx.checker.check_model(str(exported / f"{name}.onnx"), full_check=True)
        opsets[name] = next(e.version for e in onnx.load(exported / f"{name}.onnx").opset_import if not e.domain)
    assert opsets == {"teacher": OPSET, "student_float": 21, "student": 21}


def test_the_integer_student_is_equal_to_its_trace_on_every_test_recording(exported: Path, tiny_run: Path) -> None:
    trace = deploy.load_trace(exported / "student.trace")
    assert trace.frames is not None and trace.recordings == len(load_run(tiny_run).recordings("test")[0])
    model = load(exported / "student.onnx")
    assert isinstance(model, ModelFile) and model.on_grid and model.classes == load_run(tiny_run).classes
    verdict = deploy.compare(trace, deploy.run(model, trace.frames, on="onnx", states=8, digests=True))
    assert verdict and verdict.spikes > 1000
    assert all(layer.states == trace.recordings * trace.steps for layer in verdict.layers)


@pytest.mark.parametrize("name", ["student.onnx", "student_float.onnx", "student_float.nir"])
def test_the_files_are_checked_from_the_command_line(
    name: str, exported: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert deploy_main(["check", str(exported / name), "--on", "onnx"]) == 0
    assert "EQUAL" in capsys.readouterr().out
    assert deploy_main(["run", str(exported / name), "--on", "onnx", "--json"]) == 0


def test_a_changed_weight_in_the_file_is_found(
    exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = onnx.load(exported / "student.onnx")
    weight = next(tensor for tensor in model.graph.initializer if tensor.name == "conv1.weight")
    values = onnx.numpy_helper.to_array(weight).copy()
    values[0] = 255 - values[0]
    weight.CopyFrom(onnx.numpy_helper.from_array(values, weight.name))
    onnx.save(model, tmp_path / "student.onnx")
    trace = str(exported / "student.trace")
    assert deploy_main(["check", str(tmp_path / "student.onnx"), "--on", "onnx", "--trace", trace]) == 1
    assert "DIFFERENT" in capsys.readouterr().out


def test_without_a_teacher_or_a_grid_the_rest_is_written(tiny_run: Path, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(tiny_run, tmp_path / "run")
    (tmp_path / "run" / "teacher.safetensors").unlink()
    out = tmp_path / "out" / "student.onnx"
    assert main(["--to", "onnx", str(tmp_path / "run"), "--chip", "none", "--out", str(out), "--json"]) == 0
    names = sorted(path.name for path in out.parent.iterdir())
    assert names == ["student_float.nir", "student_float.onnx", "student_float.trace"]


@pytest.mark.parametrize("kind", ["student", "resnet"])
def test_vgg_and_resnet_are_equal_in_every_spike_and_state(
    kind: str, frames: Array, request: pytest.FixtureRequest
) -> None:
    student: Student = request.getfixturevalue(kind)
    network = deploy.quantize(student_to_network(student, binning=BINNING, classes=CLASSES), frames, method="max")
    verdict = deploy.compare(
        record_quantized(network, frames), deploy.run(network, frames, on="onnx", states=len(frames), digests=True)
    )
    assert verdict, verdict.first
    assert all(layer.states == len(frames) * BINNING.steps for layer in verdict.layers)


def test_the_float_student_spikes_as_in_pytorch(student: Student, frames: Array) -> None:
    network = student_to_network(student, binning=BINNING, classes=CLASSES)
    expected, found = record_float(student, network, frames), deploy.run(network, frames, on="onnx")
    for layer in expected.spiking:
        spikes = expected.layers[layer].output
        # float32 rounding alone may decide a potential that lies on the threshold.
        assert spikes.any() and (spikes != found.layers[layer].output).mean() < 1e-4


@pytest.mark.long
@pytest.mark.skipif(not (ROOT / "nmnist").is_dir(), reason=f"no N-MNIST recordings in {ROOT}")
def test_all_test_recordings_of_nmnist_are_equal_to_the_integer_simulator() -> None:
    config = load_preset("nmnist")
    source = open_source(replace(config.data, data_root=str(ROOT)))
    rows = make_split(source, config.data, seed=0).rows("test", source)
    frames = source.frames(rows)[:]
    assert len(frames) == 300
    torch.manual_seed(0)
    student = build_vgg(
        config.student.widths, input_shape=frames.shape[2:], classes=10, first_padding=config.student.first_padding
    )
    floating = student_to_network(unsettle(student, 1), binning=source.binning, classes=tuple("0123456789"))
    network = deploy.quantize(floating, frames[:16], method="max")
    expected = integer.run(network, frames, states=1, digests=True)
    verdict = deploy.compare(expected, deploy.run(network, frames, on="onnx", states=1, digests=True))
    assert verdict, verdict.first
    assert verdict.recordings == 300 and all(layer.states == 300 * verdict.steps for layer in verdict.layers)
