"""ckd-deploy as a user types it: what it prints, what it returns, and one clear line for every mistake."""

import json
from dataclasses import replace
from pathlib import Path

import h5py
import nir
import numpy as np
import pytest

from ckd.events import EVENT_DTYPE, write_recording
from deploy.checking.divergence.models import difference
from deploy.cli import main
from deploy.formats.files import load_network, save
from deploy.formats.nir import write_nir
from deploy.network import Array, Conv, Network
from deploy.traces.layers import LayerRecord
from deploy.traces.trace import load_trace
from tests.builders import BINNING
from tests.deploy.changed import changed


@pytest.fixture
def recordings(tmp_path: Path, small_frames: Array) -> Path:
    """The small frames as recordings on disk, one folder per class."""
    folder = tmp_path / "recordings"
    for number, frames in enumerate(small_frames):
        t, p, y, x = np.nonzero(frames)
        events = np.empty(len(t), EVENT_DTYPE)
        events["t"], events["p"], events["y"], events["x"] = t * BINNING.step_us, p, y, x
        write_recording(folder / ("circle", "square", "star")[number % 3] / f"{number}.bin", events)
    return folder


def run_json(capsys: pytest.CaptureFixture[str], *args: object) -> tuple[int, dict]:
    code = main([str(arg) for arg in args])
    return code, json.loads(capsys.readouterr().out)


def refused(capsys: pytest.CaptureFixture[str], *args: object) -> str:
    """The command cannot run: exit code 2, one line on stderr, nothing on stdout."""
    assert main([str(arg) for arg in args]) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.startswith("error: ") and captured.err.count("\n") == 1
    return captured.err


