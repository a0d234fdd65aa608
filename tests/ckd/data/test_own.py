"""Data sets from outside: what tonic's own code says of them, and what is refused before a run begins."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ckd.config import Data, load_preset
from ckd.data.base import Source
from ckd.data.nmnist import NMNIST
from ckd.data.sources import open_source
from ckd.data.split import make_split
from ckd.errors import DatasetError
from ckd.events import write_recording
from tests.ckd.outside import DATA, Write, write
from tests.setting import DATA as REAL
from tests.setting import need_nmnist

__all__ = ["write"]

TONIC = """
    import tonic.datasets
    class NMNIST(tonic.datasets.NMNIST):
        def _check_exists(self):
            return True  # or tonic fetches all 70,000
    def nmnist(data_root):
        return NMNIST(str(data_root))
    def framed(data_root):
        frames = tonic.transforms.ToFrame(NMNIST.sensor_size, time_window=40_000, include_incomplete=True)
        first = tonic.transforms.Compose([frames, lambda counts: counts[:7]])
        return NMNIST(str(data_root), transform=first)
"""
TINY = replace(
    load_preset("digits").data, size=26, time_steps=4, step_us=80_000, labels_per_class=2, validation_per_class=2,
    test_per_class=3,
)  # fmt: skip


def opened(dataset: str, data: Data = TINY, **values: Any) -> Source:
    return open_source(replace(data, dataset=dataset, **values))


@pytest.fixture
def digits(tmp_path: Path) -> Path:
    """Six recordings of each digit in N-MNIST's format and folders, filmed by our camera model."""
    from ckd.data.camera import Camera, film

    pytest.importorskip("tonic", reason="the extra `events` is not installed")
    rng = np.random.default_rng(0)
    for label in range(10):
        for i in range(6):
            events = film(rng.random((16, 16), np.float32), Camera(), np.random.default_rng((label, i)))
            write_recording(tmp_path / "NMNIST" / "Train" / str(label) / f"{10 * i + label:05}.bin", events)
    return tmp_path


def test_a_data_set_of_tonics_is_read_as_it_is(digits: Path, write: Write) -> None:
    import tonic

    source = opened(f"{write(TONIC)}:nmnist", data_root=str(digits), size=34)
    assert source.classes == tuple(tonic.datasets.NMNIST.classes) and source.classes[3] == "3 - three"
    assert source.labels.tolist() == sorted(source.labels.tolist()) and len(set(source.names)) == 60
    assert source.names[0] == "0 - zero/0/00000.bin"
    # Counted by tonic's own transform: whole steps from the first event on, cut to ones.
    frames = source.frames(np.array([5, 41]))[:]
    to_frame = tonic.transforms.ToFrame((34, 34, 2), time_window=TINY.step_us, include_incomplete=True)
    for found, row in zip(frames, (5, 41), strict=True):
        path = digits / "NMNIST" / "Train" / source.names[row].split("/", 1)[1]
        expected = np.minimum(to_frame(tonic.io.read_mnist_file(str(path), dtype=tonic.datasets.NMNIST.dtype)), 1)
        steps = min(len(expected), TINY.time_steps)
        assert found.sum() > 500 and np.array_equal(found[:steps], expected[:steps])


def test_frames_that_tonic_counted_are_those_that_we_count(digits: Path, write: Write) -> None:
    name, data = write(TONIC), replace(TINY, size=34, time_steps=7, step_us=40_000, max_count=5, data_root=str(digits))
    events, framed = (opened(f"{name}:{factory}", data) for factory in ("nmnist", "framed"))
    rows = np.array([0, 17, 58])
    assert framed.frames(rows)[:].max() == 5
    assert np.array_equal(events.frames(rows), framed.frames(rows))


def test_real_recordings_through_tonic_are_those_that_we_read(write: Write) -> None:
    need_nmnist()
    pytest.importorskip("tonic", reason="the extra `events` is not installed")
    ours = NMNIST(replace(load_preset("nmnist").data, data_root=str(REAL)))
    theirs = opened(f"{write(TONIC)}:nmnist", load_preset("nmnist").data, data_root=str(REAL / "nmnist"))
    assert [name.split("/", 1)[1] for name in theirs.names] == list(ours.names)
    rows = np.arange(0, len(ours.names), 37)
    assert len(rows) > 20 and np.array_equal(theirs.frames(rows), ours.frames(rows))


def test_any_data_set_of_events_and_labels_is_read_and_split(write: Write) -> None:
    name = write(DATA)
    source = opened(f"{name}:both")
    assert source.classes == ("high", "wide") and source.labels.tolist() == [0, 1] * 12
    frames = source.frames(np.array([0, 1]))[:]
    assert frames.dtype == np.uint8 and frames[0, :, :, :, :11].sum() == 0 and frames[1, :, :, :11].sum() == 0
    stills = source.stills()
    assert stills.images.shape == (40, 1, 20, 20) and stills.labels.tolist() == [0, 1] * 20
    assert not set(stills.image_ids) & set(source.image_ids)
    split = make_split(source, TINY, seed=0)
    assert split == make_split(opened(f"{name}:both"), TINY, seed=0) and len(split.test) == 6


