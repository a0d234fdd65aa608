"""Runs that refuse algorithms whose result may vary."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def deterministic_algorithms(wanted: bool) -> Iterator[None]:
    """Where `wanted`, torch refuses such algorithms within this block; afterwards it is as before."""
    if not wanted:
        yield
        return
    # cuBLAS asks for this variable before it promises the same result twice.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)
