"""What the system refuses, in words: the place as the user named it, what it is, and the way out."""

import errno
import os
import re
import sys
from pathlib import Path

from ckd.files.full import FULL, TEMPORARY

OUTPUT = "standard output"
"""The name of it in an error of the system."""

WAYS_OUT = {
    errno.EROFS: "the file system is read-only; give a place on one that takes files",
    errno.EACCES: "this user may not; change the rights of it and of its folder, or give another place",
    errno.EPERM: "this user may not; change the rights of it and of its folder, or give another place",
    errno.ENOTDIR: "lies below a file, and only folders hold files; give another place",
    errno.EISDIR: "is a folder; give a file",
    errno.EEXIST: "lies there already; give another name",
    errno.ENOTEMPTY: "is a folder that is not empty; give another name",
    errno.ENOENT: "no such file or folder; give one that is there",
    errno.ELOOP: "links that lead around in a circle; give another place",
    errno.ENAMETOOLONG: "a name that is too long for this file system; give a shorter one",
    errno.EMFILE: "too many open files; raise the limit (ulimit -n)",
    errno.ENXIO: "is a pipe that nobody reads, or no file; give a file",
    errno.EIO: "the device cannot be read or written; copy what is there elsewhere",
}
DANGLING = "is a link that leads nowhere; remove it, or give another name"
GONE = "the current folder is gone; change into one that is there"


def in_words(error: Exception) -> str:
    """An error of the system on one line; of other libraries and of our own, which say it themselves, their message."""
    if not isinstance(error, OSError) or error.errno is None or error.strerror is None:
        return str(error)
    if error.filename is None and not has_current_folder():
        return GONE
    place = _place(error.filename)
    if place is None and error.errno in FULL and error.strerror == os.strerror(error.errno):
        place = OUTPUT  # files say themselves that they do not fit (`DiskFullError`)
    if place is None:
        return str(error)
    if error.errno == errno.EEXIST and Path(place).is_symlink() and not Path(place).exists():
        return f"{place}: {DANGLING}"
    said = WAYS_OUT.get(error.errno, f"{error.strerror[:1].lower()}{error.strerror[1:]}")
    if error.errno in FULL:
        said += "; make room, or give another place"
    return f"{place}: {said}"


def flush_output() -> None:
    """Write out what was printed.

    Raises:
        BrokenPipeError: nobody reads it.
        OSError: of `OUTPUT`, a full disk behind it, say.
    """
    try:
        sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or it fails once more as Python ends
        raise OSError(error.errno, error.strerror, OUTPUT) from None  # a BrokenPipeError stays one


def has_current_folder() -> bool:
    """Whether the folder that this process is in is still there."""
    try:
        Path.cwd()
    except FileNotFoundError:
        return False
    return True


def _place(name: object) -> str | None:
    """A name as its user gave it: without what a temporary file has more, and of a lock its folder."""
    if not isinstance(name, str | bytes | os.PathLike):
        return None
    path = Path(os.fsdecode(name))
    if re.fullmatch(TEMPORARY, path.name) or re.fullmatch(r"\..+\.held", path.name):
        return str(path.parent)
    return str(path.with_name(re.sub(rf"^({TEMPORARY}\.)+", "", path.name))) if path.name else str(path)
