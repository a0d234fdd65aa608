"""Trained students that come with the package: `zoo:NAME` wherever a model file is asked for.

README.md in this folder says of each what it was trained on, by whom its recordings are, and their licence.
"""

from pathlib import Path

from deploy.errors import ModelError

FOLDER = Path(__file__).parent
PREFIX = "zoo:"


def zoo_names() -> tuple[str, ...]:
    """What stands behind the colon."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.nir")))


def zoo_path(model: Path | str) -> Path:
    """The file behind `zoo:NAME`, its trace beside it; any other path as it is.

    Raises:
        ModelError: there is no such student.
    """
    if not str(model).startswith(PREFIX):
        return Path(model)
    name = str(model).removeprefix(PREFIX)
    if name not in zoo_names():
        known = ", ".join(PREFIX + known for known in zoo_names())
        said = f"{model}: no such student" if name else f"{PREFIX} needs the name of a student behind it"
        raise ModelError(f"{said}; the package comes with {known}")
    return FOLDER / f"{name}.nir"
