"""Reading files: small ones of strangers, of which no pipe and nothing longer than it may be is opened; and digests."""

import hashlib
from pathlib import Path


def read_small(path: Path, most: int) -> str:
    """The text of a file in UTF-8.

    Raises:
        FileNotFoundError: there is none.
        ValueError: a folder, a device or a pipe, longer than `most` bytes, or no UTF-8.
        OSError: it cannot be read.
    """
    size = path.stat().st_size
    if not path.is_file():
        raise ValueError("is a folder, a device or a pipe, not a file")
    if size > most:
        raise ValueError(f"{size:,} bytes; at most {most:,} are read")
    try:
        return path.read_text("utf-8")
    except UnicodeDecodeError:
        raise ValueError("not a text file in UTF-8") from None


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, which is read part by part."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
