"""NIR in and out: `read_nir` turns any .nir graph into a `Network`, `write_nir` does the reverse."""

from deploy.formats.nir.reader import read_nir
from deploy.formats.nir.writer import write_nir

__all__ = ["read_nir", "write_nir"]
