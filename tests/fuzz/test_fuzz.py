"""Whatever is damaged in a file of a stranger: it is read, or refused in one line that names it."""

import os
from pathlib import Path

import pytest

from tests.fuzz.judge import Judge, fuzz
from tests.fuzz.sound import write_sound

FEW = 300
SEEDS = int(os.environ.get("CKD_FUZZ_SEEDS", "5000"))
"""How many files `make test-long` damages."""

FIRST = int(os.environ.get("CKD_FUZZ_FIRST", "1000"))


def test_sound_files_are_read(tmp_path: Path) -> None:
    with Judge() as judge:
        assert {name: judge.load(path)["said"] for name, path in write_sound(tmp_path).items()} == dict.fromkeys(
            write_sound(tmp_path), "read"
        )


def test_a_damaged_file_is_read_or_refused(tmp_path: Path) -> None:
    counts, findings = fuzz(write_sound(tmp_path), tmp_path, range(FEW))
    assert not findings, "\n\n".join(findings[:5])
    refused = sum(n for name, n in counts.items() if name.endswith(": refused"))
    assert refused > FEW // 3, counts


@pytest.mark.long
def test_thousands_of_damaged_files_are_read_or_refused(tmp_path: Path) -> None:
    counts, findings = fuzz(write_sound(tmp_path), tmp_path, range(FIRST, FIRST + SEEDS))
    print(counts)
    assert not findings, "\n\n".join(findings[:20])
