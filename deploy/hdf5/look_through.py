"""Looks through HDF5 files for `deploy.hdf5.gate`, which starts this file as a process: a question a line, JSON.

Every file is looked through in a fork with limits of memory and time, which a damaged file may crash. The answer is a
length of eight bytes, then a line of JSON, then the bytes that the line refers to. It ends when nobody asks any more.
"""

import json
import os
import signal
import sys
from math import prod
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import h5py
import numpy as np

try:
    import resource
except ImportError:  # Windows, which has neither limits nor forks: a crash ends this process, and is told as one
    resource = None

FILTERS = {1: "gzip", 2: "shuffle", 3: "fletcher32", 32000: "lzf"}
MAX_ATTRIBUTES = 1000


def main() -> None:
    """Answer until nobody asks."""
    for line in sys.stdin.buffer:
        question = json.loads(line)
        answer = _in_a_fork(SimpleNamespace(**question))
        sys.stdout.buffer.write(len(answer).to_bytes(8, "little") + answer)
        sys.stdout.buffer.flush()


def _in_a_fork(question: SimpleNamespace) -> bytes:
    if resource is None:
        return b"".join(_answer(question))
    receiver, sender = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.dup2(sender, 1)
            _limit(question)
            answer = _answer(question)
            with os.fdopen(sender, "wb") as out:
                out.writelines(answer)
            os._exit(0)
        finally:
            os._exit(1)
    os.close(sender)
    with os.fdopen(receiver, "rb") as given:
        answer = given.read(question.MAX_ANSWER)
    _, status = os.waitpid(child, 0)
    if status == 0:
        return answer
    broke = signal.Signals(os.WTERMSIG(status)).name if os.WIFSIGNALED(status) else "no answer"
    if broke in ("SIGXCPU", "SIGKILL"):
        broke = f"not done after {question.SECONDS} s of processor time"
    return json.dumps({"damaged": f"HDF5's library broke off: {broke}"}).encode() + b"\n"


def _limit(question: SimpleNamespace) -> None:
    assert resource is not None
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (question.SECONDS, question.SECONDS + 1))
    pages = Path("/proc/self/statm")
    if pages.exists():  # elsewhere the system does not hold a process to it
        held = int(pages.read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (held + question.MEMORY, held + question.MEMORY))


def _answer(question: SimpleNamespace) -> list[bytes]:
    path = os.fsdecode(bytes.fromhex(question.path))
    try:
        # Before and after: a file that is replaced in between is not told with the other's date.
        before = _identity(path)
        with h5py.File(path, "r") as file:
            walk = Walk(question, before[1], file.userblock_size == 0)
            tree = walk.group(file, "", 0)
        if _identity(path) != before:
            raise Refused("", "is being written while it is read")
    except Refused as error:
        return [json.dumps({"refused": error.args}).encode() + b"\n"]
    except Exception as error:
        return [json.dumps({"damaged": f"{error or type(error).__name__}"[:300]}).encode() + b"\n"]
    return [json.dumps({"identity": before, "tree": tree}).encode() + b"\n", *walk.carried]


def _identity(path: str) -> tuple[int, int, int]:
    found = Path(path).stat()
    return found.st_ino, found.st_size, found.st_mtime_ns


class Refused(Exception):  # noqa: N818
    """Where something is that is not allowed, and what."""


