"""Recordings, stills and splits: what is read, what is filmed, what is refused."""

import dataclasses
import re
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args, get_type_hints

import numpy as np
import pytest
import torch

import ckd.data.camera
import ckd.events
from ckd.config import Augment, Config, config_from_dict, config_to_dict, load_preset, preset_names
from ckd.config.bounds import Bounds
from ckd.data.base import Stills
from ckd.data.cache import cached_frames, frames_of_a_run, source_files
from ckd.data.camera import Camera, film, film_frames, saccade_path
from ckd.data.digits import Digits
from ckd.data.filmed import filmed
from ckd.data.fitting import fitted
from ckd.data.material import StillPool
from ckd.data.sources import open_source
from ckd.data.split import make_split, training_stills
from ckd.data.stored import AnyFrames, FrameFile
from ckd.errors import ConfigError, DatasetError, RecordingError
from ckd.events import EVENT_DTYPE, Binning, read_recording, to_frames, write_recording
from ckd.method.batches import BatchMaker
from ckd.method.static import edge_input, placed, value_channel, value_input
from tests.ckd.data.aedat4 import aedat4

BAR = np.zeros((16, 16), np.float32)
BAR[2:14, 7:9] = 1


def test_a_moving_dark_bar_raises_light_behind_it_and_lowers_it_ahead() -> None:
    camera = Camera(path=((0.0, 0.0), (6.0, 0.0)), noise_hz=0, stretch_spread=0, start_spread=0)
    events = film(BAR, camera, np.random.default_rng(0))
    assert len(events) > 200
    rose, fell = events[events["p"] == 1], events[events["p"] == 0]
    for moment in (30_000, 45_000, 60_000):
        now = [part[abs(part["t"] - moment) < 5000]["x"].mean() for part in (rose, fell)]
        assert now[0] < now[1], "the bar moves to the right: light rises on its left"
    assert (np.diff(events["t"]) >= 0).all()


def test_a_still_that_rests_causes_noise_alone() -> None:
    camera = Camera(path=((0.0, 0.0), (0.0, 0.0)), noise_hz=20)
    expected = 20 * 0.105 * 34 * 34
    counts = [len(film(BAR, camera, np.random.default_rng(seed))) for seed in range(5)]
    assert np.mean(counts) == pytest.approx(expected, rel=0.05)


def test_the_path_visits_its_corners() -> None:
    camera = Camera(stretch_spread=0)
    path = saccade_path(camera, np.random.default_rng(0))
    assert path.shape == (315, 2)
    for segment, corner in enumerate(camera.path[1:]):
        np.testing.assert_allclose(path[105 * segment + 104], corner)


def test_a_film_depends_on_its_seed_and_id_alone() -> None:
    binning = Binning(step_us=40_000, steps=8, height=34, width=34)
    many = film_frames(np.stack([BAR, BAR]), Camera(), binning, seed=(1,), ids=np.array([5, 6]))
    one = film_frames(BAR[None], Camera(), binning, seed=(1,), ids=np.array([6]))
    assert np.array_equal(many[1], one[0]) and not np.array_equal(many[0], many[1])


def test_value_input_is_the_greatest_color_everywhere_and_always() -> None:
    image = torch.tensor([0.2, 0.7, 0.1])[None, :, None, None].expand(1, 3, 4, 4)
    frames = value_input(value_channel(image), 3)
    assert frames.shape == (3, 1, 2, 4, 4) and (frames == 0.7).all()


def test_edges_are_binary_frames_at_the_edges_of_the_still() -> None:
    still = placed(torch.from_numpy(BAR)[None, None], 34)
    frames = torch.stack([edge_input(still, 8, torch.Generator().manual_seed(seed)) for seed in range(20)])
    assert frames.shape == (20, 8, 1, 2, 34, 34) and set(frames.unique().tolist()) == {0.0, 1.0}
    rate = frames.mean((0, 1, 2, 3))
    assert rate[12:22, 13:21].mean() > 5 * rate[:5].mean()
    # Up to 2 % of pixels report without cause.
    assert 0.001 < rate[:5].mean() < 0.02


