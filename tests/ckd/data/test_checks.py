"""Data of one's own: what the recordings decide, what is told of them, and what is refused before it ruins a run."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ckd.config import Data, load_preset
from ckd.data.fitting import fitted, sensor_of
from ckd.errors import CkdError
from ckd.events import EVENT_DTYPE
from ckd.inspect import main
from ckd.train import main as train
from tests.ckd.conftest import TINY

SENSOR = (60, 80)


def write_data(
    root: Path, *, takes: int = 4, lasts: int = 320_000, events: int = 2000, photos: int = 5, names: str = "take"
) -> Path:
    """Bars that stand (class `high`) or lie (class `wide`), recorded by a sensor of 60 x 80 pixels."""
    rng = np.random.default_rng(0)
    for label, box in (("high", (36, 0, 44, 60)), ("wide", (0, 26, 80, 34))):
        (root / "recordings" / label).mkdir(parents=True)
        (root / "images" / label).mkdir(parents=True)
        for i in range(takes):
            made = np.zeros(events, EVENT_DTYPE)
            made["x"], made["y"] = rng.integers(box[0], box[2], events), rng.integers(box[1], box[3], events)
            made["t"], made["p"] = np.sort(rng.integers(0, lasts, events)), rng.integers(0, 2, events)
            made["t"][[0, -1]] = 0, lasts - 1
            np.save(root / "recordings" / label / f"{names}{i}.npy", made)
        for i in range(photos):
            pixels = np.zeros(SENSOR, np.uint8)
            pixels[box[1] : box[3], box[0] : box[2]] = 255
            Image.fromarray(pixels).save(root / "images" / label / f"photo{i}.png")
    return root


def change(path: Path, **fields: Callable[[np.ndarray], np.ndarray]) -> None:
    """Rewrite fields of the recordings below a folder."""
    for file in path.rglob("*.npy"):
        events = np.load(file)
        wide = {name: events[name].astype(np.int64) for name in "xytp"}
        wide |= {name: how(wide[name]) for name, how in fields.items()}
        file.unlink()
        np.savez(file.with_suffix(".npz"), **wide)  # pyright: ignore[reportArgumentType]


def of(root: Path) -> Data:
    return replace(load_preset("folder").data, data_root=str(root))


def test_sensor_and_steps_are_taken_from_the_recordings(tmp_path: Path) -> None:
    data, told = fitted(of(write_data(tmp_path)))
    assert data.sensor == SENSOR and data.time_steps == 8 and 8 * data.step_us >= 320_000 > 7.5 * data.step_us
    assert "--sensor 60 80, --step-us 41000, --time-steps 8" in told[0]
    data, told = fitted(replace(of(tmp_path), step_us=64_000))
    assert (data.step_us, data.time_steps) == (64_000, 5) and "--step-us" not in told[0]
    data, told = fitted(replace(of(tmp_path), sensor=(90, 90), step_us=64_000, time_steps=3))
    assert data.sensor == (90, 90) and told == []


def test_long_recordings_get_steps_that_show_movement(tmp_path: Path) -> None:
    data, _ = fitted(of(write_data(tmp_path, lasts=1_500_000)))
    assert (data.step_us, data.time_steps) == (100_000, 15)


@pytest.mark.parametrize(
    ("extent", "sensor"),
    [((258, 346), (260, 346)), ((34, 34), (34, 34)), ((60, 80), (60, 80)), ((200, 239), (200, 239))],
)
def test_a_sensor_is_one_that_is_sold_where_it_is_filled(extent: tuple[int, int], sensor: tuple[int, int]) -> None:
    assert sensor_of(extent) == sensor


def inspected(capsys: pytest.CaptureFixture[str], *args: object) -> dict:
    assert main([*map(str, args), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_inspection_counts_measures_and_draws(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root, picture = write_data(tmp_path / "mine"), tmp_path / "picture.png"
    found = inspected(capsys, root, "--picture", picture)
    assert [(each["name"], each["recordings"], each["images"]) for each in found["classes"]] == [
        ("high", 4, 5),
        ("wide", 4, 5),
    ]
    assert all(each["milliseconds"] == 319.999 and each["events"] == 2000 for each in found["classes"])
    assert found["extent"] == [60, 80] and found["kept"] == 1 and found["refusal"] is None and len(found["lit"]) == 8
    with Image.open(picture) as image:
        assert image.width > 500 and np.asarray(image.convert("L")).std() > 10
    assert main([str(root), "--picture", str(picture)]) == 0
    shown = capsys.readouterr().out
    assert "events reach 60 x 80" in shown and "python -m ckd.train --preset folder --data-root" in shown


def seconds(root: Path) -> None:
    change(root, t=lambda t: t / 1e6)


def milliseconds(root: Path) -> None:
    change(root, t=lambda t: t // 1000)


def nanoseconds(root: Path) -> None:
    change(root, t=lambda t: t * 1000)


def negative(root: Path) -> None:
    change(root, x=lambda x: x - 50)


def wrapping(root: Path) -> None:
    change(root, x=lambda x: x + 65536)


def one_stray(root: Path) -> None:
    (file,) = (root / "recordings" / "high").glob("take0.npy")
    events = np.load(file)
    events["x"][100] = 20_106
    np.save(file, events)


def cases(root: Path) -> None:
    (root / "images" / "high").rename(root / "images" / "High")


def no_images(root: Path) -> None:
    for file in (root / "images" / "wide").iterdir():
        file.unlink()


def nothing_common(root: Path) -> None:
    for name in ("high", "wide"):
        (root / "images" / name).rename(root / "images" / f"{name}s")


def no_recordings(root: Path) -> None:
    (root / "recordings").rename(root / "records")


@pytest.mark.parametrize(
    ("spoil", "said", "way_out"),
    [
        (seconds, "which is no whole number", "save t * 1e6 as integers"),
        (milliseconds, "last 319 us in the median; are their times in milliseconds", "say it: --step-us"),
        (nanoseconds, "are their times in nanoseconds", "t // 1000"),
        (negative, "has events at x or y = -", "from 0"),
        (wrapping, "x reaches from", "allowed are 0 to 32767"),
        (one_stray, "its events reach 60 x 20107 pixels", "give the camera's --sensor"),
        (cases, "classes 'High' and 'high' differ in case alone", "rename one"),
        (no_images, "class 'wide' has no still to train on", "--no-distill"),
        (nothing_common, "no class has both recordings (high, wide) and images (highs, wides)", "by name"),
        (no_recordings, "folder expects a folder recordings there", "put recordings into"),
    ],
)
def test_what_would_ruin_a_run_is_refused_before_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], spoil: Callable[[Path], None], said: str, way_out: str
) -> None:
    root = write_data(tmp_path / "mine")
    spoil(root)
    assert train(["--preset", "folder", "--data-root", str(root), "--out", str(tmp_path / "run")]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("error: ") and said in error and way_out in error
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            ["--sensor", "30", "40"],
            "8 of 8 recordings have events outside the sensor of 30 x 40 pixels, the first is",
        ),
        (
            ["--step-us", "400000", "--time-steps", "8"],
            "half of the recordings last 319,999 us or less, and a step",
        ),
        (["--step-us", "100", "--time-steps", "8"], "are their times in nanoseconds"),
        (["--classes", "tall"], "--classes tall: no such folder"),
    ],
)
def test_flags_that_do_not_fit_the_recordings_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], said: str
) -> None:
    assert main([str(write_data(tmp_path / "mine")), *options]) == 2
    error = capsys.readouterr().err.splitlines()
    assert len(error) == 1 and said in error[0]


def empty(root: Path) -> None:
    (root / "recordings" / "tall").mkdir()


def images_alone(root: Path) -> None:
    (root / "images" / "tall").mkdir()
    (root / "images" / "tall" / "a.png").write_bytes((root / "images" / "high" / "photo0.png").read_bytes())


def other_files(root: Path) -> None:
    (root / "recordings" / "high" / "notes.txt").write_text("x")
    (root / "recordings" / "high" / "a.csv").write_text("x")


def same_names(root: Path) -> None:
    for file in (root / "images").rglob("photo*.png"):
        file.rename(file.with_stem(file.stem.replace("photo", "take")))


def one_polarity(root: Path) -> None:
    change(root, p=lambda p: p * 0)


def across(root: Path) -> None:
    """Both classes fill a sensor of 60 x 80; in one of them x and y are exchanged."""
    rng = np.random.default_rng(1)
    for label in ("high", "wide", "third"):
        (root / "recordings" / label).mkdir(exist_ok=True)
        (root / "images" / label).mkdir(exist_ok=True)
        for i in range(4):
            made = np.zeros(2000, EVENT_DTYPE)
            made["x"], made["y"] = rng.integers(0, 80, 2000), rng.integers(0, 60, 2000)
            made["t"], made["p"] = np.sort(rng.integers(0, 320_000, 2000)), rng.integers(0, 2, 2000)
            if label == "wide":
                made["x"], made["y"] = made["y"].copy(), made["x"].copy()
            np.save(root / "recordings" / label / f"take{i}.npy", made)
    for i in range(5):
        Image.fromarray(np.zeros(SENSOR, np.uint8)).save(root / "images" / "third" / f"photo{i}.png")


def few(root: Path) -> None:
    file = root / "recordings" / "high" / "take0.npy"
    np.save(file, np.load(file)[[0, 700, -1]])


@pytest.mark.parametrize(
    ("spoil", "options", "said"),
    [
        (empty, [], "recordings/tall: holds no recordings, left out"),
        (images_alone, [], "1 class: tall: images without recordings, left out"),
        (
            other_files,
            [],
            "2 files are no recordings (.aedat, .aedat4, .bin, .dat, .npy, .npz, .raw) and are left",
        ),
        (same_names, [], "8 images share class and file name with a recording"),
        (one_polarity, [], "0% of all events are of rising light"),
        (across, [], "class wide: its events reach 80 x 60 pixels, those of the others 60 x 80"),
        (few, [], "1 of 8 recordings hold fewer than 80 events, high/take0.npy only 3"),
        (None, ["--step-us", "10000", "--time-steps", "8"], "show the first 80; raise one of them"),
        (None, ["--step-us", "90000", "--time-steps", "8"], "fill 44% of the 720 ms"),
        (None, ["--sensor", "720", "1280"], "all events lie in 60 x 80 of the sensor's 720 x 1280 pixels"),
        (None, ["--size", "100"], "frames of 100 x 100 pixels are larger than the sensor of 60 x 80"),
    ],
)
def test_what_is_odd_is_told(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    spoil: Callable[[Path], None] | None,
    options: list[str],
    said: str,
) -> None:
    root = write_data(tmp_path / "mine")
    if spoil is not None:
        spoil(root)
    notes = inspected(capsys, root, *options)["notes"]
    assert any(said in note for note in notes), notes


def test_unpaired_names_keep_all_images_and_a_run_says_what_it_was_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = write_data(tmp_path / "mine", names="")
    for file in (root / "images").rglob("photo*.png"):
        file.rename(file.with_stem(file.stem.removeprefix("photo")))
    small = TINY[: TINY.index("--time-steps")]
    shares = ["--labels-per-class", "1", "--validation-per-class", "1", "--test-per-class", "1", "--no-baseline"]
    stills = {}
    for paired in ("--paired-names", "--no-paired-names"):
        out = tmp_path / paired
        options = [*small, *shares, paired, "--first-padding", "0", "--preset", "folder", "--data-root", str(root)]
        assert train([*options, "--out", str(out)]) == 0
        told = capsys.readouterr().err
        assert "note: taken from the recordings: --sensor 60 80" in told
        assert ("share class and file name" in told) == (paired == "--paired-names")
        stills[paired] = json.loads((out / "summary.json").read_text())["stills"]
    assert stills == {"--paired-names": 6, "--no-paired-names": 10}


def test_two_recordings_a_class_are_enough(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root, out = write_data(tmp_path / "mine", takes=2), tmp_path / "run"
    small = TINY[: TINY.index("--labels-per-class")]
    options = [*small, "--first-padding", "0", "--preset", "folder", "--data-root", str(root), "--out", str(out)]
    assert train(options) == 0
    assert "no recordings validate, so the weights of the last iteration are kept" in capsys.readouterr().err
    summary = json.loads((out / "summary.json").read_text())
    assert summary["recordings"] == {"train": 2, "validation": 0, "test": 2}
    assert summary["spike_rate"] and (out / "curves.png").is_file()


def test_a_folder_without_images_trains_without_distillation(tmp_path: Path) -> None:
    root, out = write_data(tmp_path / "mine", photos=0), tmp_path / "run"
    for folder in (root / "images").iterdir():
        folder.rmdir()
    (root / "images").rmdir()
    small = TINY[: TINY.index("--labels-per-class")]
    options = [*small, "--first-padding", "0", "--preset", "folder", "--data-root", str(root), "--no-distill"]
    assert train([*options, "--out", str(out)]) == 0
    assert json.loads((out / "summary.json").read_text())["classes"] == ["high", "wide"]


def test_a_configuration_that_leaves_its_steps_open_is_not_taken_for_one(tmp_path: Path) -> None:
    from ckd.data.sources import open_source

    with pytest.raises(CkdError, match="not known before the recordings are read"):
        open_source(of(write_data(tmp_path)))


def test_classes_that_are_asked_for_hold_recordings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = write_data(tmp_path / "mine")
    empty(root)
    assert main([str(root), "--classes", "tall"]) == 2
    error = capsys.readouterr().err.splitlines()
    assert len(error) == 1 and f"--classes tall: hold no recordings in {root / 'recordings'}" in error[0]
