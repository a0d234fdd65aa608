"""What a data set from outside may hold wrongly, each refused by one line before a run begins."""

from dataclasses import replace

import pytest

from ckd.config import load_preset
from ckd.data.material import prepare
from ckd.errors import CkdError
from tests.ckd.data.test_own import TINY
from tests.ckd.outside import Write, write

__all__ = ["write"]

SETTING = """
import numpy as np
from ckd.data.own import OwnData

def good(t=1, x=None, y=None, p=1, seed=0):
    events = np.zeros(400, [("t", float), ("x", np.int64), ("y", np.int64), ("p", np.int8)])
    events["t"], events["x"], events["y"], events["p"] = np.arange(400) * 1000, 3, 3, p
    if t != 1: events["t"] *= t
    if x is not None: events["x"][7] = x
    if y is not None: events["y"][7] = y
    if seed is None: events["x"] = np.random.randint(0, 26, 400)
    return events if t in (1e-6, 1e-3) or np.isnan(t) else events.astype([("t", int), *events.dtype.descr[1:]])

def half(content): return [(content, 0), (good(), 1)] * 9
class Q:
    def __len__(self): return 18
    def __getitem__(self, row): return good(), row % 2
picture = np.zeros((20, 20), np.uint8)

CLASS

def make():
    fields = {"recordings": P() if issubclass(P, Q) else half(good()), "images": [(picture, 0), (picture, 1)] * 9}
    return OwnData(**fields | {key: value for key, value in vars(P).items() if key in OwnData.__annotations__})
"""
"""Eighteen good recordings of two classes, with images; `CLASS` says what is another."""

BAD = [
    ("class P: recordings = [(good(), 0), (good(), 2)] * 9", "class '1' has no recordings"),
    ("class P(Q): classes = ('a', 'b', 'c')", "class 'c' has no recordings"),
    ("class P(Q): classes = ('a',)", "recording 1: has the label 1, which is none of the classes"),
    ("class P: recordings = [(good(), -1)] * 9", "recording 0: has the label -1, which is none"),
    (
        "class P: recordings = [(good(), 0.5)] * 9",
        "recording 0: has the label 0.5; it must be a whole number or a name",
    ),
    ("class P: recordings = [(good(), [0, 1])] * 9", "recording 0: has the label [0, 1]; it must be"),
    ("class P: recordings = [good()] * 9", "recording 0: is a ndarray; it must be a pair"),
    ("class P: recordings = []", "returned no recordings; does it read the right folder"),
    ("class P: recordings = 3", "returned a int as recordings; it must be a data set"),
    ("class P: recordings = np.zeros((9, 4, 2, 26, 26))", "returned recordings without labels"),
    (
        "class P: recordings = (np.zeros((9, 4, 2, 26, 26)), np.zeros(8, int))",
        "are 9, but their labels have shape (8,)",
    ),
    ("class P: recordings = half(good()[['t', 'x', 'y']])", "have no field 'p'; they have t, x, y, of x, y, t, p"),
    ("class P: recordings = half(np.zeros((50, 4)))", "must be frames of shape (4, 2, 26, 26), and has (50, 4)"),
    ("class P: recordings = half(np.ones((9, 2, 34, 34)))", "has (9, 2, 34, 34); give --time-steps 9 --size 34"),
    ("class P: recordings = half(np.full((4, 2, 26, 26), 0.5))", "its frames hold 0.5 to 0.5; they must be counts"),
    ("class P: recordings = half(np.zeros((4, 2, 26, 26)))", "holds no events"),
    ("class P: recordings = half(good()[:0])", "holds no events; nothing can be classified from it, leave it out"),
    ("class P: recordings = half('text')", "is a str; it must be an array of events or of frames"),
    ("class P: recordings = half(good(x=26))", "outside the sensor, the first at x=26, y=3; allowed are 0 <= x < 26"),
    ("class P: recordings = half(good(y=-1))", "events lie outside the sensor, the first at x=3, y=-1"),
    ("class P: recordings = half(good(x=65536 + 4))", "events lie outside the sensor, the first at x=65540"),
    ("class P: recordings = half(good(p=2))", "has the polarity p=2; allowed are 1 (rising), and 0 or -1"),
    ("class P: recordings = half(good(t=1e-6))", "holds fractions, the first 0.001; are its times in seconds"),
    (
        "class P: recordings = half(good(t=1e-3))",
        "recordings last 399 us or less, and a step lasts 80000 us; are their times in sec",
    ),
    (
        "class P: recordings = half(good(t=1000))",
        "recordings last 399000000 us or more, of which --time-steps and --step-us show 320000; are",
    ),
    ("class P: recordings = half(good(t=np.nan))", "its field 't' holds float64s that are no whole numbers"),
    ("class P(Q): sensor_size = (34, 30, 2)", "30 x 34 pixels, the configuration one of 26 x 26; give --sensor 30 34"),
    ("class P(Q): sensor_size = (34, 34, 2)", "give --size 34, or --sensor 34 34"),
    (
        "class P(Q):\n  def __getitem__(self, row): return open('absent'), 0",
        "recording 0: cannot be read, FileNotFoundError",
    ),
    (
        "class P(Q):\n  def __getitem__(self, row): return good(seed=None), row % 2",
        "is another one when it is read again",
    ),
    (
        "class P(Q):\n  targets, data = [0, 1] * 9, list('abcdefghijklmnopqr')\n"
        "  def __getitem__(self, row): return good(), 0",
        "has the label 0, but its data set lists 1",
    ),
    ("class P: images = None", "recordings without images, which distillation needs; add images, or give"),
    ("class P: images = [(picture, 0)] * 9", "class '1' has no still to train on; add images"),
    ("class P: images = [(picture, 0), (picture, 7)]", "image 1: has the label 7, which is none of the classes"),
    ("class P: images = (np.full((9, 20, 20), 3.0), np.arange(9) % 2)", "image 0: its values leave what is allowed"),
    (
        "class P: images = [(np.zeros((2, 20, 20)), 0)] * 9",
        "image 0: has shape (2, 20, 20) and type float64; an image is",
    ),
    ("class P: images = [('text', 0)] * 9", "image 0: has shape () and type <U4; an image is"),
    ("class P: originals = [1, 2]", "its originals have shape (2,) and type int64; they must be 18 whole numbers"),
    ("class P: classes = ['a', 'a']", "two classes of the name 'a'"),
]


@pytest.mark.parametrize(("code", "said"), BAD)
def test_what_cannot_be_trained_on_is_one_line_before_training(code: str, said: str, write: Write) -> None:
    name = write(SETTING.replace("CLASS", code))
    with pytest.raises(CkdError) as caught:
        prepare(replace(TINY, dataset=f"{name}:make"), load_preset("digits").method, seed=0)
    message = str(caught.value)
    assert said in message and "\n" not in message and (f"--dataset {name}:make" in message or "class '1'" in message)


def test_the_setting_of_the_refusals_is_itself_good(write: Write) -> None:
    name = write(SETTING.replace("CLASS", "class P: ..."))
    material = prepare(replace(TINY, dataset=f"{name}:make"), load_preset("digits").method, seed=0)
    assert material.pool is not None and material.frames["test"][:].sum() > 0
