"""YAML as people write it, read without losing a line: a key that stands twice is refused.

YAML forbids it, and PyYAML keeps the last one: a claim or a setting that was written, and is in the file, would be passed over.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import yaml


def read_yaml(text: str) -> object:
    """What a YAML text holds.

    Parameters
    ----------
    text : str
        One document.

    Raises
    ------
    yaml.YAMLError
        If it is not YAML, or a mapping holds a key twice; the message names line and column.
    """
    return yaml.load(text, Loader=_Loader)  # noqa: S506  it is a safe loader


class _Loader(yaml.SafeLoader):
    """The safe loader, and no key twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:  # Any: as PyYAML has it
        keys: set[Hashable] = set()
        for key_node, _ in node.value:
            merged = key_node.tag == "tag:yaml.org,2002:merge"
            key = None if merged else self.construct_object(key_node, deep=True)
            if isinstance(key, Hashable) and not merged:
                if key in keys:
                    raise yaml.constructor.ConstructorError(
                        "while reading a mapping", node.start_mark, f"found the key '{key}' twice", key_node.start_mark
                    )
                keys.add(key)
        return super().construct_mapping(node, deep=deep)
