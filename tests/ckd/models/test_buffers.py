"""Memory is used again, never while anything refers to it, and no more is kept than was in use at once."""

import threading

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ckd.models import buffers
from ckd.models.buffers import LEAST, Buffers, empty


def test_memory_that_nobody_refers_to_is_used_again() -> None:
    first = empty((3, LEAST), np.int32)
    place = first.ctypes.data
    del first
    again = empty((LEAST, 3))
    assert again.ctypes.data == place and again.shape == (LEAST, 3) and again.dtype == np.float32


def test_what_a_view_or_a_tensor_refers_to_stays() -> None:
    row = empty((2, LEAST))[1]
    tensor = torch.from_numpy(empty((2, LEAST))).permute(1, 0)[5:]
    row[:], tensor[:] = 1, 2
    others = [empty((2, LEAST)) for _ in range(3)]
    for other in others:
        other[:] = 3
    assert (row == 1).all() and (tensor == 2).all()


def test_released_memory_is_no_longer_kept() -> None:
    pool = Buffers()
    first, second = pool.take(1000), pool.take(2000)
    pool.back.append(first)
    pool.release()
    assert not pool.free and pool.in_use == pool.most == second.nbytes


def test_small_arrays_are_numpys_own() -> None:
    assert isinstance(empty((LEAST // 4 - 1,)).base, type(None))
    assert empty((0, 5)).size == 0


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 9), st.integers(0, 4)), min_size=1, max_size=40))
def test_no_more_is_kept_than_was_in_use_at_once(orders: list[tuple[int, int]]) -> None:
    pool, used = Buffers(), []
    for size, given_back in orders:
        for _ in range(min(given_back, len(used))):
            pool.back.append(used.pop(0))
        used.append(pool.take(100 * size))
        assert 100 * size <= used[-1].nbytes <= buffers.ROOM * 100 * size
        assert pool.in_use == sum(memory.nbytes for memory in used) <= pool.most
        assert pool.in_use + sum(memory.nbytes for memory in pool.free) <= pool.most
        assert len({memory.ctypes.data for memory in [*used, *pool.free]}) == len(used) + len(pool.free)


def test_threads_never_get_the_same_memory() -> None:
    wrong: list[int] = []

    def work(number: int) -> None:
        for _ in range(50):
            mine = empty((LEAST // 4 + number,))
            mine[:] = number
            wrong.extend(() if (mine == number).all() else (number,))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
