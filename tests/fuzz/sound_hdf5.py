"""Sound model files and traces to damage, as h5py lays them out by default and as its latest version does."""

from collections.abc import Callable
from pathlib import Path

import h5py
import nir
import numpy as np

import deploy
from deploy.formats.netx import fit_to_netx
from deploy.runners import integer
from tests.builders import small_frames, small_network
from tests.deploy.formats.netx_files import conv, dense, layer, write_layers
from tests.deploy.formats.nir_graphs import every_kind
from tests.deploy.formats.test_nir_roundtrip import small


def _foreign(path: Path) -> None:
    """A graph of another tool, written by the nir package."""
    nir.write(path, every_kind())


def _lava_dl(path: Path) -> None:
    """Layers of plain values as lava-dl writes them."""
    rng = np.random.default_rng(0)
    weight, flat = rng.integers(-40, 60, (2, 1, 3, 3)) * 2, rng.integers(-40, 60, (3, 32)) * 2
    write_layers(
        path, layer("input", (1, 6, 6)), conv(weight, (2, 4, 4)), layer("flatten", (32,)), dense(flat, delay=[0, 1, 2])
    )


def _trace(path: Path) -> None:
    trace = integer.run(small_network(), small_frames(), states=2, digests=True)
    trace.labeled(np.arange(9) % 3, tuple(map(str, range(9)))).save(path)


def _old_trace(path: Path) -> None:
    """Of version 3, which has no checksums that would refuse most of the damage at once."""
    _trace(path)
    with h5py.File(path, "r+") as file:
        file.attrs["ckd_trace"] = 3


HDF5: dict[str, tuple[str, Callable[[Path], None]]] = {
    "nir": (".nir", lambda path: deploy.save(small(), path)),
    "foreign nir": (".nir", _foreign),
    "net": (".net", lambda path: deploy.save(fit_to_netx(small_network()), path)),
    "lava-dl net": (".net", _lava_dl),
    "trace": (".trace", _trace),
    "old trace": (".trace", _old_trace),
}


def as_latest(write: Callable[[Path], None]) -> Callable[[Path], None]:
    """What writes the same file in the latest layout."""

    def write_latest(path: Path) -> None:
        usual = path.with_name(f"usual_{path.name}")
        write(usual)
        with h5py.File(usual, "r") as old, h5py.File(path, "w", libver="latest") as new:
            for key in old:
                old.copy(key, new)
            for key, value in old.attrs.items():
                new.attrs[key] = value
        usual.unlink()

    return write_latest


LATEST = {f"{name}, latest layout": (ending, as_latest(write)) for name, (ending, write) in HDF5.items()}
