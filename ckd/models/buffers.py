"""Arrays whose memory is used again: pages that are fresh from the system cost more than what fills them.

What is kept for later, together with what is in use, is never more than was in use at once.
"""

import math
from collections import deque
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

LEAST = 1 << 20
"""Bytes below which the C library keeps memory itself."""
ROOM = 1.25
"""How much larger than asked for memory may be that is used again."""

_lock = Lock()


class Buffers:
    """Memory by the block: in use, given back, and free for the next array that it fits."""

    def __init__(self) -> None:
        self.in_use = self.most = 0
        self.back: deque[NDArray[np.uint8]] = deque()
        self.free: list[NDArray[np.uint8]] = []

    def release(self) -> None:
        """Leave all that is not in use to the system."""
        while self.back:
            self.in_use -= self.back.popleft().nbytes
        self.free.clear()
        self.most = self.in_use

    def take(self, size: int) -> NDArray[np.uint8]:
        """At least so many bytes, of any content; whoever has them puts them into `back` in the end."""
        while self.back:
            memory = self.back.popleft()
            self.in_use -= memory.nbytes
            self.free.append(memory)
        fitting = [i for i, memory in enumerate(self.free) if size <= memory.nbytes <= ROOM * size]
        if fitting:
            memory = self.free.pop(min(fitting, key=lambda i: self.free[i].nbytes))
        else:
            allowed = max(self.most, self.in_use + size)
            while self.free and self.in_use + size + sum(memory.nbytes for memory in self.free) > allowed:
                self.free.pop(0)
            memory = np.empty(size, np.uint8)
        self.in_use += memory.nbytes
        self.most = max(self.most, self.in_use)
        return memory


_buffers = Buffers()


class _Lent:
    """What an array refers to while it is in use, and all views of it, numpy's and torch's."""

    def __init__(self, memory: NDArray[np.uint8]) -> None:
        self.memory = memory
        self.__array_interface__ = memory.__array_interface__

    def __del__(self, back: deque[NDArray[np.uint8]] = _buffers.back) -> None:
        # No lock: this may happen at any time, even within `take`.
        back.append(self.memory)


def release() -> None:
    """Leave what is kept for later arrays to the system: at the end of a training."""
    with _lock:
        _buffers.release()


def empty(shape: tuple[int, ...], dtype: DTypeLike = np.float32) -> NDArray[Any]:
    """`numpy.empty`, whose memory goes to a later array of about the size once nothing refers to this one."""
    size = math.prod(shape) * np.dtype(dtype).itemsize
    if size < LEAST:
        return np.empty(shape, dtype)
    with _lock:
        lent = _Lent(_buffers.take(size))
    return np.asarray(lent)[:size].view(dtype).reshape(shape)
