"""Run folders and stills of strangers: small files that would become large, and fields of other types."""

import gzip
import json
import os
import resource
import shutil
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ckd.config import config_from_dict, config_to_dict, load_preset, read_yaml
from ckd.data import folders, nmnist
from ckd.errors import ConfigError, DatasetError, RecordingError, RunError
from ckd.evaluate import main as evaluate
from ckd.runs.folder import load_run, read_config, read_split, read_summary
from ckd.runs.metrics import read_metrics
from ckd.train import main as train

ALIASES = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n"
    for before, name in zip("abcdefghijk", "bcdefghijkl", strict=True)
)
"""A kilobyte that is 10^12 strings when it is shown."""

BOMBS = {
    "aliases": f"{ALIASES}preset: *l\n",
    "lists": "preset: " + "[" * 3000,
    "closed lists": "preset: " + "[" * 900 + "]" * 900,
    "dates": "seed: 2020-99-99\n",
    "date keys": "2020-01-01: 1\npreset: digits\n",
    "digits": f"seed: {'9' * 6000}\n",
    "tag": "seed: !!int x\n",
    "code": "!!python/object/apply:os.system [true]\n",
    "list keys": "? [a, b]\n: 1\n",
    "length": "preset: " + "x" * 2_000_000 + "\n",
}


READ = """
import resource, sys
from pathlib import Path
from ckd.config import load_preset
from ckd.errors import ConfigError, RunError
from ckd.runs.folder import is_run, read_config

resource.setrlimit(resource.RLIMIT_CPU, (60, 60))
for file in sorted(Path(".").glob("*/config.yaml")):
    assert not is_run(file.parent)
    for read, path in ((read_config, file.parent), (load_preset, str(file))):
        try:
            read(path)
        except (ConfigError, RunError) as error:
            print(file.parent.name, len(str(error)) < 400, str(error).count(chr(10)), sep="|")
"""