class Walk:
    """Visits every object once per path that leads to it and adds up what reading it would cost."""

    def __init__(self, limits: SimpleNamespace, file_bytes: int, plain: bool) -> None:
        self.limits = limits
        self.file_bytes = file_bytes
        self.plain = plain
        self.objects = self.bytes = self.text = self.carried_bytes = 0
        self.carried: list[bytes] = []

    def group(self, group: h5py.Group, where: str, depth: int) -> dict[str, Any]:
        if depth > self.limits.MAX_DEPTH:
            raise Refused(where, f"groups are nested deeper than {self.limits.MAX_DEPTH}")
        children: dict[str, Any] = {}
        for name in map(str, group):
            place = f"{where}/{name}"
            self.objects += 1
            if self.objects > self.limits.MAX_OBJECTS:
                raise Refused(where, f"more than {self.limits.MAX_OBJECTS} objects in one file")
            if not name.isprintable():
                raise Refused(where, f"the name {name[:60]!a}, which is no text")
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise Refused(place, "a soft or external link, which may reach outside the file")
            child = group[name]
            if isinstance(child, h5py.Group):
                children[name] = self.group(child, place, depth + 1)
            elif isinstance(child, h5py.Dataset):
                children[name] = self.dataset(child, place)
            else:
                raise Refused(place, f"neither a group nor a data set, but a {type(child).__name__}")
        return {"children": children, "attributes": self.attributes(group, where)}

    def attributes(self, item: h5py.Group | h5py.Dataset, where: str) -> dict[str, Any]:
        """Numbers, short lists of them and texts; None in place of anything else."""
        if len(item.attrs) > MAX_ATTRIBUTES:
            raise Refused(where, f"{len(item.attrs)} attributes where at most {MAX_ATTRIBUTES} are allowed")
        found: dict[str, Any] = {}
        for name in item.attrs:
            kind = item.attrs.get_id(name)
            text = h5py.check_string_dtype(kind.dtype) is not None
            small = kind.shape == () or (not text and kind.shape and prod(kind.shape) <= self.limits.MAX_RANK)
            found[name] = None
            if small and (text or kind.dtype.kind in "biuf"):
                value = item.attrs[name]
                found[name] = _decoded(value) if text else np.asarray(value).tolist()
                self.count_text(where, len(found[name]) if text else 0)
        return found

    def count_text(self, where: str, size: int) -> None:
        self.text += size
        if self.text > self.limits.MAX_TEXT:
            raise Refused(where, f"more than {self.limits.MAX_TEXT} bytes of text in one file")

    def dataset(self, data: h5py.Dataset, where: str) -> dict[str, Any]:
        shape: Any = data.shape
        if data.is_virtual or data.external:
            raise Refused(where, "its values lie in another file")
        if shape is None:
            raise Refused(where, "an empty data set without a shape")
        if len(shape) > self.limits.MAX_RANK:
            raise Refused(where, f"{len(shape)} dimensions where at most {self.limits.MAX_RANK} are allowed")
        filters = self.filters(data, where)
        found = {"shape": shape, "attributes": self.attributes(data, where)}
        if h5py.check_string_dtype(data.dtype) is not None:
            return found | {"dtype": "text", "texts": self.texts(data, where)}
        if data.dtype.kind not in "biuf" or data.dtype.itemsize > 8 or data.dtype.names or data.dtype.subdtype:
            raise Refused(where, f"holds {data.dtype} where numbers of at most 64 bits or text are allowed")
        self.count_bytes(data, where)
        return found | {"dtype": data.dtype.str} | self.place(data, where, filters)

    def count_bytes(self, data: h5py.Dataset, where: str) -> None:
        self.bytes += data.nbytes
        allowed = self.limits.max_bytes
        if allowed is not None and self.bytes > allowed:
            raise Refused(where, f"shape {data.shape} brings the file to {self.bytes} bytes, allowed are {allowed}")
        # Many chunks may lie in one place: no more is stored than the file is long.
        stored = min(data.id.get_storage_size(), self.file_bytes)
        if data.nbytes > self.limits.GZIP_RATIO * (stored + 64):
            raise Refused(where, f"shape {data.shape} claims {data.nbytes} bytes, of which {stored} are stored")
        if self.bytes > self.limits.GZIP_RATIO * self.file_bytes:
            raise Refused(where, f"its {self.file_bytes} bytes claim to hold {self.bytes}")

    def filters(self, data: h5py.Dataset, where: str) -> list[int]:
        plist = data.id.get_create_plist()
        used = [plist.get_filter(i)[0] for i in range(plist.get_nfilters())]
        if len(set(used)) < len(used) or not set(used) <= FILTERS.keys():
            raise Refused(where, f"packed with HDF5 filters {used}; allowed are {FILTERS}, each once")
        if data.chunks and prod(data.chunks) * data.dtype.itemsize > self.limits.MAX_CHUNK + data.nbytes:
            raise Refused(where, f"chunks of {data.chunks} are larger than {self.limits.MAX_CHUNK} bytes")
        return used

    def texts(self, data: h5py.Dataset, where: str) -> list[str]:
        if prod(data.shape) > self.limits.MAX_OBJECTS * 4 or len(data.shape) > 2:
            raise Refused(where, f"{data.shape} texts in one data set")
        self.count_text(where, data.nbytes if data.dtype.kind == "S" else 0)
        # Those of variable length have no size until read, so they are read some at a time.
        parts = [data[()]] if not data.shape else (data[i : i + 4096] for i in range(0, data.shape[0], 4096))
        found: list[str] = []
        for part in parts:
            values = np.asarray(part, object).ravel()
            if data.dtype.kind != "S":
                self.count_text(where, sum(map(len, values)))
            found += map(_decoded, values)
        return found

    def place(self, data: h5py.Dataset, where: str, filters: list[int]) -> dict[str, Any]:
        """Where the values lie in the file; or the values themselves, where they do not simply lie there."""
        kind, form = data.id.get_type(), data.id.get_create_plist().get_layout()
        simple = self.plain and kind == h5py.h5t.py_create(data.dtype, logical=True) and data.nbytes > 0
        if simple and form == h5py.h5d.CONTIGUOUS and data.id.get_offset() is not None:
            return {"offset": data.id.get_offset()}
        if simple and form == h5py.h5d.CHUNKED and filters in ([], [1], [2], [2, 1]):
            chunks: list[Any] = []
            data.id.chunk_iter(chunks.append)
            if len(chunks) == prod(-(-n // step) for n, step in zip(data.shape, data.chunks or (), strict=True)):
                rows = [(*chunk.chunk_offset, chunk.byte_offset, chunk.size, chunk.filter_mask) for chunk in chunks]
                table = self.carry(np.array(rows, "<i8"), where)
                return {"table": table, "chunks": data.chunks, "filters": filters}
        self.carried_size(data.nbytes, where)
        return {"values": self.carry(np.asarray(data[()]), where)}

    def carried_size(self, size: int, where: str) -> None:
        if self.carried_bytes + size > self.limits.MAX_CARRIED:
            raise Refused(
                where, f"{size} bytes, stored other than plainly or by gzip; allowed are {self.limits.MAX_CARRIED}"
            )

    def carry(self, values: np.ndarray, where: str) -> tuple[int, int]:
        """Where these values will lie behind the answer: first byte, bytes."""
        self.carried_size(values.nbytes, where)
        self.carried.append(values.tobytes())
        self.carried_bytes += values.nbytes
        return self.carried_bytes - values.nbytes, values.nbytes


def _decoded(value: Any) -> str:
    text = value.decode("utf8", "replace") if isinstance(value, bytes) else str(value)
    return text.encode("utf8", "replace").decode("utf8")


if __name__ == "__main__":
    main()