def test_recordings_are_found_by_what_they_hold_and_missed_where_it_changed(write: Write) -> None:
    name = write(
        DATA
        + """
    class Turned(Bars):
        def __getitem__(self, row):
            return super().__getitem__(23 - row)
    class Other(Bars):
        def __getitem__(self, row):
            return super().__getitem__(row + 2)
    """
    )
    source, turned, other = (opened(f"{name}:{kind}") for kind in ("Bars", "Turned", "Other"))
    split = make_split(source, TINY, seed=0)
    assert split.rows("test", source).tolist() == [23 - row for row in split.rows("test", turned)]
    assert np.array_equal(source.frames(split.rows("test", source)), turned.frames(split.rows("test", turned)))
    missed = next(
        part for part in ("train", "validation", "test") for n in getattr(split, part) if n in source.names[:2]
    )
    with pytest.raises(DatasetError, match="recordings of this run's split are gone"):
        split.rows(missed, other)


def test_arrays_tensors_names_and_originals(write: Write) -> None:
    name = write("""
        import numpy as np, torch
        from ckd.data.own import OwnData
        rng = np.random.default_rng(0)
        frames = (rng.random((24, 4, 2, 26, 26)) < 0.1).astype(np.uint8)
        labels = np.arange(24) % 2
        def arrays(): return frames, labels
        def tensors(): return torch.utils.data.TensorDataset(torch.from_numpy(frames).float(), torch.from_numpy(labels))
        def named():
            words = ["cat", "dog"]
            return [(frame, words[label]) for frame, label in zip(frames, labels)]
        def paired():
            images = rng.random((12, 3, 60, 60))
            return OwnData(recordings=arrays(), images=(images, labels[:12]), originals=np.arange(24) % 12)
    """)
    sources = [opened(f"{name}:{kind}") for kind in ("arrays", "tensors", "named", "paired")]
    assert [source.classes for source in sources] == [("0", "1"), ("0", "1"), ("cat", "dog"), ("0", "1")]
    rows = np.arange(24)
    for source in sources:
        assert source.frames(rows)[:].sum() > 9000 and np.array_equal(source.frames(rows), sources[0].frames(rows))
        assert source.labels.tolist() == [0, 1] * 12
    paired = sources[3]
    assert paired.stills().images.shape == (12, 3, 26, 26)  # larger than the frames
    split = make_split(paired, replace(TINY, labels_per_class=1, validation_per_class=1, test_per_class=2), seed=0)
    shown = {part: set(paired.image_ids[split.rows(part, paired)]) for part in ("train", "validation", "test")}
    assert len(split.test) == 8 and not shown["train"] & shown["test"] and not shown["validation"] & shown["test"]


def test_images_of_every_form_become_the_same_stills(write: Write) -> None:
    name = write(
        DATA
        + """
    import torch
    from PIL import Image
    def given(form):
        images, labels = stills()
        return Bars(), [(form(image), int(label)) for image, label in zip(images, labels)]
    def pillow(): return given(Image.fromarray)
    def floats(): return given(lambda image: torch.from_numpy(image)[None].float() / 255)
    def last(): return given(lambda image: image[:, :, None])
    """
    )
    expected = opened(f"{name}:both").stills()
    assert expected.images.max() > 200
    for kind in ("pillow", "floats", "last"):
        found = opened(f"{name}:{kind}").stills()
        assert np.array_equal(found.images, expected.images) and np.array_equal(found.labels, expected.labels)


def test_images_and_recordings_match_by_the_names_of_their_classes(write: Write) -> None:
    name = write(
        DATA
        + """
    class Images(list):
        classes = ["wide", "high"]
    class Others(list):
        classes = ["broad", "high"]
    def turned():
        images, labels = stills()
        return Bars(), Images((image, 1 - int(label)) for image, label in zip(images, labels))
    def other():
        return Bars(), Others(turned()[1])
    """
    )
    assert opened(f"{name}:turned").stills().labels.tolist() == [0, 1] * 20
    with pytest.raises(DatasetError, match="name their classes otherwise, 'broad' is in one alone"):
        opened(f"{name}:other").stills()


def test_a_folder_is_asked_for_where_the_factory_reads_one(write: Write, tmp_path: Path) -> None:
    name = write(
        TONIC.replace("import tonic.datasets", "").split("class")[0] + "\ndef make(data_root): ...\ndef none(): ..."
    )
    with pytest.raises(DatasetError, match="give --data-root DIR"):
        opened(f"{name}:make")
    with pytest.raises(DatasetError, match="no such folder"):
        opened(f"{name}:make", data_root=str(tmp_path / "absent"))
    with pytest.raises(DatasetError, match="has no parameter data_root"):
        opened(f"{name}:none", data_root=str(tmp_path))
