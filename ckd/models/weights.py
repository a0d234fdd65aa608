"""Weights on disk, as safetensors: read without running anything."""

from pathlib import Path
from typing import Any

from ckd.errors import RunError
from ckd.files import fill, write_then_rename


def write_weights(path: Path, state: dict[str, Any]) -> None:
    from safetensors.torch import save

    # Copies: the file keeps no two tensors in one memory, as tied weights are.
    content = save({name: value.detach().cpu().contiguous().clone() for name, value in state.items()})
    with write_then_rename(path) as temporary:
        fill(temporary, content)  # safetensors itself would write for nobody but this user to read


def read_weights(path: Path) -> dict[str, Any]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if not path.is_file():
        raise RunError(f"{path}: missing, or no file")
    try:
        return load_file(path)
    except (OSError, SafetensorError, MemoryError, ValueError, KeyError, AttributeError) as error:
        raise RunError(
            f"{path}: damaged, or no .safetensors ({error}); train the run again, or give another file"
        ) from None