def test_split_parts_share_no_image_and_seeds_keep_their_test_set() -> None:
    config = load_preset("digits")
    source = open_source(config.data)
    three = make_split(source, config.data, seed=1)
    ten = make_split(source, replace(config.data, labels_per_class=10), seed=1)
    assert three.test == ten.test and three.validation == ten.validation and set(three.train) < set(ten.train)
    assert len(three.train) == 30 and len(three.test) == 400 and len(three.validation) == 100
    assert not set(three.train) & set(three.test) and not set(three.train) & set(three.validation)
    assert make_split(source, config.data, seed=2).test != three.test
    stills = training_stills(source.stills(), source, three)
    assert len(stills) == 1797 - 500
    rest = make_split(source, replace(config.data, labels_per_class=None), seed=1)
    assert len(rest.train) == 1797 - 500


def test_cached_frames_are_the_made_ones_and_a_changed_key_makes_them_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    made = []

    def cached(top: int) -> AnyFrames:
        frames = np.random.default_rng(0).integers(0, top + 1, (3, 2, 2, 5, 5), dtype=np.uint8)

        def make(rows: slice) -> np.ndarray:
            made.append(top)
            return frames[rows]

        given = cached_frames(make, frames.shape, bits=top == 1, key={"top": top}, made_by=[])
        assert isinstance(given, FrameFile) and given.shape == frames.shape and frames.max() == top
        for rows in (slice(None), slice(1, 3), np.array([2, 0, 2])):
            assert np.array_equal(given[rows], frames[rows])
        return given

    for top in (1, 7, 1, 7):
        cached(top)
    assert made == [1, 7]
    for harm in (lambda content: b"damaged", lambda content: content[:-5], lambda content: content[:-1] + b"x"):
        for file in (tmp_path / "ckd").iterdir():
            file.write_bytes(harm(file.read_bytes()))
        cached(1)
    assert made == [1, 7, 1, 1, 1]


def test_a_flipped_bit_in_a_cache_is_told_and_never_trained_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    frames = np.ones((3, 2, 2, 5, 5), np.uint8)
    cached_frames(lambda rows: frames[rows], frames.shape, bits=False, key={}, made_by=[])
    (file,) = (tmp_path / "ckd").iterdir()
    content = bytearray(file.read_bytes())
    content[512 + 150] ^= 1
    file.write_bytes(content)
    found = cached_frames(lambda rows: frames[rows], frames.shape, bits=False, key={}, made_by=[])
    assert np.array_equal(found[:1], frames[:1])
    with pytest.raises(DatasetError, match="damaged; remove it"):
        found[1:2]


def test_frames_are_made_and_written_a_block_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("ckd.data.stored.BLOCK", 250)
    frames = np.random.default_rng(0).integers(0, 2, (7, 2, 2, 5, 5), dtype=np.uint8)
    asked: list[int] = []

    def make(rows: slice) -> np.ndarray:
        asked.append(rows.stop - rows.start)
        return frames[rows]

    found = cached_frames(make, frames.shape, bits=True, key={}, made_by=[])
    assert asked == [2, 2, 2, 1] and np.array_equal(np.asarray(found), frames)


def test_large_frames_of_a_run_lie_on_disk_where_there_is_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache, temporary = tmp_path / "cache", tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    monkeypatch.setattr("ckd.data.cache.IN_MEMORY", 100)
    frames = np.random.default_rng(0).integers(0, 8, (3, 2, 2, 5, 5), dtype=np.uint8)

    def kept() -> AnyFrames:
        return frames_of_a_run(lambda rows: frames[rows], frames.shape, bits=False)

    for _ in range(2):
        found = kept()
        assert isinstance(found, FrameFile) and np.array_equal(np.asarray(found), frames)
        assert not list(temporary.iterdir())  # it has no name, so nobody need remove it
        if cache.is_dir():
            cache.rename(tmp_path / "before")
            cache.write_text("in the way")
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=10))
    with pytest.raises(DatasetError, match=r"300 bytes.*XDG_CACHE_HOME or TMPDIR"):
        kept()


def test_films_are_made_anew_when_two_images_change_places() -> None:
    source = open_source(load_preset("digits").data)
    stills = source.stills().take(np.array([3, 8]))
    swapped = replace(stills, images=stills.images[::-1])
    one, other = (filmed(images, source.binning, seed=(0,))[:] for images in (stills, swapped))
    assert not np.array_equal(one, other)


def test_a_change_to_any_file_of_events_makes_cached_frames_anew() -> None:
    named = {path.name for path in source_files([ckd.data.camera, ckd.events])}
    assert named == {"camera.py", *(path.name for path in Path(ckd.events.__file__).parent.glob("*.py"))}
    assert {"binning.py", "counting.py", "frames.py", "readers.py", "recordings.py"} < named


