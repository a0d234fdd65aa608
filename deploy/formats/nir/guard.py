"""Is a .nir file safe to read? `deploy.hdf5` looks through it before a single array is loaded.

nir 1.0.8 trusts its file: 12 kB can cost 1.5 GB of memory, and HDF5 links and virtual data sets reach other files.
"""

from pathlib import Path

from deploy.errors import ModelError
from deploy.hdf5 import Group, Kind, open_hdf5

NIR = Kind("a NIR file", ModelError, "export or copy it again", max_bytes=4 << 30)


def checked(path: Path) -> Group:
    """The root of a .nir file that is neither missing, broken nor hostile, and has something under "node".

    Raises:
        ModelError: what is wrong, where in the file, and the limit.
    """
    path = Path(path)
    if not path.is_file():
        raise ModelError(f"{path}: no such model file; ckd-export --to nir RUN writes one")
    root = open_hdf5(path, NIR)
    if "node" not in root:
        raise ModelError(f"{path}: an HDF5 file, but no NIR graph: it has no group 'node'")
    return root
