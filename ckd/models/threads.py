"""Compiled kernels shared out among torch's threads."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch


def share(kernel: Callable[..., None], parts: int, *arguments: Any, least: int = 1) -> None:
    """Call kernel(begin, end, *arguments) for ranges that cover the parts, one a torch thread, of `least` or more."""
    threads = min(torch.get_num_threads(), max(1, parts // least))
    if threads == 1:
        kernel(0, parts, *arguments)
        return
    bounds = [parts * i // threads for i in range(threads + 1)]
    with ThreadPoolExecutor(threads) as pool:
        running = [pool.submit(kernel, bounds[i], bounds[i + 1], *arguments) for i in range(threads)]
    for part in running:
        part.result()
