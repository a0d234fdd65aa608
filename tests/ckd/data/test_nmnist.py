"""Real recordings: N-MNIST beside the MNIST images that it filmed."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ckd.config import Data, load_preset
from ckd.data.camera import Camera, film_frames
from ckd.data.nmnist import NMNIST
from ckd.data.sources import open_source
from ckd.data.split import make_split, training_stills

ROOT = Path(os.environ.get("CKD_DATA", Path(__file__).parents[4] / "shared" / "data"))
pytestmark = pytest.mark.skipif(not (ROOT / "nmnist").is_dir(), reason=f"no N-MNIST recordings in {ROOT}")


@pytest.fixture(scope="module")
def data() -> Data:
    return replace(load_preset("nmnist").data, data_root=str(ROOT))


@pytest.fixture(scope="module")
def source(data: Data) -> NMNIST:
    source = open_source(data)
    assert isinstance(source, NMNIST)
    return source


def test_every_recording_has_the_class_of_the_image_that_it_filmed(source: NMNIST) -> None:
    stills = source.stills()
    assert len(source.names) == 800 and len(stills) == 59_800
    assert np.array_equal(stills.labels[source.image_ids], source.labels)


def test_no_still_of_a_validation_or_test_recording_is_seen(source: NMNIST, data: Data) -> None:
    split = make_split(source, data, seed=0)
    assert (len(split.train), len(split.validation), len(split.test)) == (100, 100, 300)
    held_out = source.image_ids[np.concatenate([split.rows("validation", source), split.rows("test", source)])]
    stills = training_stills(source.stills(), source, split)
    assert len(stills) == 59_800 - 400 and not set(held_out) & set(stills.image_ids)


def test_our_camera_films_what_the_real_one_filmed(source: NMNIST) -> None:
    rows = np.arange(0, 800, 40)
    real = source.frames(rows)[:].astype(float)
    camera = Camera(stretch_spread=0, start_spread=0)
    images = source.stills().take(source.image_ids[rows]).darkness()
    filmed = film_frames(images, camera, source.binning, seed=(0,), ids=rows).astype(float)
    # Where events lie, all steps together, one pixel of alignment apart at most; 0.93 was measured for counts.
    spatial = [
        np.corrcoef(a.sum((0, 1)).ravel(), b.sum((0, 1)).ravel())[0, 1] for a, b in zip(real, filmed, strict=True)
    ]
    others = [
        np.corrcoef(a.sum((0, 1)).ravel(), b.sum((0, 1)).ravel())[0, 1] for a, b in zip(real, filmed[::-1], strict=True)
    ]
    assert np.mean(spatial) > 0.8 > np.mean(others) + 0.2
