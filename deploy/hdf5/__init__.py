"""HDF5 files: of strangers, looked through by a process that may crash, then read by code that cannot; and of ours."""

from deploy.hdf5.gate import open_hdf5
from deploy.hdf5.limits import Kind
from deploy.hdf5.tree import Dataset, Group
from deploy.hdf5.writing import new_hdf5

__all__ = ["Dataset", "Group", "Kind", "new_hdf5", "open_hdf5"]
