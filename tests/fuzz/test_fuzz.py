"""Whatever is damaged in a file or folder of a stranger: it is read, or refused in one line that names it."""

import os
from pathlib import Path

import pytest

from tests.fuzz.judge import Case, Judge, fuzz
from tests.fuzz.kinds import GROUPS, write_sound

FEW = {"nir": 100, "net": 100, "trace": 100, "recordings": 250, "run": 20}
"""How many of a group `make test` damages; of the others `SOME`."""
SOME = 150

SEEDS = int(os.environ.get("CKD_FUZZ_SEEDS", "20000"))
"""How many `make test-long` damages."""
FIRST = int(os.environ.get("CKD_FUZZ_FIRST", "1000"))

NEEDS = {"recordings": ("tonic", "aedat", "expelliarmus"), "onnx": ("onnx", "onnxruntime")}


def installed(group: str) -> str:
    for package in NEEDS.get(group, ()):
        pytest.importorskip(package, reason=f"needs the extra {'events' if group == 'recordings' else 'onnx'}")
    return group


@pytest.fixture(autouse=True)
def cache_of_the_tests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.mark.parametrize("group", GROUPS)
def test_whatever_is_damaged_is_read_or_refused(tmp_path: Path, group: str) -> None:
    files = write_sound(tmp_path, (installed(group),))
    with Judge() as judge:
        assert [answer["said"] for answer in judge.load([Case(kind, path, path) for kind, path in files.items()])] == [
            "read"
        ] * len(files)
    count = FEW.get(group, SOME)
    counts, findings = fuzz(files, tmp_path, range(count))
    assert not findings, "\n\n".join(findings[:5])
    refused = sum(n for name, n in counts.items() if name.endswith(": refused"))
    assert refused > count // 4, counts


@pytest.mark.long
@pytest.mark.parametrize("group", GROUPS)
def test_thousands_of_damaged_ones_are_read_or_refused(tmp_path: Path, group: str) -> None:
    counts, findings = fuzz(write_sound(tmp_path, (installed(group),)), tmp_path, range(FIRST, FIRST + SEEDS))
    print(counts)
    assert not findings, "\n\n".join(findings[:20])