def test_an_unchanged_model_is_equal_to_its_trace(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, verdict = run_json(capsys, "check", model, "--json")
    assert code == 0 and verdict["equal"] and verdict["differing"] == 0
    assert verdict["recordings"] == 9 and verdict["spikes"] > 1000
    assert all(layer["states"] == 9 * BINNING.steps for layer in verdict["layers"])


def test_one_changed_weight_is_found_at_its_layer(
    model: Path, small_network: Network, capsys: pytest.CaptureFixture[str]
) -> None:
    conv = small_network.nodes["conv2"]
    assert isinstance(conv, Conv)
    weight = conv.weight.copy()
    weight[2, 1, 1, 1] += 2
    write_nir(small_network.replace(nodes={**small_network.nodes, "conv2": replace(conv, weight=weight)}), model)
    code, verdict = run_json(capsys, "check", model, "--json")
    assert code == 1 and not verdict["equal"]
    assert verdict["first"]["layer"] == "lif2" and verdict["first"]["neuron"][0] == 2
    assert main(["check", str(model)]) == 1
    assert "lif2" in capsys.readouterr().out


def test_recordings_on_disk_give_the_frames_they_were_made_from(
    model: Path, recordings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trace = tmp_path / "run.trace"
    code, figures = run_json(capsys, "run", model, "--events", recordings, "--trace", trace, "--json")
    expected, found = load_trace(model.with_suffix(".trace")), load_trace(trace)
    assert code == 0 and figures["recordings"] == 9
    order = [expected.names.index(Path(name).stem) for name in found.names]
    assert np.array_equal(found.predictions, expected.predictions[order])
    assert figures["accuracy"] == pytest.approx(float(np.mean(expected.predictions == np.arange(9) % 3)))
    assert [layer["name"] for layer in figures["layers"]] == ["lif1", "lif2"]


def test_frames_may_come_from_a_file(
    model: Path, small_frames: Array, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.save(tmp_path / "frames.npy", small_frames[:4])
    code, figures = run_json(capsys, "run", model, "--frames", tmp_path / "frames.npy", "--json")
    assert code == 0 and figures["recordings"] == 4 and figures["accuracy"] is None


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, np.bool_])
def test_frames_of_any_type_are_counts_if_they_are_whole(
    dtype: type, model: Path, small_frames: Array, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, frames in (("as.npy", small_frames.astype(dtype)), ("are.npy", small_frames)):
        np.save(tmp_path / name, frames)
        assert main(["run", str(model), "--frames", str(tmp_path / name), "--trace", str(tmp_path / "x.trace")]) == 0
        assert f"9 recordings of {BINNING.steps} steps" in " ".join(capsys.readouterr().out.split())
        spikes = load_trace(tmp_path / "x.trace").layers["lif1"].output
        assert spikes.any() and (spikes == load_trace(model.with_suffix(".trace")).layers["lif1"].output).all()


def test_a_limit_takes_recordings_of_every_class(
    model: Path, recordings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trace = tmp_path / "run.trace"
    run_json(capsys, "run", model, "--events", recordings, "--recordings", 3, "--trace", trace, "--json")
    assert {Path(name).parent.name for name in load_trace(trace).names} == {"circle", "square", "star"}


def test_numbers_and_files_that_cannot_be_meant_are_refused(
    model: Path, recordings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for command in ("run", "check", "report"):
        assert "--recordings (=0)" in refused(capsys, command, model, "--recordings", "0")
    assert "--steps (=0)" in refused(capsys, "run", model, "--events", recordings, "--steps", "0")
    before = model.read_bytes()
    assert "would replace" in refused(capsys, "run", model, "--trace", model)
    assert "is a folder" in refused(capsys, "run", model, "--trace", tmp_path)
    assert "would replace" in refused(capsys, "compile", model, "--out", model)
    assert ".nir" in refused(capsys, "compile", model, "--out", tmp_path / "x.trace")
    assert model.read_bytes() == before
    np.savez(tmp_path / "archive.npz", frames=np.zeros((1, 7, 2, 10, 10), np.uint8))
    (tmp_path / "empty.npy").touch()
    np.save(tmp_path / "none.npy", np.zeros((0, 7, 2, 10, 10), np.uint8))
    said = {"archive.npz": "archive of arrays", "empty.npy": "not a .npy", "none.npy": "nothing to run"}
    for name, words in said.items():
        assert words in refused(capsys, "run", model, "--frames", tmp_path / name)


def test_a_damaged_trace_is_one_line_whichever_byte_it_is(model: Path, capfd: pytest.CaptureFixture[str]) -> None:
    trace = model.with_suffix(".trace")
    whole, rng = trace.read_bytes(), np.random.default_rng(0)
    text = whole.index(b'"binning"')
    lines = []
    for place in (*rng.integers(0, len(whole), 40), *rng.integers(text, text + 300, 10)):
        trace.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        code = main(["check", str(model), "--recordings", "2"])
        said = capfd.readouterr().err
        # Damage that the file does not notice is a trace of something else: equal or different, and nothing to say.
        assert code == 2 or (code in (0, 1) and said == ""), place
        if code == 2:
            lines.append(said)
    trace.write_bytes(whole[: len(whole) // 2])
    lines.append(refused(capfd, "check", model))
    assert len(lines) > 10
    for line in lines:
        assert line.startswith(f"error: {trace}: ") and line.endswith("; record it again\n") and line.count("\n") == 1


@pytest.mark.parametrize("command", ["check", "report", "certify", "coverage", "run", "compile", "map"])
def test_a_help_speaks_of_recordings_as_the_command_takes_them(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main([command, "--help"])
    told = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert ("of --events" in told) == ("--events {None}|PATH" in told)
    assert ("100 of every class" in told) == (command == "report")


def test_of_two_ways_of_binning_the_field_is_named(small_network: Network) -> None:
    other = small_network.replace(binning=replace(BINNING, step_us=2000, max_count=3))
    assert difference(small_network, other) == ["binning has step_us 2000 instead of 1000, max_count 3 instead of 1"]


def test_a_trace_from_a_chip_is_checked_over_the_recordings_asked_for(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recorded = load_trace(model.with_suffix(".trace"))
    spikes = recorded.layers["lif1"].output
    spikes[8, 2, 0, 0, 0] ^= True
    chip = changed(replace(recorded, frames=None), "lif1", spikes=spikes)
    chip.save(tmp_path / "chip.trace")
    code, verdict = run_json(capsys, "check", model, tmp_path / "chip.trace", "--recordings", "5", "--json")
    assert code == 0 and verdict["recordings"] == 5
    # The whole is different, is explained, and stays so where the chip counts its steps otherwise.
    late = {}
    for name, layer in chip.layers.items():
        moved = np.pad(layer.output, ((0, 0), (1, 0), *((0, 0),) * (layer.output.ndim - 2)))
        late[name] = LayerRecord(v=moved, offset=1) if layer.is_readout else LayerRecord(spikes=moved, offset=1)
    replace(chip, layers=late).save(tmp_path / "late.trace")
    for name in ("chip.trace", "late.trace"):
        code, verdict = run_json(capsys, "check", model, tmp_path / name, "--json")
        assert code == 1 and verdict["first"]["layer"] == "lif1" and verdict["first"]["recording"] == 8
        assert verdict["explanation"]["divergence"]["expected"] is not None
    assert "which a .trace cannot" in refused(capsys, "check", model, tmp_path / "chip.trace", "--bisect")


def test_integers_are_not_judged_against_floats(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "holds integers" in refused(capsys, "check", model, "--on", "float")
    floats = model.with_name("floats.trace")
    trace = load_trace(model.with_suffix(".trace"))
    layers = {
        name: layer.replace(**{kind: layer[kind].astype(np.float32) for kind in ("u", "v") if kind in layer})
        for name, layer in trace.layers.items()
    }
    replace(trace, layers=layers).save(floats)
    for pair in ((model, floats), (floats, model)):
        assert "a trace of one is not equal to the other" in refused(capsys, "check", *pair)
    assert "a trace of one is not equal to the other" in refused(capsys, "check", model, "--trace", floats)


def test_a_missing_model_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("run", "check", "report"):
        assert "missing.nir: no such model file" in refused(capsys, command, tmp_path / "missing.nir")


def test_a_model_without_recordings_asks_for_them(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model.with_suffix(".trace").unlink()
    assert "--events" in refused(capsys, "run", model)
    assert "student.trace" in refused(capsys, "check", model)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no events"),
        (bytes(7), "truncated"),
        (bytes([200, 3, 0, 0, 1]), "outside the sensor"),
    ],
)
def test_a_bad_recording_is_named(
    model: Path, recordings: Path, content: bytes, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (recordings / "circle" / "bad.bin").write_bytes(content)
    line = refused(capsys, "run", model, "--events", recordings)
    assert message in line and "bad.bin" in line


def test_an_unknown_class_is_named(model: Path, recordings: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (recordings / "star").rename(recordings / "moon")
    assert "'moon' is no class" in refused(capsys, "run", model, "--events", recordings)


def test_a_missing_folder_is_named(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "nowhere: no such folder" in refused(capsys, "run", model, "--events", tmp_path / "nowhere")


def test_an_unsupported_node_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    graph = nir.NIRGraph(
        nodes={
            "input": nir.Input({"input": np.array([4])}),
            "affine": nir.Affine(weight=np.eye(4), bias=np.zeros(4)),
            "output": nir.Output({"output": np.array([4])}),
        },
        edges=[("input", "affine"), ("affine", "output")],
    )
    path = tmp_path / "odd.nir"
    nir.write(path, graph)
    with h5py.File(path, "a") as file:
        node = file["node/nodes/affine"]
        assert isinstance(node, h5py.Group)
        del node["type"]
        node["type"] = "Dropout"
    line = refused(capsys, "run", path, "--frames", "unused.npy", "--step-us", 1000, "--steps", 3)
    assert "Dropout" in line and "affine" in line


def test_an_unknown_runner_lists_the_known_ones(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "integer" in refused(capsys, "run", model, "--on", "brian")
    assert "'brian' is not known" in refused(capsys, "run", model, "--against", "brian")
    assert "'brian' is not known" in refused(capsys, "check", "absent.nir", "--on", "brian")


def test_an_unknown_chip_is_refused_before_the_check_runs(capsys: pytest.CaptureFixture[str]) -> None:
    assert "loihi1" in refused(capsys, "report", "absent.nir", "--chip", "tpu")


def test_frames_of_another_sensor_are_refused(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.save(tmp_path / "frames.npy", np.zeros((1, BINNING.steps, 2, 9, 9), np.uint8))
    assert f"(1, {BINNING.steps}, 2, 9, 9)" in refused(capsys, "run", model, "--frames", tmp_path / "frames.npy")


def test_lava_without_python_3_10_says_how_to_get_one(
    model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CKD_PYTHON310", str(model.parent / "no-python"))
    assert "3.10" in refused(capsys, "check", model, "--on", "lava")


def test_a_float_graph_from_elsewhere_is_compiled_and_checked(
    small_frames: Array, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(0)
    shape = np.array([6, 5, 5])
    graph = nir.NIRGraph(
        nodes={
            "input": nir.Input({"input": np.array([2, 10, 10])}),
            "conv": nir.Conv2d((10, 10), rng.normal(0.1, 0.3, (6, 2, 3, 3)), 1, 1, 1, 1, rng.normal(0, 0.05, 6)),
            "if1": nir.IF(r=np.full((6, 10, 10), 1000.0), v_threshold=np.ones((6, 10, 10))),
            "pool": nir.SumPool2d(np.array([2, 2]), np.array([2, 2]), np.array([0, 0])),
            "flatten": nir.Flatten({"input": shape}, 0, -1),
            "affine": nir.Affine(weight=rng.normal(0.02, 0.1, (3, 150)), bias=rng.normal(0, 0.1, 3)),
            "if2": nir.IF(r=np.full(3, 1000.0), v_threshold=np.full(3, 2.0)),
            "output": nir.Output({"output": np.array([3])}),
        },
        edges=[
            ("input", "conv"), ("conv", "if1"), ("if1", "pool"), ("pool", "flatten"), ("flatten", "affine"),
            ("affine", "if2"), ("if2", "output"),
        ],
    )  # fmt: skip
    other, ready, frames = tmp_path / "other.nir", tmp_path / "ready.nir", tmp_path / "frames.npy"
    nir.write(other, graph)
    np.save(frames, small_frames)
    step = ("--step-us", 1000, "--steps", BINNING.steps)
    code, figures = run_json(capsys, "compile", other, "-o", ready, "--frames", frames, *step, "--json")
    assert code == 0 and figures["same_predictions"] > 0.8 and max(figures["differing"].values()) < 0.05
    assert {"conv", "if1", "affine"} <= {change["node"] for change in figures["parameters"]}
    code, verdict = run_json(capsys, "check", ready, "--on", "integer", "--json")
    assert code == 0 and verdict["equal"] and verdict["spikes"] > 100
    # Without compiling, a chip's simulator compiles on the fly and says so.
    assert main(["run", str(other), "--frames", str(frames), *map(str, step)]) == 0
    assert "putting it on the grid" in capsys.readouterr().err


def test_a_model_on_the_grid_is_compiled_as_it_is(
    model: Path, small_frames: Array, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    net, ready, other, frames = (tmp_path / name for name in ("a.net", "a.nir", "b.nir", "frames.npy"))
    network = load_network(model)
    neurons = {name: replace(node, bias=node.bias // 64 * 64) for name, node in network.neurons.items()}
    save(network.replace(nodes={**network.nodes, **neurons}), net)
    np.save(frames, small_frames)
    assert run_json(capsys, "compile", net, "-o", ready, "--json") == (0, {"on_grid": True, "wrote": [str(ready)]})
    code, figures = run_json(capsys, "compile", net, "-o", other, "--frames", frames, "--json")
    assert code == 0 and figures["wrote"] == [str(other), str(other.with_suffix(".trace"))]
    for path in (ready, net):
        code, verdict = run_json(capsys, "check", other, path, "--json")
        assert code == 0 and verdict["equal"] and verdict["spikes"] > 100
    kept = other.with_suffix(".trace").read_bytes()  # of a model whose trace lies under the same name
    assert main(["compile", str(other), "-o", str(tmp_path / "c.nir")]) == 0
    assert main(["compile", str(net.rename(tmp_path / "b.net")), "-o", str(other), "--frames", str(frames)]) == 0
    assert other.with_suffix(".trace").read_bytes() == kept
    capsys.readouterr()
    assert "on the grid already" in refused(capsys, "compile", model, "-o", other, "--weight-bits", 4)
