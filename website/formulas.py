"""Formulas in TeX become MathML, which browsers show without a script: blocks `math` and `$...$`, as on GitHub."""

import re
from typing import Any

from latex2mathml.converter import convert  # pyright: ignore[reportMissingImports]

CODE = re.compile(r"(^```.*?^```$|`[^`]*`)", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"\$([^\s$](?:[^$\n]*[^\s$])?)\$")


def display(source: str, *_: Any, **__: Any) -> str:
    """A formula in a line of its own."""
    return f'<div class="formula">{convert(source, display="block")}</div>'


def inline(source: str) -> str:
    """A formula in a sentence. The span keeps Markdown from taking one that begins a line for a paragraph."""
    return f"<span>{convert(source)}</span>"


def with_formulas(text: str) -> str:
    """The text of a page that has blocks `math`, with the formulas in its sentences converted; code stays as it is."""
    if "```math" not in text:
        return text
    parts = CODE.split(text)
    parts[::2] = [INLINE.sub(lambda formula: inline(formula[1]), part) for part in parts[::2]]
    return "".join(parts)
