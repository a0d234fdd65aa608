"""A student with an exit answers the same in torch on the grid and in the simulator, and saves the same operations."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import deploy
from ckd.evaluate import main as evaluate_main
from ckd.models.fan_out import fan_out
from ckd.runs.folder import load_run
from ckd.training.exits import choose_margin, end_where_clear
from ckd.training.measure import measure
from deploy.cli import main as deploy_main
from deploy.formats.files import load_network
from deploy.mapping.steps import worth_by_step, worth_of_exit
from deploy.network import Array
from deploy.runners.exits import run_until_clear
from deploy.traces import exits as of_traces
from deploy.traces.prediction import running_votes
from export.cli import main
from export.fold import student_to_network
from export.integer import IntegerNetwork
from tests.export.conftest import BINNING, CLASSES


@pytest.mark.parametrize("name", ["student", "resnet"])
def test_torch_on_the_grid_and_the_simulator_end_alike(
    name: str, frames: Array, request: pytest.FixtureRequest
) -> None:
    student = request.getfixturevalue(name)
    network = deploy.quantize(student_to_network(student, binning=BINNING, classes=CLASSES), frames, method="max")
    with torch.inference_mode():
        activity = IntegerNetwork(network)(torch.from_numpy(frames), states=True)
    v = activity.v["readout"]
    logits = torch.diff(v, dim=1, prepend=torch.zeros_like(v[:, :1])).transpose(0, 1)  # int64, the rule of training
    leads = of_traces.leads(v.numpy())
    several = 0
    for margin in np.quantile(leads, [0, 0.25, 0.5, 0.75, 1], method="nearest").tolist():
        ended = end_where_clear(logits, margin)
        trace, took = run_until_clear(network, frames, margin)
        assert took.tolist() == ended.steps.tolist()
        assert trace.predictions.tolist() == ended.answers.tolist()
        several += len(set(took.tolist())) > 2
        sent = {"input": torch.from_numpy(frames), **activity.spikes}
        running = torch.arange(v.shape[1]) < ended.steps[:, None]
        operations = 0
        for layer, synapses in fan_out(student, BINNING.frame_shape).items():
            reached = (sent[layer] != 0).flatten(2).double() @ synapses.flatten().double()
            operations += int((reached * running).sum())
        whole = deploy.run(network, frames)
        found = len(frames) * worth_of_exit(network, whole, margin).synaptic_operations
        assert found == pytest.approx(operations, rel=1e-12) and operations > 0  # a mean, times its number
    assert several, "recordings have to end at several steps"


def test_training_and_mapping_count_alike_at_every_step(student: torch.nn.Module, frames: Array) -> None:
    from ckd.models.student import Student
    from export.recording import record_float

    assert isinstance(student, Student)
    labels = np.arange(len(frames)) % len(CLASSES)
    measured = measure(student, frames, labels)
    network = student_to_network(student, binning=BINNING, classes=CLASSES)
    trace = record_float(student, network, frames).labeled(labels)
    rows = worth_by_step(network, trace)
    counted = measured.operations.mean(1).cumsum(0).tolist()
    assert [row.synaptic_operations for row in rows] == pytest.approx(counted, rel=1e-12)  # means in another order
    assert [row.accuracy for row in rows] == measured.accuracy_per_step
    assert counted[-1] == pytest.approx(measured.spent["synaptic_operations"], rel=1e-12) and counted[0] > 0


def test_both_wings_choose_the_same_margin() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(4, size=60)
    logits = rng.integers(-20, 20, (8, 60, 4))
    logits[:, np.arange(60), labels] += 4
    votes = logits.cumsum(0).transpose(1, 0, 2)
    chosen = [of_traces.choose_margin(votes, labels, loss) for loss in (0.0, 0.05, 0.2)]
    found = [choose_margin(torch.from_numpy(logits), torch.from_numpy(labels), loss) for loss in (0.0, 0.05, 0.2)]
    assert chosen == found and chosen == sorted(chosen, reverse=True) and len(set(chosen)) == 3
    for margin, loss in zip(chosen, (0.0, 0.05, 0.2), strict=True):
        took = of_traces.exit_steps(votes, margin)
        lost = (votes[:, -1].argmax(-1) == labels).sum() - (of_traces.answers(votes, took) == labels).sum()
        assert lost <= loss * 60 and took.mean() < 8


def test_an_exported_margin_is_in_the_file_and_ends_recordings(
    tiny_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = tmp_path / "s.nir"
    assert main([str(tiny_run), "--out", str(model), "--exit-loss", "0.5", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    network, trace = load_network(model), deploy.load_trace(model.with_suffix(".trace"))
    assert network.exit_margin == said["exit_margin"] and isinstance(network.exit_margin, int)
    assert deploy_main(["run", str(model), "--exit", "model", "--json"]) == 0
    ran = json.loads(capsys.readouterr().out)
    votes = running_votes(trace.layers["readout"], trace.steps)
    took = of_traces.exit_steps(votes, network.exit_margin)
    assert ran["steps_taken"] == took.tolist() and said["exit"]["steps"] == took.mean()
    assert ran["predictions"] == of_traces.answers(votes, took).tolist() and ran["accuracy"] == said["exit"]["accuracy"]
    assert deploy_main(["map", str(model), "--exit", "model", "--by-step", "--json"]) in (0, 1)
    mapped = json.loads(capsys.readouterr().out)
    assert mapped["exit"] == [said["exit"]] and len(mapped["by_step"]) == trace.steps
    assert mapped["by_step"][-1]["energy"] == mapped["estimate"]["energy"]
    deploy.save(network, tmp_path / "again.nir")
    assert load_network(tmp_path / "again.nir").exit_margin == network.exit_margin


def test_the_margin_is_chosen_by_validation_recordings_alone(tiny_run: Path, tmp_path: Path) -> None:
    import export

    exported = export.export(export.Plan(run=tiny_run, out=tmp_path / "s.nir", exit_loss=0.1))
    run = load_run(tiny_run)
    frames, labels, _ = run.recordings("validation")
    trace = deploy.run(load_network(exported.model), frames[:])
    votes = running_votes(trace.layers["readout"], trace.steps)
    assert of_traces.choose_margin(votes, labels, 0.1) == exported.exit_margin


def test_evaluate_tells_every_step_and_the_exit(tiny_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluate_main([str(tiny_run), "--exit-loss", "1", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert [row["accuracy"] for row in result["by_step"]] == result["accuracy_per_step"]
    # All accuracy may be lost: every recording ends at once.
    assert result["exit"]["steps"] == 1
    for name in ("accuracy", "synaptic_operations", "energy"):
        assert result["exit"][name] == pytest.approx(result["by_step"][0][name])
    assert evaluate_main([str(tiny_run), "--exit-loss", "0"]) == 0
    assert "ended at a margin of" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("command", "arguments", "message"),
    [
        ("export", ["--exit-loss", "2"], "between 0 and 1"),
        ("export", ["--exit-loss", "0.1", "--chip", "none"], "give --chip"),
        ("evaluate", ["--exit-loss", "-1"], "between 0 and 1"),
    ],
)
def test_what_cannot_end_early_is_one_line(
    command: str, arguments: list[str], message: str, tiny_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = {"export": main, "evaluate": evaluate_main}[command]
    assert run([str(tiny_run), *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


@pytest.mark.parametrize(("said", "message"), [("model", "holds no margin"), ("-1", "from 0 on"), ("x", "from 0 on")])
def test_an_exit_that_nobody_said_is_one_line(said: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["run", "zoo:nmnist"], ["map", "zoo:nmnist"]):
        assert deploy_main([*arguments, f"--exit={said}"]) == 2
        error = capsys.readouterr().err
        assert message in error and error.count("\n") == 1
