"""What the page says where no cause has a name, of which recordings, and where each thing stands."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from deploy.checking.check import check
from deploy.cli import main
from deploy.formats.nir import write_nir
from deploy.network import Array
from deploy.report.content import content
from deploy.report.telling import facts_of_spikes, next_steps
from deploy.runners.table import run
from deploy.traces.sampling import in_turn, over_classes
from deploy.traces.trace import Trace
from tests.builders import events, small_network

CLASSES = 3
EACH = 50


def write_sorted(folder: Path) -> Path:
    """A model and its trace: fifty recordings of each class, one class after the other, as folders give them."""
    network, rng = small_network(), np.random.default_rng(2)
    frames = events(rng, CLASSES * EACH, 7, (2, 10, 10))
    path = folder / "student.nir"
    write_nir(network, path)
    labels = np.repeat(np.arange(CLASSES), EACH)
    trace = replace(run(network, frames, states=4, digests=True), classes=())
    trace.labeled(labels, tuple(f"r{i}" for i in range(len(labels)))).save(path.with_suffix(".trace"))
    return path


@pytest.fixture(scope="module")
def student(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_sorted(tmp_path_factory.mktemp("telling"))


def dead(spikes: Array) -> Array:
    """Channel 2 of a layer never spikes from step 3 on."""
    out = spikes.copy()
    out[:, 3:, 2] = False
    return out


def scattered(spikes: Array) -> Array:
    """One value in fifty is the other one, whatever anybody computed: no cause to name."""
    return spikes ^ (np.random.default_rng(0).random(spikes.shape) < 0.02)


def of_a_chip(trace: Trace, wrong: Callable[[Array], Array]) -> Trace:
    """As a chip gives it: spikes alone, wrong in one layer, without labels and frames."""
    layers = {
        name: layer.take(range(trace.recordings)).replace(u=None, v=None, u_digest=None, v_digest=None)
        if not layer.is_readout
        else layer.take(range(trace.recordings))
        for name, layer in trace.layers.items()
    }
    layers["lif2"] = layers["lif2"].replace(spikes=wrong(layers["lif2"].output))
    return Trace(layers=layers, predictions=trace.predictions)


@pytest.mark.parametrize("with_model", [True, False])
def test_a_dead_block_is_told_by_why(student: Path, tmp_path: Path, with_model: bool) -> None:
    from deploy.traces.trace import load_trace

    folder = tmp_path / "alone"
    folder.mkdir()
    trace = load_trace(student.with_suffix(".trace"))
    of_a_chip(trace, dead).save(folder / "chip.trace")
    reference = student
    if not with_model:
        reference = folder / "student.trace"
        replace(trace.take(range(trace.recordings)), frames=None).save(reference)
    out = folder / "page.html"
    command = ["report", str(reference), str(folder / "chip.trace"), "--out", str(out), "--partial"]
    assert main(command) == 1
    page = out.read_text()
    why = page[page.index("<h2>Why") : page.index("<h2>Where it first differs")]
    assert "<code>lif2</code>" in why and "channel 2" in why and "from step 3 on" in why
    assert "silent" in why if with_model else "never spike" in why
    # With the model it has a name and a proof, and nothing is left to do but mend it.
    assert ("every spike, and every u and v that was recorded, of all 100 recordings" in why) == with_model
    assert ("What to do next" in why and "Hold the code that steps lif2" in why) != with_model
    assert ("No cause was looked for" in why) != with_model
    # Its labels are the reference's: the trace of a chip has none.
    header = page[: page.index("<h2>Why")]
    assert "neuron-steps differ in spikes." in header and "DIFFERENT:" not in header
    assert "accuracy trained" in header and "accuracy running" in header


def test_what_lacks_is_asked_for(student: Path, tmp_path: Path) -> None:
    from deploy.traces.trace import load_trace

    of_a_chip(load_trace(student.with_suffix(".trace")), scattered).save(tmp_path / "chip.trace")
    checked = check(student, tmp_path / "chip.trace", partial=True, recordings=20)
    assert any(step.startswith("Record u and v of lif2") for step in next_steps(checked, "student.nir"))
    seen = facts_of_spikes(checked)
    assert seen is not None and seen[0] == "lif2" and "are missing" in seen[1][0]


def test_an_equal_run_and_a_proven_cause_need_no_next_step(student: Path) -> None:
    checked = check(student, recordings=4)
    assert checked.equal and not next_steps(checked, "x") and facts_of_spikes(checked) is None


def test_the_page_is_about_recordings_of_every_class(student: Path) -> None:
    out = student.with_name("page.html")
    assert main(["report", str(student), "--out", str(out)]) == 0
    page = out.read_text()
    assert "recordings, of every class in turn</dt><dd>100</dd>" in page
    checked = check(student, recordings=100, of_every_class=True)
    assert checked.equal and checked.verdict.recordings == 100 and len(checked.rows) == 100
    assert np.bincount(checked.expected.labels).tolist() == [34, 33, 33]  # pyright: ignore
    # The first four, whose potentials were kept, are among them.
    assert checked.rows[:4] == (0, 1, 2, 3) and checked.expected.layers["lif1"].held("v") == 4
    assert checked.expected.names == tuple(f"r{row}" for row in checked.rows)
    assert check(student, recordings=100).rows == ()


def test_over_classes() -> None:
    labels = np.array([0, 0, 0, 0, 1, 1, 2, 2, 2])
    assert over_classes(labels, 9, 6) == [0, 1, 4, 5, 6, 7]
    assert over_classes(labels, 9, 4, first=3) == [0, 1, 2, 4]
    assert over_classes(labels, 9, 9) == list(range(9)) == over_classes(None, 9, 20)
    assert over_classes(None, 9, 3) == [0, 4, 8]
    assert in_turn(labels) == [0, 4, 6, 1, 5, 7, 2, 8, 3]


def test_classes_have_the_names_of_the_model(student: Path) -> None:
    values = content(check(student, recordings=100, of_every_class=True), None, "student.nir")
    assert values["confusion"]["names"] == ["circle", "square", "star"]
    for table in values["confusion"]["tables"]:
        wrong = {(one["label"], one["said"]): one["count"] for one in table["mistakes"]}
        rows = np.array(table["rows"])
        assert sum(wrong.values()) <= rows.sum() - np.trace(rows)
        names = values["confusion"]["names"]
        assert all(rows[names.index(a), names.index(b)] == count for (a, b), count in wrong.items())


def test_energy_and_parameters_are_folded_below_a_failure(student: Path, tmp_path: Path) -> None:
    equal, differs = tmp_path / "equal.html", tmp_path / "differs.html"
    assert main(["report", str(student), "--out", str(equal), "--recordings", "8"]) == 0
    assert '<details class="fold" open>' in equal.read_text()
    from deploy.traces.trace import load_trace

    of_a_chip(load_trace(student.with_suffix(".trace")), scattered).save(tmp_path / "chip.trace")
    command = ["report", str(student), str(tmp_path / "chip.trace"), "--out", str(differs), "--partial"]
    assert main([*command, "--recordings", "8"]) == 1
    page = differs.read_text()
    assert '<details class="fold">' in page and "open>" not in page
    assert page.index("<h2>The two runs") < page.index("<h2>On the chip")
