"""A run's student within budgets: trained once, measured, drawn."""

import json
import shutil
from pathlib import Path

import pytest

from ckd.pareto import main


def test_a_run_is_trained_again_within_budgets(
    tiny_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Path(shutil.copytree(tiny_run, tmp_path / "run"))
    assert main([str(run), "--fractions", "0.5", "--json"]) == 0
    whole, half = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert half["fraction"] == 0.5 and half["synaptic_operations"] < whole["synaptic_operations"]
    assert 0 < half["energy"] < whole["energy"] and 0 < half["activity"] < whole["activity"]
    written = [run / name for name in ("pareto.json", "pareto.png", "pareto/0.5/student.safetensors")]
    before = written[-1].stat().st_mtime_ns
    assert json.loads(written[0].read_text()) == [whole, half] and written[1].read_bytes().startswith(b"\x89PNG")
    assert main([str(run), "--fractions", "0.5"]) == 0
    assert "1 / " in capsys.readouterr().out and written[-1].stat().st_mtime_ns == before


def test_a_budget_is_a_share(tiny_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tiny_run), "--fractions", "2"]) == 2
    assert "--fractions (=2.0) must lie between 0 and 1" in capsys.readouterr().err


def test_code_that_a_run_names_runs_only_where_it_is_named_again(
    tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Path(shutil.copytree(tiny_run, tmp_path / "run"))
    (tmp_path / "strange.py").write_text("from pathlib import Path\nPath('ran').touch()\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    config = (run / "config.yaml").read_text()
    for what, said in (
        ("dataset: digits", "strange:make"),
        ("student: vgg", "nobody knows the layers of strange:make"),
    ):
        assert what in config
        (run / "config.yaml").write_text(config.replace(what, f"{what.split(':')[0]}: strange:make"))
        assert main([str(run), "--fractions", "0.5"]) == 2
        error = capsys.readouterr().err
        assert said in error and error.count("\n") == 1 and not (tmp_path / "ran").exists()
