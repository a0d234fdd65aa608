"""A skip for a reason that nobody allowed fails the session, in one line that names the test and the reason."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

TESTS = """
import pytest

def test_that_runs():
    pass

@pytest.mark.skipif(True, reason="no {what} here")
def test_by_mark():
    pass

def test_by_call():
    pytest.skip("no {what} here,\\nbut\\nthere")

def test_by_import():
    pytest.importorskip("no_such_module", reason="no {what} here")

@pytest.fixture
def lacking():
    pytest.skip("no {what} here")

def test_by_fixture(lacking):
    pass

@pytest.mark.xfail(reason="no {what} here")
def test_that_is_known_to_fail():
    assert False
"""
WHOLE_FILE = 'import pytest\n\npytest.importorskip("no_such_module", reason="no {what} here")\n'
PROCESSES = pytest.mark.parametrize("processes", [(), ("-n", "2")], ids=["one process", "xdist"])


def run(folder: Path, content: str, what: str, *options: str) -> subprocess.CompletedProcess[str]:
    """pytest with our conftest on a file whose tests lack `what`, where only moons may be lacking."""
    (folder / "allowed.txt").write_text("# What may be lacking.\n\nno moon\n")
    (folder / "test_it.py").write_text(content.replace("{what}", what))
    command = [sys.executable, "-m", "pytest", "-p", "tests.conftest", "-p", "no:cacheprovider", "-rfEs"]
    return subprocess.run(
        [*command, "--allowed-skips", "allowed.txt", *options],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@PROCESSES
def test_a_skip_on_the_list_is_a_skip(tmp_path: Path, processes: tuple[str, ...]) -> None:
    done = run(tmp_path, TESTS, "moon", *processes)
    assert done.returncode == 0 and "1 passed, 4 skipped, 1 xfailed" in done.stdout


@PROCESSES
def test_every_other_skip_fails_and_says_so_in_one_line(tmp_path: Path, processes: tuple[str, ...]) -> None:
    done = run(tmp_path, TESTS, "sun", *processes)
    assert done.returncode == 1 and "2 failed, 1 passed, 1 xfailed, 2 errors" in done.stdout
    said = "skipped for a reason that is not in allowed.txt: no sun here"
    for line in (
        f"ERROR test_it.py::test_by_mark - {said}",
        f"ERROR test_it.py::test_by_fixture - {said}",
        f"FAILED test_it.py::test_by_import - {said}",
        f"FAILED test_it.py::test_by_call - {said}, but there",
    ):
        assert line in done.stdout.splitlines()


@PROCESSES
def test_a_file_skipped_as_a_whole_is_judged_too(tmp_path: Path, processes: tuple[str, ...]) -> None:
    (tmp_path / "test_other.py").write_text("def test_that_runs():\n    pass\n")
    allowed = run(tmp_path, WHOLE_FILE, "moon", *processes)
    assert allowed.returncode == 0 and "1 passed, 1 skipped" in allowed.stdout
    refused = run(tmp_path, WHOLE_FILE, "sun", *processes)
    line = "ERROR test_it.py - skipped for a reason that is not in allowed.txt: no sun here"
    assert refused.returncode != 0 and line in refused.stdout.splitlines()


def test_the_long_list_allows_nothing_that_the_short_one_does_not() -> None:
    short, long = ((ROOT / "tests" / f"allowed_skips{name}.txt").read_text().splitlines() for name in ("", "_long"))
    reasons = {line for line in long if line and not line.startswith("#")}
    assert reasons and reasons < set(short)
