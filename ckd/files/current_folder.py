"""The current folder may be a stranger's: what lies in it is read where a user names it, and never obeyed.

A console script does not import from the current folder, but libraries look there for files of settings: matplotlib for
a matplotlibrc, whose backend is a module to import, numba for a .numba_config.yaml, whose cache_dir is a folder of
pickles. Where one lies there, the library is imported away from it.
"""

import contextlib
import os
import sys
from pathlib import Path

PACKAGES = Path(__file__).parents[2]
"""The folder that this package was imported from."""


def away_from_current_folder() -> contextlib.chdir[Path]:
    """Inside, the current folder is the one that this package was imported from. All threads see it."""
    return contextlib.chdir(PACKAGES)


def ignore_current_folder() -> None:
    """Before a command imports anything heavy: from now on nothing in the current folder is imported or obeyed."""
    # An editable install has an entry that is no path; a folder of that name would become one.
    sys.path[:] = [entry for entry in sys.path if Path(entry).is_absolute() or not Path(entry).exists()]
    if os.path.lexists("matplotlibrc"):
        with away_from_current_folder(), contextlib.suppress(ImportError):
            import matplotlib  # noqa: F401
    if os.path.lexists(".numba_config.yaml"):
        with away_from_current_folder():
            import numba.core.config as settings
        # numba looks for it again at every function that it compiles.
        if not hasattr(settings, "_config_fname"):
            sys.stderr.write("error: .numba_config.yaml: this numba would obey it; start elsewhere, or remove it\n")
            sys.exit(2)
        settings._config_fname = os.devnull
