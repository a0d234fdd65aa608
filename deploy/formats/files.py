"""`load` and `save`: files to networks and back, by their ending. A new format is one folder and one row here."""

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from ckd.files import one_line
from deploy.errors import DeployError, ModelError
from deploy.formats.model_file import ModelFile
from deploy.network import Network
from deploy.zoo import zoo_path


@dataclass(frozen=True, kw_only=True)
class Format:
    """A kind of file: its ending, and "module:function" of `deploy.formats` that reads and writes it."""

    ending: str
    read: str
    write: str
    export: str
    """What `ckd-export --to` calls it."""
    says_step: bool
    """Whether a file always says the length of a step itself."""


FORMATS = {
    known.ending: known
    for known in (
        Format(ending=".nir", read="nir.reader:read_nir", write="nir.writer:write_nir", export="nir", says_step=False),
        Format(ending=".onnx", read="onnx.reader:read", write="onnx.writer:write_onnx", export="onnx", says_step=True),
        Format(ending=".net", read="netx.reader:read", write="netx.writer:write_netx", export="netx", says_step=False),
    )
}
"""By ending; a file of any other ending is taken for NIR."""


def load(
    path: Path | str,
    *,
    dt: float | None = None,
    step_us: int | None = None,
    steps: int | None = None,
    reset: str | None = None,
    reset_delay: bool = False,
) -> Network | ModelFile:
    """Read a model file.

    Args:
        path: its ending names the format, one of `FORMATS`; any other is taken for NIR. Or zoo:NAME (`deploy.zoo`).
        dt: seconds a step, where the file does not say it. step_us: the same in microseconds. steps: of a recording.
        reset: what a spike does to the potential ("zero", "subtract", "none"), where the file does not say it.
        reset_delay: whether that comes in the step after the spike, as snnTorch's default has it.

    Returns:
        the network; of a format that only its own simulator runs, the file itself.

    Raises:
        ModelError: missing, damaged, or by another tool where only files of ckd-export are read.
        UnsupportedError: something that cannot be run as it stands.
    """
    path = zoo_path(path)
    known = FORMATS.get(path.suffix, FORMATS[".nir"])
    said: dict[str, Any] = {"dt": dt, "step_us": step_us, "steps": steps, "reset": reset, "reset_delay": reset_delay}
    if known.says_step:
        if any(said.values()):
            raise ModelError(
                f"{path}: a {path.suffix} file says its own step and resets; leave out --dt, --step-us, --steps "
                "and --reset"
            )
        said = {}
    if path.is_dir():
        found = next((path / f"student{ending}" for ending in FORMATS if (path / f"student{ending}").is_file()), None)
        way_out = f"give {found}" if found else f"ckd-export --to nir {path} writes one where it is a run's"
        raise ModelError(f"{path}: is a folder, not a model file; {way_out}")
    if not path.is_file():
        raise ModelError(f"{path}: no such model file; ckd-export --to {known.export} writes one")
    try:
        return _function(known.read)(path, **said)
    except DeployError as error:
        said_of = str(error) if str(path) in str(error) else f"{path}: {error}"
        raise type(error)(one_line(said_of)) from error


def load_network(path: Path | str, **said: Any) -> Network:
    """`load` where a network is needed: a file that only its own simulator runs is refused.

    Raises:
        ModelError, UnsupportedError: as `load`.
    """
    found = load(path, **said)
    if isinstance(found, ModelFile):
        raise ModelError(f"{path}: runs on {found.runner} alone and is no network here; give its .nir file")
    return found


def save(network: Network, path: Path | str) -> None:
    """Write a network to a file of the format that its ending names; a crash leaves no half-written file behind.

    Raises:
        ModelError: an ending of no known format.
        UnsupportedError, GridError: something that the format cannot say, by name.
    """
    path = Path(path)
    if path.suffix not in FORMATS:
        raise ModelError(f"{path}: a network is saved as {', '.join(FORMATS)}; give a name that ends so")
    _function(FORMATS[path.suffix].write)(network, path)


def _function(named: str) -> Any:
    module, _, function = named.partition(":")
    return getattr(import_module(f"deploy.formats.{module}"), function)
