"""The table of formats is the whole of what the command knows of them."""

from pathlib import Path

import pytest

import deploy
import export
from deploy.formats.files import load
from export.formats import FORMATS


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_a_row_writes_what_it_says(name: str, tiny_run: Path, tmp_path: Path) -> None:
    if name == "onnx":
        pytest.importorskip("onnx", reason="onnx is an extra")
    model = tmp_path / f"s{FORMATS[name].ending}"
    exported = export.export(export.Plan(run=tiny_run, to=name, out=model))
    assert exported.model == model and exported.trace == exported.files[-1] == tmp_path / "s.trace"
    assert load(model).classes == deploy.load_trace(exported.trace).classes
    assert all(file.is_file() for file in exported.files)


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_a_row_that_holds_floats_writes_them(name: str, tiny_run: Path, tmp_path: Path) -> None:
    if name == "onnx":
        pytest.importorskip("onnx", reason="onnx is an extra")
    form = FORMATS[name]
    plan = export.Plan(run=tiny_run, to=name, chip="none", out=tmp_path / f"s{form.ending}")
    if not form.holds_floats:
        with pytest.raises(deploy.DeployError, match="--chip loihi1"):
            export.export(plan)
        return
    exported = export.export(plan)
    stem = "s_float" if form.floats_apart else "s"
    assert exported.model.name == f"{stem}{form.ending}" and exported.trace.name == f"{stem}.trace"
    assert not load(exported.model).on_grid
