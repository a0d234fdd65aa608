"""The examples in docstrings, and the Python in the documents, run as they stand."""

import doctest
import importlib
import re
import shutil
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import deploy
from ckd.data.camera import Camera, film
from ckd.events import read_recording
from deploy.formats.onnx import write_onnx
from deploy.grid.chips import LOIHI1
from tests.builders import small_frames, write_model
from tests.ckd.conftest import cache_of_the_tests, tiny_run

__all__ = ["cache_of_the_tests", "tiny_run"]

ROOT = Path(__file__).resolve().parents[1]
SOURCES = [path for wing in ("ckd", "export", "deploy") for path in sorted((ROOT / wing).rglob("*.py"))]
MODULES = [
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for path in SOURCES
    if ">>> " in path.read_text()
]


class Checker(doctest.OutputChecker):
    """An example that shows no result tells how something is called; one that shows a result must be right."""

    def check_output(self, want: str, got: str, optionflags: int) -> bool:
        return not want or super().check_output(want, got, optionflags)


@pytest.fixture
def names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What an example may take for granted: student.nir and student.trace in the folder, and what they hold."""
    model = write_model(tmp_path)
    monkeypatch.chdir(tmp_path)
    trace = deploy.load_trace(model.with_suffix(".trace"))
    return {"network": deploy.load(model), "trace": trace, "frames": small_frames(), "LOIHI1": LOIHI1}


def failures_of(test: doctest.DocTest) -> str:
    """What an example gave instead, or the exception that it raised; empty where it is right."""
    said: list[str] = []
    doctest.DocTestRunner(Checker(), verbose=False, optionflags=doctest.NORMALIZE_WHITESPACE).run(test, out=said.append)
    return "".join(said)


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_run(name: str, names: dict[str, Any]) -> None:
    module = importlib.import_module(name)
    tests = [test for test in doctest.DocTestFinder().find(module, extraglobs=names) if test.examples]
    assert tests
    for test in tests:
        assert not failures_of(test)


def run_document(path: str, names: dict[str, Any]) -> None:
    """Every block of Python, but those that the page says are not run."""
    blocks = re.findall(r"(<!-- not run: [^\n]*\n)?```python\n(.*?)```", (ROOT / path).read_text(), re.DOTALL)
    run = [block for marked, block in blocks if not marked]
    assert run
    for block in run:
        exec(compile(block, path, "exec"), dict(names))


def test_the_python_of_the_readme_finds_the_trace_equal(
    names: dict[str, Any], tiny_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(tiny_run, "runs/nmnist")
    run_document("README.md", names)
    assert capsys.readouterr().out == "True None\n"


def test_the_python_of_the_page_on_onnx_gives_the_class_of_a_recording(
    names: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    write_onnx(names["network"], Path("student.onnx"))
    for frames, predicted in zip(names["frames"], names["trace"].predictions, strict=True):
        run_document("docs/onnx-netx.md", {"frames": frames[:, None]})
        assert capsys.readouterr().out == f"{predicted}\n"


def test_the_python_of_the_page_on_checking_makes_a_trace_of_ones_own(names: dict[str, Any]) -> None:
    trace = names["trace"]
    spikes = {"spikes1": trace.layers["lif1"].output, "spikes2": trace.layers["lif2"].output}
    run_document(
        "docs/checking.md",
        {**spikes, "v": trace.layers["readout"]["v"], "classes": trace.predictions, "deploy": deploy, "Path": Path},
    )
    assert deploy.compare(trace, deploy.load_trace(Path("chip.trace")))


def test_the_python_of_the_page_on_data_writes_recordings_that_are_read(names: dict[str, Any]) -> None:
    events = film(np.eye(20, dtype=np.float32), Camera(), np.random.default_rng(0))
    Path("MINE/recordings/cat").mkdir(parents=True)
    rows = [f"{event['t'] / 1e6},{event['x']},{event['y']},{event['p']}" for event in events]
    Path("table.csv").write_text("t,x,y,p\n" + "\n".join(rows))
    with h5py.File("recording.h5", "w") as file:
        for name in "xytp":
            file[f"events/{name}"] = events[name].astype(np.int64) * (1000 if name == "t" else 1)
    run_document("docs/data.md", {name: events[name] for name in "xytp"})
    written = sorted(Path("MINE/recordings/cat").iterdir())
    assert len(written) == 6 and len(events) > 100
    for path in written:
        assert (read_recording(path) == events).all(), path


def test_the_worked_examples_of_the_page_on_metrics_are_right() -> None:
    """Every figure that the page works out by hand is what the code gives."""
    text = (ROOT / "docs" / "metrics.md").read_text()
    test = doctest.DocTestParser().get_doctest(text, {}, "docs/metrics.md", None, None)
    assert len([example for example in test.examples if example.want]) >= 11
    assert not failures_of(test)


@pytest.mark.parametrize(
    ("example", "said"),
    [
        (">>> len(trace.labels)\n8", "Got:\n    9"),
        (">>> deploy.load_everything()", "AttributeError"),
        (">>> trace.labels", ""),
    ],
)
def test_an_example_that_rots_is_found(example: str, said: str, names: dict[str, Any]) -> None:
    test = doctest.DocTestParser().get_doctest(example, {**names, "deploy": deploy}, "example", None, None)
    told = failures_of(test)
    assert said in told and bool(told) == bool(said)
