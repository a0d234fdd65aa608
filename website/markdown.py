"""Small pieces of Markdown."""

from collections.abc import Sequence


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of cells that are Markdown already."""
    lines = [heads, *rows]
    first, *others = (f"|{'|'.join(f' {cell} ' if cell else ' ' for cell in line)}|" for line in lines)
    return "\n".join((first, f"|{'---|' * len(heads)}", *others))


def escaped(text: str) -> str:
    """Text that is shown as it stands, apart from what is code in it, between backquotes."""
    parts = text.split("`")
    parts[::2] = [_escaped(part) for part in parts[::2]]
    return "`".join(parts)


def code(text: str) -> str:
    """A word of code, in a cell of a table too."""
    return f"`{text}`" if "|" not in text else f"<code>{text.replace('|', '&#124;')}</code>"


def _escaped(text: str) -> str:
    for mark, shown in {"&": "&amp;", "<": "&lt;", "|": "&#124;", "*": "&#42;", "_": "&#95;", "[": "&#91;"}.items():
        text = text.replace(mark, shown)
    return text
