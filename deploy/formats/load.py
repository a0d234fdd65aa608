"""Model files of any format: a .nir file becomes a `Network`; in others the file itself is what runs, a `ModelFile`."""

from importlib import import_module
from pathlib import Path

from deploy.errors import ModelError
from deploy.formats.model_file import ModelFile
from deploy.network import Network

FORMATS = {".onnx": "deploy.formats.onnx", ".net": "deploy.formats.netx"}
"""By ending, the package whose `read` takes such a file."""


def load_model(
    path: Path, *, dt: float | None = None, step_us: int | None = None, steps: int | None = None
) -> Network | ModelFile:
    """Read a model file by its ending: .nir, .onnx or .net; anything else is taken for NIR.

    Args:
        path: the file.
        dt, step_us, steps: as for `deploy.formats.nir.read_nir`; an .onnx or .net file says them itself.

    Raises:
        ModelError: missing, damaged, or not written by ckd-export.
        UnsupportedError: something that cannot be run as it stands.
    """
    path = Path(path)
    if path.suffix not in FORMATS:
        from deploy.formats.nir import read_nir

        return read_nir(path, dt=dt, step_us=step_us, steps=steps)
    if (dt, step_us, steps) != (None, None, None):
        raise ModelError(f"{path}: a {path.suffix} file says its own step; leave out --dt, --step-us and --steps")
    if not path.is_file():
        raise ModelError(f"{path}: no such file; ckd-export --to {path.suffix[1:].replace('net', 'netx')} writes one")
    return import_module(FORMATS[path.suffix]).read(path)
