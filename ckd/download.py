"""python -m ckd.download: fetch a data set by the library that knows it, laid out as its preset expects.

Example:
  python -m ckd.download n-caltech101 DATA
  python -m ckd.train --preset n-caltech101 --data-root DATA
"""

import sys

if __name__ == "__main__":  # before anything that takes time to import, and may be interrupted
    from ckd.files import start_command

    sys.exit(start_command("ckd.download"))

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from ckd.console import run_command
from ckd.data.folders import LAYOUTS
from ckd.errors import DatasetError
from ckd.files import HeldError, held, how_to_install, read_arguments


def _n_caltech101(root: Path) -> None:
    from tonic.datasets import NCALTECH101

    NCALTECH101(str(root / "ncaltech101"))
    from torchvision.datasets import Caltech101  # pyright: ignore[reportMissingImports]

    Caltech101(str(root), download=True)


def _cifar10_dvs(root: Path) -> None:
    from tonic.datasets import CIFAR10DVS

    CIFAR10DVS(str(root))
    from torchvision.datasets import CIFAR10  # pyright: ignore[reportMissingImports]

    stills = CIFAR10(str(root / "raw"), download=True)
    counts: dict[str, int] = {}
    for image, label in stills:
        name = stills.classes[label]
        counts[name] = counts.get(name, 0) + 1
        folder = root / "cifar10" / name
        folder.mkdir(parents=True, exist_ok=True)
        image.save(folder / f"{counts[name]:05d}.png")


FETCH: dict[str, Callable[[Path], None]] = {"n-caltech101": _n_caltech101, "cifar10-dvs": _cifar10_dvs}
"""What fetches a data set below a folder, by the data set's name."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """What to fetch, and where to."""

    dataset: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar=f"{{{','.join(FETCH)}}}")]
    """Data set."""
    root: tyro.conf.Positional[Path]
    """Folder that becomes --data-root."""


def main(arguments: list[str] | None = None) -> int:
    return run_command(lambda: _main(sys.argv[1:] if arguments is None else arguments))


def _main(arguments: list[str]) -> int:
    options = read_arguments(Options, prog="python -m ckd.download", description=__doc__, args=arguments)
    download(options.dataset, options.root)
    print(f"ready: python -m ckd.train --preset {options.dataset} --data-root {options.root}")
    return 0


def download(dataset: str, root: Path) -> None:
    """Fetch recordings and stills below `root`.

    Raises:
        DatasetError: a library is missing, the download failed, or nobody offers the data set for download.
    """
    if dataset not in FETCH:
        obtain = LAYOUTS[dataset].obtain if dataset in LAYOUTS else f"known are {', '.join(FETCH)}"
        raise DatasetError(f"{dataset}: no library offers it; {obtain}")
    try:
        with held(root / ".downloading", doing="is downloading into it", needed=False):
            FETCH[dataset](root)
    except HeldError as holder:
        raise DatasetError(f"{root}: {holder}; wait until it is done, or give another folder") from None
    except ImportError as error:
        raise DatasetError(f"{dataset}: needs {error.name}: {how_to_install('events,vision')}") from None
    except (OSError, RuntimeError) as error:
        raise DatasetError(
            f"{dataset}: cannot be downloaded here ({type(error).__name__}: {error}); download it on another machine "
            f"with the same command and copy {root}"
        ) from None
