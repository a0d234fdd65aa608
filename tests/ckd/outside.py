"""Modules of a user's own in the current folder, with a student and data sets that train in seconds."""

import sys
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from textwrap import dedent

import pytest

Write = Callable[[str], str]
_NUMBERS = count()

STUDENT = """
    import snntorch as snn
    import torch
    from torch import nn

    class Net(nn.Module):
        def __init__(self, classes=10):
            super().__init__()
            self.conv = nn.Conv2d(2, 4, 3, stride=3)
            self.norm = nn.BatchNorm2d(4)
            self.lif = snn.Leaky(beta=0.5, threshold=0.3, reset_mechanism="zero", reset_delay=False)
            self.classifier = nn.Linear(4 * 8 * 8, classes)

        def forward(self, frames):
            v, logits = self.lif.init_leaky(), []
            for frame in frames:
                spikes, v = self.lif(self.norm(self.conv(frame)), v)
                logits.append(self.classifier(spikes.flatten(1)))
            return torch.stack(logits)
"""
"""For frames of 26 x 26 pixels, as `tests.ckd.conftest.TINY` has them."""

DATA = """
    import numpy as np
    from ckd.data.own import OwnData

    EVENT = np.dtype([("t", np.int64), ("x", np.int16), ("y", np.int16), ("p", bool)])

    class Bars:
        classes = ("high", "wide")
        sensor_size = (26, 26, 2)

        def __len__(self):
            return 24

        def __getitem__(self, row):
            rng = np.random.default_rng(row)
            events = np.zeros(400, EVENT)
            across, along = ("x", "y") if row % 2 == 0 else ("y", "x")
            events[across], events[along] = rng.integers(11, 15, 400), rng.integers(3, 23, 400)
            events["t"], events["p"] = np.sort(rng.integers(0, 300_000, 400)), rng.integers(0, 2, 400)
            return events, row % 2

    def stills():
        images = np.zeros((40, 20, 20), np.uint8)
        images[::2, 2:18, 8:12] = images[1::2, 8:12, 2:18] = 255
        return images + np.arange(40, dtype=np.uint8)[:, None, None], np.arange(40) % 2

    def both():
        return Bars(), stills()
"""
"""Twelve recordings of each of two classes, and twenty stills."""


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Writes the text of a module into the current folder; gives the module's name."""
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setattr(sys, "path", list(sys.path))
    known = set(sys.modules)

    def module(text: str) -> str:
        name = f"outside{next(_NUMBERS)}"
        (here / f"{name}.py").write_text(dedent(text))
        return name

    yield module
    for name in [name for name in sys.modules if name.startswith("outside") and name not in known]:
        del sys.modules[name]
