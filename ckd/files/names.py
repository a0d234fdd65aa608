"""What comes from a file or a file's name, as a terminal may show it."""


def escaped(text: str) -> str:
    """The text, and what moves a cursor, hides or is no character at all as its escape: "\\x1b" for ESC.

    A new line stays one.
    """
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text)


def one_line(text: str) -> str:
    """The text escaped, on one line."""
    return escaped(" ".join(text.split()))
