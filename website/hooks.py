"""What mkdocs calls as it builds the site: it is given the pages that lie elsewhere, or nowhere until they are made."""

from functools import cache
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files  # pyright: ignore[reportMissingImports]

from website.api_pages import api_pages
from website.command_pages import command_page, index_page
from website.commands import commands
from website.formulas import with_formulas
from website.places import pages_from_elsewhere, with_links

STYLE = Path(__file__).with_name("style.css")


@cache
def pages() -> dict[str, str]:
    """All pages that are no file of docs/, by their paths in the site."""
    made = {"commands/index.md": index_page()}
    made |= {f"commands/{command.file}": command_page(command) for command in commands()}
    return made | api_pages() | {place: path.read_text() for place, path in pages_from_elsewhere().items()}


def on_config(config: Any) -> Any:
    """FOLDER/* in the navigation is every page of that folder."""
    config.nav = _filled(config.nav)
    return config


def on_files(files: Files, *, config: Any) -> Files:
    for place, content in (pages() | {STYLE.name: STYLE.read_text()}).items():
        files.append(File.generated(config, place, content=content))
    return files


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """Links between files of the repository become links between pages, and TeX becomes MathML."""
    return with_formulas(with_links(markdown, page.file.src_uri))


def _filled(nav: Any) -> Any:
    if isinstance(nav, list):
        return [_filled(entry) for entry in nav]
    if isinstance(nav, dict):
        return {title: _filled(entry) for title, entry in nav.items()}
    if nav.endswith("/*"):
        return [place for place in pages() if place.startswith(nav[:-1]) and place.endswith(".md")]
    return nav
