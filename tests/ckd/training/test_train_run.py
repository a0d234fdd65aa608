"""Training as a call: what python -m ckd.train does, without a word."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import ckd
from ckd.config import Config
from ckd.errors import RunError
from ckd.train import parse
from ckd.training.pipeline import train_run
from ckd.training.reporter import Silent
from tests.ckd.conftest import TINY


@pytest.fixture
def config() -> Config:
    return parse(TINY)[1]


def test_a_call_trains_what_the_command_trains_and_says_nothing(
    config: Config, tiny_run: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    summary = ckd.train_run(config, out)
    assert capfd.readouterr() == ("", "")
    assert summary == json.loads((out / "summary.json").read_text())
    for name in ("student", "baseline", "teacher"):
        file = f"{name}.safetensors"
        assert (out / file).read_bytes() == (tiny_run / file).read_bytes()
    with pytest.raises(RunError, match="exists already"):
        ckd.train_run(config, out)


def test_without_a_folder_a_run_goes_to_the_next_free_one_below_runs(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    quick = replace(config, method=replace(config.method, distill=False))
    for folder in ("digits-seed0", "digits-seed0-2"):
        ckd.train_run(quick)
        assert (tmp_path / "runs" / folder / "summary.json").is_file()


def test_a_deterministic_run_leaves_torch_as_it_found_it(config: Config, tmp_path: Path) -> None:
    during = []

    class Observer(Silent):
        def advance(self, done: int) -> None:
            during.append(torch.are_deterministic_algorithms_enabled())

    quick = replace(
        config, method=replace(config.method, distill=False), machine=replace(config.machine, deterministic=True)
    )
    train_run(quick, tmp_path / "run", reporter=Observer())
    assert during == [True] * 6 and not torch.are_deterministic_algorithms_enabled()


def test_a_name_that_ckd_has_not_is_said_so() -> None:
    with pytest.raises(AttributeError, match="'ckd' has no attribute 'trian_run'"):
        ckd.trian_run  # type: ignore[attr-defined]  # noqa: B018