def test_light_that_moves_is_reported_where_it_comes_and_ink_the_other_way_round(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    images = np.zeros((1, 1, 34, 34), np.uint8)
    images[:, :, 16:18, 10:24] = 255
    camera = Camera(stretch_spread=0, start_spread=0, noise_hz=0)
    photograph = Stills(images=images, labels=np.zeros(1, np.int64), image_ids=np.zeros(1, np.int64))
    for stills, sign in ((photograph, 1), (replace(photograph, dark_on_bright=True), -1)):
        events = film(stills.darkness()[0], camera, np.random.default_rng(0))
        # The first saccade moves the still down by 4.6 pixels.
        moving = events[events["t"] < 60_000]
        came, left = (moving["y"][moving["p"] == p].mean() for p in (1, 0))
        assert sign * (came - left) > 1
    monkeypatch.setattr("ckd.method.static.NOISE", 0.0)
    config = load_preset("digits")
    config = replace(config, augment=Augment(roll=0), data=replace(config.data, time_steps=3))
    frames = np.zeros((1, 3, 2, 34, 34), np.uint8)
    light, ink = (
        BatchMaker(
            config, frames=frames, labels=np.zeros(1, np.int64), pool=StillPool(stills=stills), classes=1,
            device=torch.device("cpu"),
        )(0).mixed
        for stills in (photograph, replace(photograph, dark_on_bright=True))
    )  # fmt: skip
    assert light is not None and ink is not None and light.sum() > 500
    # Equal but for places where 1 - x rounds across the threshold.
    assert (light != ink.flip(2)).sum() <= 5


def test_a_class_without_a_still_to_train_on_is_named(own_data: Path) -> None:
    from ckd.data.material import prepare

    config = load_preset("folder")
    for path in sorted((own_data / "images" / "cat").iterdir())[1:]:
        path.unlink()
    data = replace(config.data, data_root=str(own_data), size=34, labels_per_class=2, test_per_class=4)
    data, _ = fitted(replace(data, classes=("cat", "dog")))
    source = open_source(data)
    splits = [make_split(source, data, seed=seed) for seed in range(8)]
    # The one image left is held out where its recording validates or tests.
    seed = next(i for i, split in enumerate(splits) if "cat/0.bin" in (*split.test, *split.validation))
    with pytest.raises(DatasetError, match="class 'cat' has no still"):
        prepare(data, config.method, seed=seed)


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    frames = np.ones((1, 1), np.uint8)
    found = cached_frames(lambda rows: frames[rows], (1, 1), bits=True, key={}, made_by=[])
    assert found[:].tolist() == [[1]]


def test_every_preset_reads_and_survives_a_round_trip() -> None:
    assert {"digits", "nmnist", "n-caltech101", "cep-dvs", "cifar10-dvs", "folder"} <= set(preset_names())
    for name in preset_names():
        config = load_preset(name)
        assert config.preset == name
        assert config_from_dict(config_to_dict(config), source="test") == config


def test_an_unknown_key_is_named(tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text("data: {labls_per_class: 3}")
    with pytest.raises(ConfigError, match="labls_per_class"):
        load_preset(str(mine))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("method: {replacement: slide}", "'sliding'"),
        ("training: {iterations: many}", "must be int"),
        ("training: {lr: true}", "must be float"),
        ("data: {labels_per_class: few}", "int or float or null"),
        ("seed: -1", "between 0 and"),
        ("training: {lr: .nan}", "positive"),
        ("training: {batch: 1}", "at least 2"),
        ("method: {kd_temperature: 0}", "positive"),
        ("augment: {event_mix: 2}", "between 0 and 1"),
        ("augment: {roll: 1.5}", "whole number of pixels"),
        ("data: {labels_per_class: 2.7}", "whole number, or a share"),
        ("data: {sensor: [260]}", "height and width"),
        ("method: {temporal_weights: true}", "needs --align-weight"),
        ("method: {event_share: 0}", "above 0"),
        ("method: {event_share: 0.001}", "between 1 / --batch and 1"),
        ("method: {event_share: 0.5, align_weight: 0.5}", "must be 1 with --align-weight"),
        ("method: 3", "keys and values"),
        ("[1, 2]", "keys and values"),
        ("{", "YAML"),
    ],
)
def test_a_value_that_is_not_allowed_is_named_with_what_is(tmp_path: Path, text: str, said: str) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text(text)
    with pytest.raises(ConfigError, match=said):
        load_preset(str(mine))


