"""netx in and out: the HDF5 networks of lava-dl, which its `lava.lib.dl.netx.hdf5.Network` builds and runs in Lava."""

from deploy.formats.netx.fit import fit_to_netx
from deploy.formats.netx.writer import write_netx

__all__ = ["fit_to_netx", "write_netx"]
