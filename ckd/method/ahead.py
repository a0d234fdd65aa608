"""The next thing is made while the last one is used."""

from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Made = TypeVar("Made")


def made_ahead(make: Callable[[int], Made], iterations: range) -> Generator[Made]:
    """What `make` gives for each iteration, in order; a thread is one iteration ahead of whoever takes it.

    NumPy and PyTorch let other threads work while they compute or read. `make` must depend on its iteration alone, so
    that what it gives does not depend on when it is called. What it raises is raised where the result would come; a
    generator that is closed waits for the call that is under way.
    """
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="batches") as worker:
        coming = worker.submit(make, iterations[0]) if iterations else None
        for iteration in iterations:
            assert coming is not None
            made = coming.result()
            coming = worker.submit(make, iteration + 1) if iteration + 1 in iterations else None
            yield made
