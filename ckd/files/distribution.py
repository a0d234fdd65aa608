"""What is installed: the distribution's name and version, its extras, and packages of other people by the same name."""

import importlib.util
from pathlib import Path

DISTRIBUTION = "ckd-snn"
"""What pip calls it. The name ckd belongs to another project there."""

TRAINING = ("torch", "snntorch", "lightning_fabric", "safetensors", "sklearn", "yaml", "matplotlib", "PIL")
"""What the extra `train` brings, by import names."""

HERE = Path(__file__).parents[2]


def how_to_install(extra: str) -> str:
    """The command that installs an extra."""
    return f"pip install '{DISTRIBUTION}[{extra}]'"


def missing_extra(error: ImportError) -> str | None:
    """What to install where a package of training is not there; None where another one is missing."""
    root = (error.name or "").partition(".")[0]
    return f"{root} is missing; training and export need it: {how_to_install('train')}" if root in TRAINING else None


def own_version() -> str:
    """The version that is installed; "unknown" of a source tree that is not."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(DISTRIBUTION)
    except PackageNotFoundError:
        return "unknown"


def require_own(*wings: str) -> None:
    """Raise ImportError where a wing's name means another package here, a folder of the user's project say."""
    for wing in wings:
        found = importlib.util.find_spec(wing)
        origin = None if found is None else found.origin or next(iter(found.submodule_search_locations or ()), None)
        if origin is None or (HERE / wing) not in (Path(origin), *Path(origin).parents):
            raise ImportError(
                f"{wing!r} means {origin or 'nothing'} here, not the one of {DISTRIBUTION} in {HERE / wing}; rename "
                "yours, or start Python in another folder; the commands ckd-... work there, too",
                name=wing,
            )
