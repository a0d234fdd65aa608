"""Recordings of strangers: cut off, lying about their size, leaping in time. Each is refused, at once and by name."""

import itertools
import random
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from numpy.lib import format as npy

from ckd.errors import RecordingError
from ckd.events import EVENT_DTYPE, Binning, Events, read_recording, stream_events, stream_frames
from deploy.commands.recordings import from_frames
from tests.ckd.data.aedat4 import aedat4

TERABYTES = 1 << 42


def some_events(count: int = 50) -> Events:
    made = np.zeros(count, EVENT_DTYPE)
    made["t"], made["x"], made["y"], made["p"] = np.arange(count) * 10, np.arange(count), 3, np.arange(count) % 2
    return made


@pytest.mark.parametrize("ending", [".dat", ".raw"])
@pytest.mark.parametrize("header", [b"% x", b"% evt 3.0\n% x", b"% evt 2.0\n", b"%" * 100_000], ids=range(4))
@pytest.mark.parametrize("read", ["read_recording", "stream_events"])
def test_a_header_that_is_cut_off_is_refused_and_not_waited_for(
    tmp_path: Path, ending: str, header: bytes, read: str
) -> None:
    pytest.importorskip("expelliarmus")
    path = tmp_path / f"cut{ending}"
    path.write_bytes(header)
    code = f"import sys; from pathlib import Path; from ckd.events import {read}; list({read}(Path(sys.argv[1])))"
    command = [sys.executable, "-c", code, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert "RecordingError" in done.stderr and "header" in done.stderr


def claims(path: Path, shape: tuple[int, ...], dtype: str) -> Path:
    """A .npy file that is a header alone."""
    with path.open("wb") as file:
        header = {"descr": np.dtype(dtype).str, "fortran_order": False, "shape": shape}
        npy.write_array_header_1_0(file, header)
    return path


@pytest.mark.parametrize(
    ("shape", "dtype"), [((TERABYTES // 32, 4), "<i8"), ((4,), f"V{1 << 30}"), ((1 << 62, 4), "<i8"), ((-1, 4), "<i8")]
)
def test_an_array_that_claims_more_than_there_is_is_refused(tmp_path: Path, shape: tuple[int, ...], dtype: str) -> None:
    path = claims(tmp_path / "claims.npy", shape, dtype)
    for read in (read_recording, lambda path: list(stream_events(path)), from_frames):
        with pytest.raises(RecordingError, match=r"claims\.npy: its header claims [-\d,]+ bytes .* but there are 0"):
            read(path)


def test_an_archive_that_would_fill_the_memory_is_refused(tmp_path: Path) -> None:
    path, count = tmp_path / "bomb.npz", 9_000_000
    zeros = np.broadcast_to(np.int64(0), count)
    np.savez_compressed(path, x=zeros, y=zeros, t=zeros, p=zeros)
    assert path.stat().st_size < 2_000_000
    with pytest.raises(RecordingError, match=r"bomb\.npz: [\d,]+ bytes that claim to hold 288,000,000"):
        read_recording(path)


def test_an_array_in_an_archive_that_claims_more_than_there_is_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "claims.npz", "w") as archive:
        for name in "xytp":
            archive.write(claims(tmp_path / f"{name}.npy", (TERABYTES,), "<i8"), f"{name}.npy")
    with pytest.raises(RecordingError, match=r"claims\.npz: its header claims"):
        read_recording(tmp_path / "claims.npz")


def test_objects_in_an_array_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "code.npy", np.array([[print, 0, 0, 0]], object), allow_pickle=True)
    with pytest.raises(RecordingError, match="Python objects"):
        read_recording(tmp_path / "code.npy")


@pytest.mark.parametrize(
    ("field", "value"), [("x", 70_000), ("y", -40_000), ("t", float("nan")), ("t", 2.0**63), ("t", -(2.0**63))]
)
def test_a_number_that_an_event_cannot_hold_is_refused(tmp_path: Path, field: str, value: float) -> None:
    """It became another number in silence: 70000 is 4464 in 16 bits."""
    columns = {name: some_events()[name].astype(float) for name in "xytp"}
    columns[field][7] = value
    np.savez(tmp_path / "far.npz", x=columns["x"], y=columns["y"], t=columns["t"], p=columns["p"])
    np.save(tmp_path / "far.npy", np.stack([columns[name] for name in "xytp"], axis=1))
    for read in (
        lambda: read_recording(tmp_path / "far.npz"),
        lambda: read_recording(tmp_path / "far.npy"),
        lambda: list(stream_events(tmp_path / "far.npy")),
    ):
        with pytest.raises(RecordingError, match=f"{field} reaches from|{field} holds nan"):
            read()


def test_a_leap_of_years_does_not_become_frames(tmp_path: Path) -> None:
    recording = some_events()
    recording["t"][30:] += 10 * 365 * 24 * 3600 * 1_000_000
    np.save(tmp_path / "leap.npy", recording)
    binning = Binning(step_us=1000, steps=10, height=8, width=64)
    with pytest.raises(RecordingError, match=r"leap\.npy: time leaps to \d+ us, 315,3[\d,]+ steps without an event"):
        list(itertools.islice(stream_frames(tmp_path / "leap.npy", binning), 20))


def test_an_hour_without_events_does(tmp_path: Path) -> None:
    recording = some_events()
    recording["t"][30:] += 3600 * 1_000_000
    np.save(tmp_path / "pause.npy", recording)
    blocks = list(stream_frames(tmp_path / "pause.npy", Binning(step_us=10_000, steps=10, height=8, width=64)))
    assert sum(len(block) for block in blocks) == 360_001 and sum(int(block.sum()) for block in blocks) == 50


def test_whatever_a_damaged_aedat4_makes_of_its_decoder_is_an_error(tmp_path: Path) -> None:
    """The library is in Rust: it panics, which is no Exception, and for some files ends the process."""
    pytest.importorskip("aedat")
    whole, path, rng, refused = aedat4(some_events()), tmp_path / "x.aedat4", random.Random(0), 0
    path.write_bytes(whole.replace(b'path="/mainloop', b'path="\xff\xc3inloop'))
    with pytest.raises(RecordingError, match=r"x\.aedat4: cannot be read"):
        read_recording(path)
    for _ in range(150):
        damaged = bytearray(whole)
        for _ in range(rng.randint(1, 4)):
            damaged[rng.randrange(len(damaged))] = rng.choice([0, 127, 128, 255])
        path.write_bytes(damaged)
        try:
            read_recording(path)
        except RecordingError:
            refused += 1
    assert refused > 50
    path.write_bytes(whole)
    assert np.array_equal(read_recording(path), some_events())


@pytest.mark.parametrize("version", [1, 2, 9])
def test_a_header_that_claims_gigabytes_is_not_read(tmp_path: Path, version: int) -> None:
    """numpy reads as much as it says before it looks; and it knows versions 1 to 3 alone."""
    path = tmp_path / "long.npy"
    size = (60_000).to_bytes(2, "little") if version == 1 else (1 << 31).to_bytes(4, "little")
    path.write_bytes(b"\x93NUMPY" + bytes([version, 0]) + size + b" " * 70_000)
    for read in (read_recording, from_frames):
        with pytest.raises(RecordingError, match=r"long\.npy: cannot be read: not a \.npy file"):
            read(path)


@pytest.mark.parametrize("descr", ["[]", "'|V0'", "('<i4', (2,))", "'<U0'"])
def test_types_of_numpy_that_are_no_numbers_are_refused(tmp_path: Path, descr: str) -> None:
    header = f"{{'descr': {descr}, 'fortran_order': False, 'shape': (4, 4), }}\n".encode()
    path = tmp_path / "odd.npy"
    path.write_bytes(b"\x93NUMPY\x01\0" + len(header).to_bytes(2, "little") + header + bytes(128))
    for read in (read_recording, from_frames):
        with pytest.raises(RecordingError, match=r"odd\.npy"):
            read(path)


def test_half_floats_are_held_against_what_an_event_holds_without_a_warning(tmp_path: Path) -> None:
    columns = np.zeros((3, 4), np.float16)
    columns[:, 2] = [0, 10, 20]
    np.save(tmp_path / "half.npy", columns)
    assert read_recording(tmp_path / "half.npy")["t"].tolist() == [0, 10, 20]
    columns[1, 2] = np.inf
    np.save(tmp_path / "half.npy", columns)
    with pytest.raises(RecordingError, match="t "):
        read_recording(tmp_path / "half.npy")


def test_what_a_library_says_of_a_damaged_file_is_not_seen(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """expelliarmus prints a line of its own for every word that it does not know."""
    pytest.importorskip("expelliarmus")
    (tmp_path / "x.raw").write_bytes(b"% evt 2.0\n% end\n" + b"\x30" * 400)
    with pytest.raises(RecordingError, match=r"x\.raw: "):
        read_recording(tmp_path / "x.raw")
    with pytest.raises(RecordingError, match=r"x\.raw: "):
        list(stream_events(tmp_path / "x.raw"))
    assert capfd.readouterr() == ("", "")


def test_a_stream_that_nobody_reads_on_does_not_disturb_the_next(tmp_path: Path) -> None:
    pytest.importorskip("expelliarmus")
    words = [0x80000000, *((1 << 28) | (i % 64) << 22 | i << 11 | 3 for i in range(60))]
    (tmp_path / "x.raw").write_bytes(b"% evt 2.0\n% end\n" + np.array(words, "<u4").tobytes())
    stream = stream_events(tmp_path / "x.raw", chunk=7)
    assert next(stream)["x"].tolist() == list(range(7))
    assert read_recording(tmp_path / "x.raw")["x"].tolist() == list(range(60))
    del stream
    joined = np.concatenate(list(stream_events(tmp_path / "x.raw", chunk=7)))
    assert joined["x"].tolist() == list(range(60))
