"""ckd-export as a user types it: what it writes, that it can be checked, and one clear line for every mistake."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

import deploy
from ckd.runs.folder import load_run
from deploy.cli import main as deploy_main
from deploy.formats.files import load_network
from export.cli import main


def export_json(capsys: pytest.CaptureFixture[str], *args: object) -> dict:
    assert main([str(arg) for arg in (*args, "--json")]) == 0
    return json.loads(capsys.readouterr().out)


def test_the_exported_student_is_equal_to_its_trace_on_every_test_recording(
    tiny_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = tmp_path / "student.nir"
    result = export_json(capsys, "--to", "nir", tiny_run, "--out", model)
    frames, labels, names = load_run(tiny_run).recordings("test")
    frames = frames[:]
    trace = deploy.load_trace(Path(result["trace"]))
    assert trace.frames is not None and trace.labels is not None and trace.names == names
    assert np.array_equal(trace.frames, frames) and np.array_equal(trace.labels, labels)
    assert trace.accuracy == result["accuracy"] and sum(result["overflows"].values()) == 0
    verdict = deploy.compare(trace, deploy.run(deploy.load(model), frames, states=4, digests=True))
    assert verdict and verdict.spikes > 1000
    assert deploy_main(["check", str(model)]) == 0


def test_the_model_file_says_how_recordings_become_frames(
    tiny_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    export_json(capsys, tiny_run, "--out", tmp_path / "student.nir", "--chip", "loihi1")
    network, run = load_network(tmp_path / "student.nir"), load_run(tiny_run)
    assert (network.binning, network.classes, network.chip) == (run.binning, run.classes, "loihi1")


def test_every_parameter_is_reported(tiny_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = export_json(capsys, tiny_run, "--out", tmp_path / "student.nir")
    reported = {(change["node"], change["parameter"]) for change in result["parameters"]}
    assert {
        ("conv1", "weight"),
        ("lif1", "bias"),
        ("lif1", "keep"),
        ("lif2", "threshold"),
        ("readout", "bias"),
    } <= reported
    # Eight bits: no weight of a layer moves by more than half a step of 2 in 254, plus what saturates.
    assert all(change["relative_change"] < 0.05 for change in result["parameters"] if change["parameter"] == "weight")


def test_the_float_student_is_its_float_file(
    tiny_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = tmp_path / "student.nir"
    result = export_json(capsys, tiny_run, "--out", model, "--chip", "none")
    trace = deploy.load_trace(model.with_suffix(".trace"))
    assert trace.frames is not None
    found = deploy.run(deploy.load(model), trace.frames, on="float")
    assert result["accuracy"] == result["float_accuracy"]
    for layer in trace.spiking:
        spikes = trace.layers[layer].output
        # float32 rounding alone may decide a potential that lies on the threshold.
        assert spikes.any() and (spikes != found.layers[layer].output).mean() < 1e-4


@pytest.mark.parametrize(
    ("change", "said"), [("missing", "no such run"), ("version", "format 99"), ("weights", "missing")]
)
def test_a_run_that_cannot_be_read_gives_one_line_and_no_file(
    change: str, said: str, tiny_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    if change != "missing":
        shutil.copytree(tiny_run, run)
    if change == "version":
        values = yaml.safe_load((run / "config.yaml").read_text())
        (run / "config.yaml").write_text(yaml.safe_dump({**values, "format": 99}))
    if change == "weights":
        (run / "student.safetensors").unlink()
    assert main([str(run), "--out", str(tmp_path / "out" / "student.nir")]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("error: ") and captured.err.count("\n") == 1 and said in captured.err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("--weight-bits 0", "--weight-bits (=0)"),
        ("--weight-bits 1", "at least 2 bits"),
        ("--finetune -5", "--finetune (=-5)"),
        ("--chip none --finetune 5", "give --chip"),
        ("--chip none --to netx", "netx holds integers"),
        ("--device gpu", "--device gpu"),
        ("--device cuda", "--device cuda"),
        ("--out OUT/a.trace", "ends in .nir"),
        ("--out OUT/m-0.5", "ends in .nir"),
        ("--to onnx --out OUT/a.nir", "ends in .onnx"),
        ("--to onnx --out OUT/teacher.onnx", "teacher is written"),
        ("--out OUT/folder.nir", "is a folder"),
        ("--out OUT/file.txt/a.nir", "lies below a file"),
    ],
)
def test_what_cannot_work_is_refused_in_one_line(
    options: str, said: str, tiny_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if "cuda" in options and torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    (tmp_path / "folder.nir").mkdir()
    (tmp_path / "file.txt").touch()
    before = sorted(tmp_path.rglob("*"))
    arguments = options.replace("OUT", str(tmp_path)).split()
    out = [] if "--out" in options else ["--out", str(tmp_path / "new.nir")]
    if "netx" in options:
        out = ["--out", str(tmp_path / "new.net")]
    assert main([str(tiny_run), *arguments, *out]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1 and said in error
    assert sorted(tmp_path.rglob("*")) == before


def test_a_float_onnx_export_leaves_the_trace_of_another_alone(
    tiny_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("onnx", reason="onnx is an extra")
    export_json(capsys, tiny_run, "--out", tmp_path / "s.nir")
    before = (tmp_path / "s.trace").read_bytes()
    result = export_json(capsys, tiny_run, "--to", "onnx", "--chip", "none", "--out", tmp_path / "s.onnx")
    assert result["model"] == str(tmp_path / "s_float.onnx") and (tmp_path / "s.trace").read_bytes() == before


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_training_on_the_grid_is_exact_in_any_precision_and_reported(
    precision: str, tiny_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    shutil.copytree(tiny_run, run)
    values = yaml.safe_load((run / "config.yaml").read_text())
    # Whatever the machine that trained it: this one has no GPU.
    values["machine"] |= {"precision": precision, "accelerator": "cuda"}
    (run / "config.yaml").write_text(yaml.safe_dump(values))
    plain = export_json(capsys, run, "--weight-bits", "3", "--out", tmp_path / "plain.nir")
    tuned = export_json(capsys, run, "--weight-bits", "3", "--finetune", "4", "--out", tmp_path / "tuned.nir")

    def weights(result: dict) -> list[dict]:
        return [change for change in result["parameters"] if change["parameter"] == "weight"]

    assert [change["node"] for change in weights(tuned)] == [change["node"] for change in weights(plain)]
    assert weights(tuned) != weights(plain) and all("trained" in change["note"] for change in weights(tuned))
    # What the report says became of the weight that changed most is what the file holds.
    network = deploy.load(tmp_path / "tuned.nir")
    trace = deploy.run(network, deploy.load_trace(tmp_path / "tuned.trace").frames)  # pyright: ignore
    assert deploy.compare(deploy.load_trace(tmp_path / "tuned.trace"), trace).differing == 0
