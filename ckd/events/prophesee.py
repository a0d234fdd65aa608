"""The header of Prophesee's .dat and .raw files: what its events are, and whether it is whole.

expelliarmus looks for the end of a header's line for ever where there is none.
"""

from pathlib import Path

from ckd.errors import RecordingError

LONGEST = 1 << 16
"""Bytes of a header; real ones have some hundred."""


def prophesee_encoding(path: Path) -> str:
    """What the events of a file are: "dat", "evt2" or "evt3".

    Raises:
        RecordingError: a header that is cut off or too long, or a .raw file whose header names neither EVT2 nor EVT3.
    """
    header = _header(path)
    if path.suffix == ".dat":
        return "dat"
    # "% evt 3.0" or "% format EVT3;height=720;width=1280".
    for encoding, words in {"evt3": (b"evt 3.0", b"evt3"), "evt2": (b"evt 2.0", b"evt2;", b"evt2\n")}.items():
        if any(word in header for word in words):
            return encoding
    raise RecordingError(f"{path}: its header says neither EVT2 nor EVT3; convert it with Metavision, to .dat say")


def _header(path: Path) -> bytes:
    """The lines that begin with "%", in small letters."""
    header = b""
    with path.open("rb") as file:
        while (line := file.readline(LONGEST)).startswith(b"%"):
            header += line.lower()
            if len(header) > LONGEST:
                raise RecordingError(f"{path}: its header has more than {LONGEST:,} bytes; it is no recording")
            if not line.endswith(b"\n"):
                raise RecordingError(f"{path}: cut off in its header; copy it again")
        if not line:
            raise RecordingError(f"{path}: ends with its header and holds no events; remove it or record it again")
    return header
