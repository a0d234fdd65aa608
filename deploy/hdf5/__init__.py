"""HDF5 files of strangers: looked through by a process that may crash, then read by code that cannot."""

from deploy.hdf5.gate import open_hdf5
from deploy.hdf5.limits import Kind
from deploy.hdf5.tree import Dataset, Group

__all__ = ["Dataset", "Group", "Kind", "open_hdf5"]
