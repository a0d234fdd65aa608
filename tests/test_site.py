"""The documentation site: its pages say what the commands take, its links lead somewhere, it is built strictly."""

import os
import re
import subprocess
import sys
from contextlib import redirect_stdout
from importlib import import_module
from importlib.util import find_spec
from io import StringIO
from pathlib import Path

import pytest

from website.commands import Command, commands
from website.figures import TABLES, filled, pages
from website.places import pages_from_elsewhere, places, with_links

ROOT = Path(__file__).resolve().parents[1]
FLAGS = re.compile(r"^[│| ] (-.*?)(?:  |$)", re.MULTILINE)
"""The flags at the left of a help's boxes, whose lines are spaces where the output is no terminal."""


def help_of(command: Command) -> str:
    """What a command says of itself."""
    said = StringIO()
    words = command.name.split()[1:]
    with redirect_stdout(said):
        try:
            import_module(command.module).main([*words, "--help"])
        except SystemExit as end:
            assert end.code == 0
    return said.getvalue()


@pytest.mark.parametrize("command", commands(), ids=lambda command: command.name)
def test_the_page_of_a_command_has_every_option_of_its_help(command: Command) -> None:
    listed = {name for flags in FLAGS.findall(help_of(command)) for name in re.findall(r"--[a-z][a-z0-9-]*", flags)}
    listed -= {"--help"}
    ours = {name for option in command.options for name in option.names if name.startswith("--")}
    assert ours == listed and (listed or command.name == "ckd-download")


@pytest.mark.parametrize("command", commands(), ids=lambda command: command.name)
def test_every_option_says_what_it_does(command: Command) -> None:
    assert command.options and all(option.help and option.names for option in command.options)


def test_a_command_of_each_kind_is_told_apart() -> None:
    options = {command.name: {option.names[-1]: option for option in command.options} for command in commands()}
    assert options["ckd-train"]["--roll"].help.endswith("(at least 0)")
    assert options["ckd-train"]["--heads"].takes == "one | two"
    assert options["ckd-export"]["--out"].names == ("-o", "--out")
    assert options["ckd-compare"]["RUNS"].default == ""
    assert options["ckd-deploy check"]["--on"].default == "integer"
    assert options["ckd-deploy witness"]["--seconds"].takes == "FLOAT"


def test_links_between_files_become_links_between_pages() -> None:
    text = "[a](docs/grid.md#resets) [b](examples/01_main_job/README.md) [c](https://neuroir.org) [d](docs/absent.md)"
    found = with_links(text, "index.md")
    assert found == "[a](grid.md#resets) [b](examples/01_main_job.md) [c](https://neuroir.org) [d](docs/absent.md)"
    assert with_links("[up](../CONTRIBUTING.md) [x](../examples/02_foreign_nir)", "architecture.md") == (
        "[up](contributing.md) [x](examples/02_foreign_nir.md)"
    )
    assert with_links("[data](../../docs/data.md)", "examples/04_own_student_and_data.md") == "[data](../data.md)"


def test_every_document_is_a_page() -> None:
    documents = {path.name for path in (ROOT / "docs").iterdir()}
    examples = {f"examples/{path.parent.name}.md" for path in (ROOT / "examples").glob("*/README.md")}
    assert documents | examples <= set(places().values()) and examples <= set(pages_from_elsewhere())


def test_tables_of_figures_say_what_was_measured() -> None:
    found = pages()
    assert sum(text.count("<!-- figures: ") for text in found.values()) == len(TABLES)
    for path, text in found.items():
        assert path.read_text() == text, f"{path.name}: python -m website.figures"


def test_a_figure_that_was_not_measured_is_found() -> None:
    text = (ROOT / "docs" / "performance.md").read_text()
    forged = text.replace("| 160.2 ms | 162.2 ms |", "| 150.2 ms | 162.2 ms |")
    assert forged != text and filled(forged) == text


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built strictly."""
    if find_spec("mkdocs") is None:
        pytest.skip("mkdocs is not installed")
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0 and "WARNING" not in done.stdout, done.stdout
    return folder


def test_the_site_is_built_without_a_warning_and_has_every_page(site: Path) -> None:
    pages = {path for path in places().values() if path.endswith(".md")}
    pages |= {f"commands/{command.file}" for command in commands()} | {"commands/index.md", "api/deploy.md"}
    missing = [page for page in pages if not (site / page).with_suffix(".html").is_file()]
    assert not missing


def test_every_link_within_the_site_leads_to_a_file(site: Path) -> None:
    """Looked up in what was built, since mkdocs looks at Markdown alone, and with --quiet not even at that."""
    seen = 0
    for path in site.rglob("*.html"):
        links = re.findall(r'(?:href|src)="([^"#?]+)', path.read_text()) if path.name != "404.html" else []
        inside = [link for link in links if not re.match(r"[a-z]+:", link)]
        seen += len(inside)
        assert not [link for link in inside if not (path.parent / link).exists()], path
    assert seen > 1000


def test_make_docs_builds_as_these_tests_do() -> None:
    (rule,) = re.findall(r"^docs:.*\n\t(.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert "mkdocs build --strict" in rule and "quiet" not in rule


def test_the_reference_has_every_public_name(site: Path) -> None:
    for wing in ("deploy", "export", "ckd"):
        page = (site / "api" / f"{wing}.html").read_text()
        for name in import_module(wing).__all__:
            assert re.search(rf'id="{wing}\.[\w.]*{name}"', page) or f'id="{wing}.{name}"' in page, name


def test_nothing_on_a_page_is_left_as_markdown(site: Path) -> None:
    for path in site.rglob("*.html"):
        article = re.sub(r"(?s)<(pre|code|script|math)\b.*?</\1>", "", path.read_text())
        prose = re.findall(r"(?s)<(?:p|li|td)>(.*?)</(?:p|li|td)>", article)
        assert path.name == "404.html" or prose, path
        left = [text for text in prose if re.search(r"\*\*|\]\(|\n *(?:[-*] |\||#)", text)]
        assert not left, (path, left[:3])


def test_formulas_are_mathml_and_those_of_a_sentence_stay_in_it(site: Path) -> None:
    method = (site / "method.html").read_text()
    source = (ROOT / "docs" / "method.md").read_text()
    assert method.count('<div class="formula"><math') == source.count("```math") > 5
    assert method.count("<span><math") > 10 and "$" not in re.sub(r"(?s)<(script|style)\b.*?</\1>", "", method)
    assert not re.search(r"</p>\s*(?:<span>)?<math", method)


def test_nothing_is_fetched_from_elsewhere(site: Path) -> None:
    """Pages can be read without a network: no script, style, font or picture has an address."""
    for path in site.rglob("*.html"):
        fetched = re.findall(r"<(?:script|img|link|iframe)\b[^>]*?(?:src|href)=\"(https?:[^\"]+)", path.read_text())
        assert not fetched, (path, fetched)
