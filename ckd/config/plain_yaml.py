"""YAML files of strangers: no aliases, which could make a kilobyte a gigabyte, and no deeper than ours are."""

from collections.abc import Hashable
from pathlib import Path
from typing import Any

from ckd.files import read_small

DEEPEST = 10
LONGEST = 1 << 20
"""Levels and bytes of a file; ours have three and some thousand."""


def read_yaml_file(path: Path) -> Any:
    """As `read_yaml`. Raises ValueError, and OSError where it cannot be read."""
    return read_yaml(read_small(path, LONGEST))


def read_yaml(text: str) -> Any:
    """The value of a YAML document: keys and values, lists, numbers, strings, true, false and null. A date is a string.

    Raises:
        ValueError: not YAML, or more than that; the message is one line.
    """
    import yaml

    class Loader(yaml.SafeLoader):
        depth = 0

        def compose_node(self, parent: Any, index: Any) -> Any:
            if self.check_event(yaml.AliasEvent):
                raise ValueError(f"an alias (*{self.peek_event().anchor}); write the value itself there")  # pyright: ignore
            self.depth += 1
            if self.depth > DEEPEST:
                raise ValueError(f"values nested deeper than {DEEPEST} levels")
            node = super().compose_node(parent, index)
            self.depth -= 1
            return node

        def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
            for key, _ in node.value:
                if key.tag != "tag:yaml.org,2002:str":
                    raise ValueError(f"a key that is no string, in line {key.start_mark.line + 1}")
            return super().construct_mapping(node, deep)

    Loader.yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in rules if not tag.endswith((":timestamp", ":merge"))]
        for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    if len(text) > LONGEST:
        raise ValueError(f"{len(text):,} characters; at most {LONGEST:,} are read")
    try:
        return yaml.load(text, Loader)
    except (yaml.YAMLError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(" ".join(str(error).split())[:200]) from None


def shown(value: Any) -> str:
    """A value of a file in a message, shortened."""
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else text[:57] + "..."
