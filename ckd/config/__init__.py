"""Everything that decides a run: a preset file fills it, the command line overrides it."""

from ckd.config.plain_yaml import read_yaml, read_yaml_file, shown
from ckd.config.reading import (
    config_from_dict,
    config_to_dict,
    load_preset,
    named,
    option_of,
    preset_names,
    require_named,
)
from ckd.config.schema import (
    Augment,
    Config,
    Data,
    Machine,
    Method,
    StudentConfig,
    TeacherConfig,
    Training,
)

__all__ = [
    "Augment",
    "Config",
    "Data",
    "Machine",
    "Method",
    "StudentConfig",
    "TeacherConfig",
    "Training",
    "config_from_dict",
    "config_to_dict",
    "load_preset",
    "named",
    "option_of",
    "preset_names",
    "read_yaml",
    "read_yaml_file",
    "require_named",
    "shown",
]
