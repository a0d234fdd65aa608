"""The blocks of commands and of Python on every page: README, CONTRIBUTING, docs/, the examples, pages of commands.

`tests/test_pages.py` runs every block of commands, but where a comment above it says what keeps it from being run:
`<!-- not run: WHY -->`.
"""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from website.command_pages import examples_of
from website.commands import commands
from website.places import pages_from_elsewhere

ROOT = Path(__file__).resolve().parents[1]
FENCED = re.compile(r"^(?:<!-- not run: ([^\n]+) -->\n)?```(sh|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"^(?:\S*/)?(?:python3?|pip|pytest|torchrun|make|uv|ckd-[a-z]+) ")
NEVER = {
    "python -m ckd.download n-caltech101 DATA": "fetches gigabytes",
    "python -m ckd.train --preset n-caltech101 --data-root DATA": "needs N-Caltech101",
    "python -m ckd.train --resume runs/few": "needs an interrupted run, as test_interruption.py has",
}
"""Examples of helps that are not run, which have no place for a comment, and why."""
DIFFER = ("--bisect", "witness student.nir other.nir")
"""Words of those examples of helps that find a difference, so that their exit code is 1."""


@dataclass(frozen=True)
class Block:
    """A block as it stands on a page."""

    page: str
    number: int
    """Among the blocks of its language on that page."""
    language: str
    text: str
    why_not: str
    """What keeps it from being run; empty where nothing does."""

    @property
    def name(self) -> str:
        return f"{self.page}-{self.number}"


@cache
def pages() -> dict[str, str]:
    """The text of every page that lies in the repository, by its path."""
    documents = [*sorted((ROOT / "docs").glob("*.md")), *pages_from_elsewhere().values()]
    return {str(path.relative_to(ROOT)): path.read_text() for path in documents if path.suffix == ".md"}


@cache
def blocks(language: str) -> tuple[Block, ...]:
    """All blocks of a language, `sh` or `python`, those of helps last."""
    found = [block for page, text in pages().items() for block in _blocks_of(page, text, language)]
    return tuple(found + (_of_helps() if language == "sh" else []))


def strays() -> list[str]:
    """Commands on a line of their own that are in no such block."""
    outside = {page: FENCED.sub("", text) for page, text in pages().items()}
    return [f"{page}: {line}" for page, text in outside.items() for line in text.splitlines() if _is_command(line)]


def _blocks_of(page: str, text: str, language: str) -> list[Block]:
    found = [match for match in FENCED.finditer(text) if match[2] == language]
    return [Block(page, i, language, match[3], match[1] or "") for i, match in enumerate(found)]


def _of_helps() -> list[Block]:
    return [_of_help(command.name, i, line) for command in commands() for i, line in enumerate(examples_of(command))]


def _of_help(name: str, number: int, line: str) -> Block:
    typed = line.partition("  # ")[0]
    ends = "  # exit code 1" if any(words in line for words in DIFFER) else ""
    return Block(name, number, "sh", typed + ends, NEVER.get(typed, ""))


def _is_command(line: str) -> bool:
    return bool(COMMAND.match(line.strip())) and (line.startswith("    ") or "`" not in line)
