"""Batches made while the step runs are those that were made one after the other."""

import threading
import time
from collections.abc import Callable
from dataclasses import fields, replace

import numpy as np
import pytest
import torch

from ckd.config import Augment, load_preset
from ckd.data.material import prepare
from ckd.data.stored import FrameFile
from ckd.method.ahead import made_ahead
from ckd.method.batches import Batch, BatchMaker


def test_they_come_in_order_from_a_thread_that_is_one_ahead() -> None:
    made: list[int] = []

    def make(iteration: int) -> tuple[int, str]:
        made.append(iteration)
        return iteration, threading.current_thread().name

    coming = made_ahead(make, range(3, 8))
    assert next(coming)[0] == 3
    until(lambda: made == [3, 4])
    found = list(coming)
    assert [number for number, _ in found] == [4, 5, 6, 7] == made[1:]
    assert all(name.startswith("batches") for _, name in found)
    assert list(made_ahead(make, range(5, 5))) == []


def until(true: Callable[[], bool]) -> None:
    give_up = time.monotonic() + 30
    while not true():
        assert time.monotonic() < give_up
        time.sleep(0.01)


def test_what_making_one_raises_is_raised_in_its_place_and_the_thread_ends() -> None:
    def make(iteration: int) -> int:
        if iteration == 2:
            raise OSError("no such frames")
        return iteration

    before = threading.active_count()
    coming = made_ahead(make, range(5))
    assert [next(coming), next(coming)] == [0, 1]
    with pytest.raises(OSError, match="no such frames"):
        next(coming)
    assert threading.active_count() == before
    left = made_ahead(make, range(2))
    next(left)
    left.close()
    assert threading.active_count() == before


def test_batches_of_frames_on_disk_made_ahead_are_those_of_frames_in_memory_to_the_byte() -> None:
    config = load_preset("digits")
    augment = Augment(roll=2, rotate=10, drop_events=0.2, time_jitter=0.1, event_mix=0.3)
    method = replace(config.method, static_input="camera", replacement="sliding")
    data = replace(config.data, films=40, labels_per_class=2)
    config = replace(config, data=data, method=method, augment=augment)
    material = prepare(config.data, config.method, seed=0)
    pool = material.pool
    assert isinstance(material.frames["train"], FrameFile) and pool is not None and isinstance(pool.films, FrameFile)
    here = torch.device("cpu")
    in_memory = replace(
        material,
        frames={part: np.asarray(frames) for part, frames in material.frames.items()},
        pool=replace(pool, films=np.asarray(pool.films)),
    )
    one, other = BatchMaker.of(material, config, device=here), BatchMaker.of(in_memory, config, device=here)
    ahead = made_ahead(lambda iteration: one(iteration, replacement=0.3), range(2, 6))
    for iteration, batch in zip(range(2, 6), ahead, strict=True):
        expected = other(iteration, replacement=0.3)
        assert float(batch.event.sum()) > 1000
        for field in fields(Batch):
            mine, theirs = getattr(batch, field.name), getattr(expected, field.name)
            assert mine.numpy().tobytes() == theirs.numpy().tobytes(), field.name