def test_a_configuration_that_is_no_plain_yaml_is_one_line(tmp_path: Path) -> None:
    """In a process of its own: the aliases took the memory of the machine."""
    for name, text in BOMBS.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.yaml").write_text(text)
    command = [sys.executable, "-c", READ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout.splitlines() == [f"{name}|True|0" for name in sorted(BOMBS) for _ in range(2)], done.stderr


def test_a_date_is_a_string_and_a_plain_file_is_read() -> None:
    assert read_yaml("a: 2020-01-01\nb: [1, 2.5, null, true]\n") == {"a": "2020-01-01", "b": [1, 2.5, None, True]}


def test_every_preset_is_still_read() -> None:
    for name in ("digits", "nmnist"):
        config = load_preset(name)
        assert config_from_dict(config_to_dict(config), source="itself") == config


@pytest.mark.parametrize("value", [[1], [1, 2, 3], ["a", "b"], [1.5, 2], [[1], [2]]])
def test_a_pair_of_something_else_is_refused(value: Any) -> None:
    with pytest.raises(ConfigError, match="sensor"):
        config_from_dict({"data": {"sensor": value}}, source="a file")


SUMMARIES: dict[str, Any] = {
    "a list": [1],
    "no classes": {"classes": None},
    "classes of numbers": {"classes": [1, 2]},
    "classes as text": {"classes": "0123456789"},
    "no seed": {"seed": None},
    "accuracy as text": {"test_accuracy": "all"},
}


@pytest.mark.parametrize("name", SUMMARIES)
def test_a_summary_of_other_types_is_refused(
    tiny_run: Path, tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Path(shutil.copytree(tiny_run, tmp_path / "run"))
    summary, change = json.loads((run / "summary.json").read_text()), SUMMARIES[name]
    (run / "summary.json").write_text(json.dumps(summary | change if isinstance(change, dict) else change))
    with pytest.raises(RunError, match=r"summary\.json: .*train the run again"):
        read_summary(run)
    assert evaluate([str(run)]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("split", ['{"train": "ab", "validation": [], "test": []}', "[]", "{}", "[" * 100_000, "\xff"])
def test_a_split_of_other_types_is_refused(tiny_run: Path, tmp_path: Path, split: str) -> None:
    run = Path(shutil.copytree(tiny_run, tmp_path / "run"))
    (run / "split.json").write_text(split, encoding="latin-1")
    with pytest.raises(RunError, match=r"split\.json"):
        read_split(run)
    with pytest.raises(RunError, match=r"split\.json"):
        load_run(run)


def test_lines_of_metrics_that_are_no_records_are_left_out(tmp_path: Path) -> None:
    lines = ["[]", "7", '{"stage": 3}', "[" * 100_000, '{"stage": "student", "iteration": 0}', '{"stage": "x"}']
    (tmp_path / "metrics.jsonl").write_text("\n".join(lines))
    assert read_metrics(tmp_path) == {"student": [{"stage": "student", "iteration": 0}]}


def test_a_network_that_no_memory_holds_is_one_line(
    tiny_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Path(shutil.copytree(tiny_run, tmp_path / "run"))
    text = (run / "config.yaml").read_text()
    (run / "config.yaml").write_text(text.replace("widths: 4-AP-8-AP", "widths: 30000000-AP-30000000-AP"))
    assert evaluate([str(run)]) == 2
    error = capsys.readouterr().err
    assert "do not fit the network" in error and error.count("\n") == 1


def png_of(width: int, height: int) -> bytes:
    """The beginning of a PNG that claims so many pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">2I5B", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    "content", [png_of(10_000, 10_000), png_of(60_000, 60_000), b"\x89PNG\r\n\x1a\nIHDR", b""], ids=range(4)
)
def test_a_still_that_claims_too_many_pixels_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "recordings" / "a").mkdir(parents=True)
    (tmp_path / "images" / "a").mkdir(parents=True)
    (tmp_path / "recordings" / "a" / "1.bin").write_bytes(bytes(5))
    (tmp_path / "images" / "a" / "1.png").write_bytes(content)
    data = load_preset("folder").data.__class__(dataset="folder", data_root=str(tmp_path))
    with pytest.raises(DatasetError, match=r"1\.png: cannot be read as an image"):
        folders.Folders(data).stills()


def test_training_with_a_bomb_as_preset_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "bomb.yaml").write_text(BOMBS["aliases"])
    assert train(["--preset", str(tmp_path / "bomb.yaml")]) == 2
    assert "an alias (*a)" in capsys.readouterr().err
    with pytest.raises(RunError):
        read_config(tmp_path)


IN_PLACE: dict[str, Callable[[Path], None]] = {
    "a folder": Path.mkdir,
    "a pipe": os.mkfifo,
    "without an end": lambda path: path.symlink_to("/dev/zero"),
    "to itself": lambda path: path.symlink_to(path.name),
    "three gigabytes": lambda path: (path.touch(), os.truncate(path, 3 << 30))[1],
}


@pytest.mark.parametrize("file", ["config.yaml", "split.json", "summary.json", "student.safetensors"])
@pytest.mark.parametrize("kind", IN_PLACE)
def test_something_else_in_the_place_of_a_file_is_refused_at_once(
    tiny_run: Path, tmp_path: Path, file: str, kind: str
) -> None:
    """Archives hold pipes and links, too: opened, a pipe waits for ever."""
    run = Path(shutil.copytree(tiny_run, tmp_path / "run"))
    (run / file).unlink()
    IN_PLACE[kind](run / file)
    with pytest.raises((RunError, OSError), match=file.partition(".")[0]):
        load_run(run)


def test_metrics_that_are_no_text_are_left_out(tmp_path: Path) -> None:
    line = b'{"stage": "student", "iteration": 0}\n'
    (tmp_path / "metrics.jsonl").write_bytes(b"\xff\xfe\n" + line + b"x" * (3 << 20) + b"\n" + line)
    assert read_metrics(tmp_path) == {"student": [{"stage": "student", "iteration": 0}] * 2}


def test_a_network_that_a_word_makes_wide_takes_no_memory(tiny_run: Path, tmp_path: Path) -> None:
    """The weights are read first, and the shapes compared: 3.6 GB of weights would be drawn at random otherwise."""
    run = Path(shutil.copytree(tiny_run, tmp_path / "run"))
    text = (run / "config.yaml").read_text()
    (run / "config.yaml").write_text(text.replace("widths: 4-AP-8-AP", "widths: 10000-AP-10000-AP"))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(RunError, match="do not fit the network"):
        load_run(run)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000


@pytest.mark.parametrize("content", ["cut", "flipped", "bomb", "no end"])
def test_a_damaged_file_of_mnist_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "mnist").mkdir()
    (tmp_path / "NMNIST" / "Train" / "3").mkdir(parents=True)
    (tmp_path / "NMNIST" / "Train" / "3" / "00001.bin").write_bytes(bytes(5))
    head = b"".join(n.to_bytes(4, "big") for n in (2051, 1 if content != "no end" else 1 << 30, 28, 28))
    whole = gzip.compress(head + bytes(28 * 28 if content != "bomb" else 300_000_000), 1)
    damaged = {"cut": whole[:-9], "flipped": whole[:30] + bytes(9) + whole[39:]}.get(content, whole)
    (tmp_path / "mnist" / "train-images-idx3-ubyte.gz").write_bytes(damaged)
    data = load_preset("nmnist").data.__class__(dataset="nmnist", data_root=str(tmp_path))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises((DatasetError, RecordingError), match=r"train-images-idx3-ubyte\.gz"):
        nmnist.NMNIST(data).stills()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000


@pytest.mark.parametrize("kind", ["a pipe", "without an end"])
def test_a_still_that_is_no_file_is_not_opened(tmp_path: Path, kind: str) -> None:
    for folder in ("recordings", "images"):
        (tmp_path / folder / "a").mkdir(parents=True)
    (tmp_path / "recordings" / "a" / "1.bin").write_bytes(bytes(5))
    IN_PLACE[kind](tmp_path / "images" / "a" / "1.png")
    data = load_preset("folder").data.__class__(dataset="folder", data_root=str(tmp_path))
    assert len(folders.Folders(data).stills().images) == 0
