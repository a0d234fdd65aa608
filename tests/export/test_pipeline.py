"""The library does what the command does, prints nothing, and gives back what it wrote."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

import deploy
import export
from ckd.runs.folder import load_run
from deploy.formats.files import load_network
from export.cli import main
from tests.deploy.changed import same_traces


@pytest.mark.parametrize(("to", "name"), [("nir", "s.nir"), ("onnx", "s.onnx"), ("netx", "s.net")])
def test_the_library_writes_what_the_command_writes(
    to: str, name: str, tiny_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if to == "onnx":
        pytest.importorskip("onnx", reason="onnx is an extra")
    called, typed = tmp_path / "called", tmp_path / "typed"
    exported = export.export(export.Plan(run=str(tiny_run), to=to, out=str(called / name)))
    assert capsys.readouterr() == ("", "")
    assert main([str(tiny_run), "--to", to, "--out", str(typed / name), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert json.dumps(exported.as_dict()).replace(str(called), str(typed)) == json.dumps(said)
    assert sorted(file.name for file in exported.files) == sorted(file.name for file in typed.iterdir())
    for file in exported.files:
        if file.suffix == ".trace":
            assert same_traces(deploy.load_trace(file), deploy.load_trace(typed / file.name))
        else:
            assert file.read_bytes() == (typed / file.name).read_bytes()


def test_what_comes_back_is_what_the_files_hold(tiny_run: Path, tmp_path: Path) -> None:
    exported = export.export(export.Plan(run=tiny_run, out=tmp_path / "s.nir", chip="loihi1"))
    assert (exported.model, exported.trace) == exported.files == (tmp_path / "s.nir", tmp_path / "s.trace")
    network, trace = load_network(exported.model), deploy.load_trace(exported.trace)
    assert network.chip == exported.chip == "loihi1" and network.report == exported.parameters
    assert (trace.accuracy, trace.recordings) == (exported.accuracy, exported.recordings)


def test_without_a_name_the_files_lie_in_the_run_folder() -> None:
    assert [str(export.Plan(run="runs/demo", to=to).model) for to in ("nir", "onnx", "netx")] == [
        "runs/demo/student.nir",
        "runs/demo/student.onnx",
        "runs/demo/student_netx.net",
    ]


def test_a_long_stage_tells_its_title_its_size_and_how_far_it_is(tiny_run: Path, tmp_path: Path) -> None:
    told: list[tuple[str, int]] = []

    @contextmanager
    def stage(title: str, total: int) -> Iterator[Callable[[int], None]]:
        told.append((title, total))
        yield lambda done: told.append(("done", done))

    plan = export.Plan(run=tiny_run, out=tmp_path / "s.nir", finetune=3)
    export.export(plan, stage=stage)
    assert told == [("training on the grid", 3), ("done", 1), ("done", 2), ("done", 3)]


def test_scales_are_never_chosen_on_test_recordings(tiny_run: Path) -> None:
    run = load_run(tiny_run)
    frames = export.calibration(run)
    others = np.concatenate([run.recordings(part)[0][:] for part in ("validation", "train")])
    assert np.array_equal(frames, others[:: -(-len(others) // 64)])
    tested = {recording.tobytes() for recording in run.recordings("test")[0][:]}
    assert not tested & {recording.tobytes() for recording in frames}


@pytest.mark.parametrize(("option", "said"), [({"to": "tflite"}, "nir, onnx, netx"), ({"chip": "tpu"}, "loihi1")])
def test_an_unknown_name_is_refused_with_those_that_are_known(option: dict, said: str, tiny_run: Path) -> None:
    with pytest.raises(deploy.DeployError, match=said):
        export.export(export.Plan(run=tiny_run, **option))