def test_yaml_may_write_a_number_without_its_point(tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text("training: {lr: 2e-3}")  # which YAML 1.1 reads as text
    assert load_preset(str(mine)).training.lr == 2e-3


def test_every_number_of_a_configuration_has_bounds_beside_it() -> None:
    def numbers(kind: Any) -> Iterator[dataclasses.Field[Any]]:
        hints = get_type_hints(kind)
        for field in dataclasses.fields(kind):
            if dataclasses.is_dataclass(hints[field.name]):
                yield from numbers(hints[field.name])
            elif {int, float} & {hints[field.name], *get_args(hints[field.name])}:
                yield field

    found = list(numbers(Config))
    assert {"seed", "labels_per_class", "ema"} <= {field.name for field in found}
    assert [field.name for field in found if not isinstance(field.metadata.get("bounds"), Bounds)] == []


def test_every_option_is_set_by_a_preset_or_explained_in_the_document() -> None:
    def options(values: dict[str, Any]) -> dict[str, Any]:
        flat = {}
        for name, value in values.items():
            flat |= options(value) if isinstance(value, dict) else {name: value}
        return flat

    defaults = options(config_to_dict(Config()))
    presets = [options(config_to_dict(load_preset(name))) for name in preset_names()]
    varied = {name for name, value in defaults.items() if any(preset[name] != value for preset in presets)}
    folder = Path(__file__).parents[3] / "docs"
    document = (folder / "training.md").read_text() + (folder / "data.md").read_text()
    words = {name: name.replace("_", "-") for name in defaults}
    explained = {name for name in defaults if re.search(f"`({name}|--(no-)?{words[name]})`", document)}
    assert sorted(set(defaults) - varied - explained) == []


@pytest.mark.parametrize("ending", [".bin", ".npy", ".npz", ".aedat"])
def test_recordings_read_back_in_every_format_that_needs_no_library(ending: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    events = np.empty(50, EVENT_DTYPE)
    events["x"], events["y"] = rng.integers(0, 34, (2, 50))
    events["t"], events["p"] = np.sort(rng.integers(0, 300_000, 50)), rng.integers(0, 2, 50)
    path = tmp_path / f"a{ending}"
    if ending == ".bin":
        write_recording(path, events)
    elif ending == ".npy":
        np.save(path, events)
    elif ending == ".npz":
        np.savez(path, x=events["x"], y=events["y"], t=events["t"], p=events["p"])
    else:
        address = (127 - events["y"].astype(int)) << 8 | (127 - events["x"].astype(int)) << 1 | (1 - events["p"])
        pairs = np.stack([address, events["t"]], 1).astype(">u4")
        path.write_bytes(b"#!AER-DAT2.0\r\n# a comment\r\n" + pairs.tobytes())
    read = read_recording(path)
    for name in "xytp":
        assert np.array_equal(read[name], events[name]), name


def test_aedat4_is_read_by_the_library(tmp_path: Path) -> None:
    pytest.importorskip("tonic", reason="reads .aedat4, of the extra `events`")
    pytest.importorskip("aedat", reason="reads .aedat4, of the extra `events`")
    events = np.empty(40, EVENT_DTYPE)
    rng = np.random.default_rng(0)
    events["x"], events["y"] = rng.integers(0, 128, (2, 40))
    events["t"], events["p"] = np.sort(rng.integers(0, 300_000, 40)), rng.integers(0, 2, 40)
    path = tmp_path / "a.aedat4"
    path.write_bytes(aedat4(events))
    read = read_recording(path)
    for name in "xytp":
        assert np.array_equal(read[name], events[name]), name


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.bin", b"1234567", "truncated"),
        ("a.bin", b"", "no events"),
        ("a.npy", b"nonsense", "cannot be read"),
        ("a.dat", b"nonsense", "cannot be read|no events|needs"),
        ("a.txt", b"", "format"),
    ],
)
def test_unusable_recordings_are_refused_by_name(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(RecordingError, match=said) as caught:
        read_recording(tmp_path / name)
    assert str(tmp_path / name) in str(caught.value)


def test_a_larger_sensor_is_gathered_into_the_frame() -> None:
    events = np.zeros(3, EVENT_DTYPE)
    events["x"], events["y"] = [0, 120, 239], [0, 90, 179]
    binning = Binning(step_us=1, steps=1, height=48, width=48, sensor=(180, 240))
    assert [place.tolist() for place in to_frames(events, binning).nonzero()[2:]] == [[0, 24, 47], [0, 24, 47]]
    events["x"] = [0, 239, 240]
    with pytest.raises(RecordingError, match="1 of 3 events lie outside the sensor, the first at x=240, y=179"):
        to_frames(events, binning)


@pytest.fixture
def own_data(tmp_path: Path) -> Path:
    from PIL import Image

    rng = np.random.default_rng(0)
    for label in ("cat", "dog", "lonely"):
        for i in range(8):
            events = film(BAR, Camera(), np.random.default_rng(i))
            write_recording(tmp_path / "recordings" / label / f"{i}.bin", events)
            if label != "lonely":
                (tmp_path / "images" / label).mkdir(parents=True, exist_ok=True)
                pixels = rng.integers(0, 255, (20, 30, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(tmp_path / "images" / label / f"{i}.png")
    return tmp_path


def test_folders_match_classes_and_images_by_name(own_data: Path) -> None:
    config = load_preset("folder")
    data = replace(config.data, data_root=str(own_data), size=34, labels_per_class=2, test_per_class=0.25)
    data, _ = fitted(data)
    assert open_source(data).classes == ("cat", "dog", "lonely")
    data = replace(data, classes=("dog", "cat"))
    source = open_source(data)
    assert source.classes == ("cat", "dog") and len(source.names) == 16
    split = make_split(source, data, seed=0)
    assert len(split.test) == 4 and len(split.train) == 4
    held_out = {name.removesuffix(".bin") for name in (*split.test, *split.validation)}
    stills = training_stills(source.stills(), source, split)
    assert len(stills) == 16 - len(held_out) and stills.images.shape[1:] == (3, 34, 34)
    assert source.frames(split.rows("test", source)).shape == (4, 8, 2, 34, 34)


def test_a_data_set_that_is_not_there_says_how_to_come_by_it(tmp_path: Path) -> None:
    for name in ("n-caltech101", "cep-dvs", "cifar10-dvs", "folder"):
        data = replace(load_preset(name).data, data_root=str(tmp_path))
        with pytest.raises(DatasetError, match="expects a folder"):
            open_source(data)


def test_what_nobody_offers_for_download_is_said_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from ckd.download import main

    assert main(["cep-dvs", str(tmp_path / "data")]) == 2
    assert "ask its authors" in capsys.readouterr().err and not (tmp_path / "data").exists()


@pytest.mark.parametrize(("name", "classes"), [("n-caltech101", 100), ("cep-dvs", 20)])
def test_paper_presets_build_their_student_and_train_for_one_iteration(name: str, classes: int) -> None:
    from lightning_fabric import Fabric

    from ckd.models.build import build_student
    from ckd.models.teacher import build_teacher
    from ckd.training.engine import Progress, train_student

    config = load_preset(name)
    config = replace(config, training=replace(config.training, batch=2, iterations=1, evaluations=1, warmup=0))
    rng = np.random.default_rng(0)
    steps = config.data.time_steps
    frames = (rng.random((4, steps, 2, 48, 48)) < 0.1).astype(np.uint8)
    labels = np.array([0, 1, 0, 1])
    images = rng.integers(0, 255, (classes, 3, 48, 48), dtype=np.uint8)
    pool = StillPool(stills=Stills(images=images, labels=np.arange(classes), image_ids=np.arange(classes)))
    torch.manual_seed(0)
    student = build_student(config, classes=classes)
    teacher = build_teacher("vgg", channels=3, classes=classes, size=48).eval()
    before = student.state_dict()["nodes.conv1.weight"].clone()
    maker = BatchMaker(config, frames=frames, labels=labels, pool=pool, classes=classes, device=torch.device("cpu"))
    batch = maker(0)
    assert batch.event.shape == (steps, 2, 2, 48, 48) and batch.rgb is not None and batch.rgb.shape == (2, 3, 48, 48)
    records = []
    from ckd.training.engine import Hooks

    train_student(
        Fabric(accelerator="cpu", devices=1), student, config, maker=maker, teacher=teacher,
        validation=(frames[:1], labels[:1]), progress=Progress(), hooks=Hooks(log=records.append),
    )  # fmt: skip
    assert len(records[0]["cka"]) == steps and np.isfinite(records[0]["loss"])
    assert not torch.equal(student.state_dict()["nodes.conv1.weight"], before)


def test_digits_are_the_same_recordings_every_time() -> None:
    config: Config = load_preset("digits")
    rows = np.array([3, 100])
    assert np.array_equal(Digits(config.data).frames(rows), Digits(config.data).frames(rows[::-1])[::-1])
