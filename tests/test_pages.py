"""Every command on every page runs as it is typed, in its order, in a folder where what it names lies ready.

Pages: the README, docs/, the examples, and the pages of the commands with the examples of their helps. What cannot run
says why on its page (`tests/pages.py`).
"""

import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.ckd.conftest import cache_of_the_tests, tiny_run
from tests.pages import Block, blocks, pages, strays
from tests.setting import prepare

__all__ = ["cache_of_the_tests", "tiny_run"]

ROOT = Path(__file__).resolve().parents[1]
SECONDS = 3600
BRIEFLY = "--iterations 40 --batch 16 --warmup 4 --evaluations 2 --teacher-iterations 20 --teacher-batch 32"
SHORTER = {
    r"(python -m ckd\.train(?! --resume))\b": rf"\1 {BRIEFLY}",
    r"--seconds \d+": "--seconds 5",
    r"--finetune \d+": "--finetune 4",
    r"--contrastive \d+": "--contrastive 10",
}
"""Budgets that become seconds, on all pages but the examples'; networks, data and all else that a user types stay."""
NOT_RUN = 24
"""Blocks that say on their page why they are not run. One more is a decision, and changes this number."""
QUICK = {
    "examples/06_lava_dl_net/README.md-0",
    "examples/07_planted_fault/README.md-0",
    "examples/08_live_stream/README.md-0",
    "examples/10_new_simulator/README.md-0",
}
"""Blocks of a few seconds, which `make test` runs too; all others have the marker `long`."""


def commands() -> list[object]:
    run = [block for block in blocks("sh") if not block.why_not]
    marks = {block.name: [] if block.name in QUICK else [pytest.mark.long] for block in run}
    return [pytest.param(block, id=block.name.replace("/", "_"), marks=marks[block.name]) for block in run]


def typed(block: Block) -> str:
    """What goes into the shell. A line that says `exit code 1` must end with 1."""
    text = block.text
    for words, shorter in SHORTER.items() if not block.page.startswith("examples/") else ():
        text = re.sub(words, shorter, text)
    return re.sub(r"^(.*?)( +#.*\bexit code 1\b)", r"\1 && exit 9 || test $? -eq 1\2", text, flags=re.MULTILINE)


def type_in(folder: Path, text: str) -> str:
    """Type commands into a shell that stops at the first one whose exit code is not 0; gives what they said."""
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "XDG_CACHE_HOME": str(folder / "cache"),
    }
    done = subprocess.run(
        ["bash", "-euxc", text],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0 and "Traceback" not in done.stdout, done.stdout[-4000:]
    return done.stdout


@pytest.mark.parametrize("block", commands())
def test_the_commands_of_a_page_run_in_their_order(
    block: Block, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if "--cluster" in block.text:
        pytest.importorskip("ray", reason="the extra `cluster` is not installed")
    prepare(tmp_path, block.text, lambda: request.getfixturevalue("tiny_run"))
    type_in(tmp_path, typed(block))


def test_what_is_not_run_says_why() -> None:
    left_out = [block for block in blocks("sh") if block.why_not]
    assert len(left_out) == NOT_RUN and all(len(block.why_not) > 10 for block in left_out), [b.name for b in left_out]
    assert {block.name for block in blocks("sh")} - {block.name for block in left_out} >= QUICK


def test_commands_are_in_such_blocks_and_every_page_is_looked_at() -> None:
    assert not strays()
    found = Counter(block.page.partition("/")[0] for block in blocks("sh"))
    examples = {page for page in pages() if page.startswith("examples/")}
    assert examples <= {block.page for block in blocks("sh")}
    assert len(examples) >= len(list((ROOT / "examples").iterdir()))
    assert found["README.md"] >= 8 and found["docs"] >= 30


def test_the_first_command_that_fails_is_shown(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=r"ckd-deploy check absent\.nir\n.*error: absent"):
        type_in(tmp_path, "ckd-deploy check absent.nir\ntouch reached")
    assert not (tmp_path / "reached").exists()


@pytest.mark.parametrize(("ends", "fails"), [("true", True), ("exit 2", True), ("false", False)])
def test_a_line_that_promises_exit_code_1_ends_with_1(ends: str, fails: bool, tmp_path: Path) -> None:
    block = Block("README.md", 0, "sh", f"bash -c '{ends}'   # exit code 1: different\n", "")
    if fails:
        with pytest.raises(AssertionError):
            type_in(tmp_path, typed(block))
    else:
        type_in(tmp_path, typed(block))
