"""A module from the name of what makes it, and its weights from a file."""

import pickle
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ckd.config.factories import make_by_name, told
from export.modules.libraries.table import states_of
from export.modules.refusal import ModuleRefusedError

WEIGHTS_IN = ("state_dict", "model_state_dict", "model", "net")
"""Where checkpoints keep a state dict beside other things."""
PARALLEL = "module."
"""What torch.nn.DataParallel puts before every name."""
NO_PICKLE = (EOFError, KeyError, IndexError)
"""What torch.load raises of a text."""


def make_module(name: str) -> nn.Module:
    """Call PACKAGE.MODULE:FACTORY without arguments.

    Raises:
        ConfigError: there is none, or it raises.
        ModuleRefusedError: it gives no module.
    """
    made = make_by_name(name, "module", {})
    if not isinstance(made, nn.Module):
        raise ModuleRefusedError(f"module {name}: gives a {type(made).__name__}; let it give a torch.nn.Module")
    return made


def load_weights(module: nn.Module, path: Path) -> None:
    """Load a state dict, read without running what a pickle may hold.

    Raises:
        ModuleRefusedError: not such a file, or not of this module.
    """
    weights = _read(path)
    for key in WEIGHTS_IN:
        if isinstance(weights.get(key), dict):
            weights = weights[key]
            break
    odd = [key for key, value in weights.items() if not isinstance(value, Tensor)]
    if odd or not weights:
        raise ModuleRefusedError(f"{path}: holds {odd[:1] or 'nothing'}, which is no tensor; save module.state_dict()")
    if all(key.startswith(PARALLEL) for key in weights):
        weights = {key.removeprefix(PARALLEL): value for key, value in weights.items()}
    # The state in which training left the neurons is of other recordings, and often of another size.
    kept = {key: value for key, value in weights.items() if key not in states_of(module)}
    own = set(module.state_dict()) - states_of(module)
    for what, names in (("lacks", own - set(kept)), ("holds", set(kept) - own)):
        if names:
            known = "which the module does not have" if what == "holds" else "which the module has"
            raise ModuleRefusedError(f"{path}: {what} {sorted(names)[0]}, {known}; give the weights of this module")
    try:
        module.load_state_dict(kept, strict=False)
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1].strip()
        raise ModuleRefusedError(f"{path}: does not fit the module: {reason}") from None


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise ModuleRefusedError(f"{path}: no such file of weights")
    try:
        if path.suffix == ".safetensors":
            return import_module("safetensors.torch").load_file(path)
        weights = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, ValueError, OSError, *NO_PICKLE) as error:
        odd = isinstance(error, (pickle.UnpicklingError, *NO_PICKLE))
        said = "more than tensors, or no weights at all" if odd else told(error)
        raise ModuleRefusedError(f"{path}: holds {said}; save module.state_dict() with torch.save") from None
    except Exception as error:
        # safetensors has an exception of its own, which derives from no other.
        raise ModuleRefusedError(f"{path}: cannot be read: {told(error)}") from None
    if not isinstance(weights, dict):
        raise ModuleRefusedError(f"{path}: holds a {type(weights).__name__}; save module.state_dict()")
    return weights
