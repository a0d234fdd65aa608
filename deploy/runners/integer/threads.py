"""Recordings shared out among threads: they do not touch each other, so their number changes no result."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import numba

SLICES_PER_THREAD = 4
"""More slices than threads, so that a thread whose recordings are quiet takes over some of the others'."""


def for_slices(work: Callable[[slice], None], recordings: int) -> None:
    """Call work(slice) for slices that cover the recordings, on as many threads as numba may use."""
    threads = min(recordings, numba.get_num_threads())
    if threads <= 1:
        work(slice(0, recordings))
        return
    count = min(recordings, threads * SLICES_PER_THREAD)
    edges = [recordings * i // count for i in range(count + 1)]
    list(_pool(threads).map(work, map(slice, edges, edges[1:])))


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, "ckd-integer")


# A forked process has none of the threads.
os.register_at_fork(after_in_child=_pool.cache_clear)
