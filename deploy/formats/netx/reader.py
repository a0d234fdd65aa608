"""`read`: what a netx file says of itself. Lava runs the file; no network is built from it."""

import json
from pathlib import Path
from typing import Any

import h5py

from deploy.errors import DAMAGED_HDF5, ModelError
from deploy.formats.metadata import from_metadata
from deploy.formats.model_file import ModelFile


def read(path: Path) -> ModelFile:
    """Read input shape, layers and metadata. In a file of lava-dl itself the layers are called layer1, layer2, ...

    Raises:
        ModelError: not a netx file, or its input has no shape.
    """
    try:
        with h5py.File(path, "r") as file:
            attributes = {key: value.item() if hasattr(value, "item") else value for key, value in file.attrs.items()}
            count = len(_group(path, file.get("layer")))
            kinds = [_value(file.get(f"layer/{i}/type")) for i in range(count)]
            shape = file.get("layer/0/shape")
            input_shape = () if not isinstance(shape, h5py.Dataset) else tuple(int(n) for n in shape[()])
    except DAMAGED_HDF5 as error:
        raise ModelError(f"{path}: not an HDF5 file ({error}); ckd-export --to netx writes one") from error
    if kinds[:1] != ["input"] or not input_shape:
        raise ModelError(f"{path}: does not begin with an input layer that has a shape; export it with one")
    info = from_metadata(attributes)
    layers = sum(kind in ("dense", "conv") for kind in kinds)
    names = attributes.get("layers")
    return ModelFile(
        path=path,
        runner="netx",
        input_shape=input_shape,
        layers=tuple(json.loads(names)) if names else tuple(f"layer{i + 1}" for i in range(layers)),
        on_grid=True,
        binning=info.binning,
        classes=info.classes,
    )


def _group(path: Path, group: Any) -> h5py.Group:
    if not isinstance(group, h5py.Group) or not len(group):
        raise ModelError(f"{path}: not a netx file (it has no layers); ckd-export --to netx writes one")
    return group


def _value(dataset: Any) -> str:
    """A string as lava-dl writes it: alone, or as an array of one."""
    value = dataset[()] if isinstance(dataset, h5py.Dataset) else b""
    value = value[0] if getattr(value, "shape", ()) else value
    return value.decode("ascii", "replace") if isinstance(value, bytes) else ""
