"""Presets, and the configuration of a run as one."""

from dataclasses import replace
from pathlib import Path

import yaml

from ckd.config import config_to_dict, load_preset


def test_a_runs_own_configuration_is_a_preset(tmp_path: Path) -> None:
    config = replace(load_preset("folder"), seed=7)
    (tmp_path / "config.yaml").write_text(yaml.safe_dump({"format": 2, **config_to_dict(config)}))
    assert load_preset(str(tmp_path / "config.yaml")) == config
