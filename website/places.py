"""Which file of the repository becomes which page, and links between files as links between pages."""

import os
import re
from functools import cache
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parents[1]
FILES = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "SECURITY.md": "security.md",
    "deploy/zoo/README.md": "zoo.md",
    "CITATION.cff": "CITATION.cff",
    "LICENSE": "LICENSE",
}
"""Files outside docs/ that the site has, too, and where."""
LINK = re.compile(r"\]\(([^()\s]+)\)")


@cache
def places() -> dict[str, str]:
    """The path in the site of every file of the repository that it has, and of the folder of every example."""
    examples = {path.parent.name: path for path in sorted((ROOT / "examples").glob("*/README.md"))}
    pages = {f"examples/{name}/README.md": f"examples/{name}.md" for name in examples}
    folders = {f"examples/{name}": f"examples/{name}.md" for name in examples}
    notebooks = [str(path.relative_to(ROOT)) for path in ROOT.glob("examples/*/*.ipynb")]
    documents = {f"docs/{path.name}": path.name for path in (ROOT / "docs").iterdir()}
    return FILES | pages | folders | documents | {name: name for name in notebooks}


def pages_from_elsewhere() -> dict[str, Path]:
    """The files outside docs/ by their paths in the site."""
    found = ((place, ROOT / name) for name, place in places().items() if not name.startswith("docs/"))
    return {place: path for place, path in found if path.is_file()}


def source_of(place: str) -> str | None:
    """The file of the repository that is this page; None for a page that is made."""
    return next((name for name, page in places().items() if page == place and (ROOT / name).is_file()), None)


def with_links(text: str, place: str) -> str:
    """The text of a page with links to other files of the repository turned into links to their pages.

    A link to a file that is no page stays as it is, for mkdocs to complain about.
    """
    source = source_of(place)
    if source is None:
        return text

    def turned(link: re.Match[str]) -> str:
        parts = urlsplit(link[1])
        if parts.scheme or not parts.path:
            return link[0]
        name = os.path.normpath(PurePosixPath(source).parent / parts.path)
        if name not in places():
            return link[0]
        path = os.path.relpath(places()[name], PurePosixPath(place).parent)
        return f"]({path}{'#' if parts.fragment else ''}{parts.fragment})"

    return LINK.sub(turned, text)
