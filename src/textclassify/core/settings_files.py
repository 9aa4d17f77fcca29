"""What users write into YAML and JSON files, read strictly: nothing is guessed, nothing is dropped."""

from __future__ import annotations

import contextlib
import json
import re
from pathlib import Path
from typing import Any

import yaml

_NO_PLAIN_NUMBER = re.compile(r"[-+]?0[0-9_]+|[-+]?[0-9_]+(:[0-5]?[0-9])+")
"""Numbers to YAML 1.1 that people write as text: 01 and 12:30."""


class _Loader(yaml.SafeLoader):
    """YAML in which `yes`, `no`, `on` and `off` are text, and a key that is given twice is an error."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        """Return the node of a mapping, its keys as they are written: merges come later and may repeat one."""
        node: yaml.MappingNode = super().compose_mapping_node(anchor)
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if (key.tag, key.value) in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"the key {key.value!r} is given twice; keep one", key.start_mark
                    )
                seen.add((key.tag, key.value))
        return node

    def construct_whole_number(self, node: yaml.ScalarNode) -> int:
        """Return a whole number, of which nobody can think that it is text."""
        if _NO_PLAIN_NUMBER.fullmatch(node.value):
            raise yaml.constructor.ConstructorError(
                None,
                None,
                f"{node.value} would become another number; quote it to keep it: '{node.value}'",
                node.start_mark,
            )
        return int(super().construct_yaml_int(node))


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:bool" or first in "tTfF"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_whole_number)


def utf8_text(path: Path) -> str:
    """Return what a text file holds, without the mark that some editors put before it.

    Raises:
        OSError: the file cannot be opened.
        ValueError: it is no UTF-8; the message says where.

    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"byte {error.start} is not UTF-8; save the file as UTF-8") from error


def read_settings_file(path: Path) -> Any:
    """Return what a YAML file holds, or a JSON file where the name ends so; None when it is empty.

    Raises:
        OSError: the file cannot be opened.
        ValueError: it is broken, no UTF-8, nested too deeply, or gives a key twice; the message says where.

    """
    content = utf8_text(path)
    try:
        if path.suffix.lower() == ".json":
            return json.loads(content, object_pairs_hook=_unique) if content.strip() else None
        return yaml.load(content, _Loader)  # noqa: S506 - derived from the safe one
    except yaml.YAMLError as error:
        raise ValueError(_in_one_line(error)) from error
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def read_setting(written: str) -> Any:
    """Return the value that a line of such a file would give a key; the text itself is not read as a file's name.

    Raises:
        ValueError: it is broken.

    """
    try:
        return yaml.load(written, _Loader)  # noqa: S506 - derived from the safe one
    except yaml.YAMLError as error:
        raise ValueError(_in_one_line(error)) from error
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def one_line(value: Any) -> str:
    """Return a plain value as YAML on one line; JSON is YAML, but for numbers such as 1e-05."""
    if isinstance(value, float):
        return str(yaml.safe_dump(value)).partition("\n")[0]
    return json.dumps(value, ensure_ascii=False)


def key_lines(path: Path) -> dict[str, int]:
    """Return the line, from 1, of each key of a YAML file that can be read; keys inside others as `outer.inner`."""
    found: dict[str, int] = {}

    def look(node: yaml.Node | None, before: str) -> None:
        for key, value in node.value if isinstance(node, yaml.MappingNode) else ():
            if isinstance(key, yaml.ScalarNode):
                found[before + key.value] = key.start_mark.line + 1
                look(value, f"{before}{key.value}.")

    look(yaml.compose(utf8_text(path), _Loader), "")
    return found


def _in_one_line(error: yaml.YAMLError) -> str:
    """Return what is wrong and where, its lines and columns counted from 1."""
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    if mark is None:
        return " ".join(str(error).split())
    said = ", ".join(filter(None, (getattr(error, "context", None), getattr(error, "problem", None))))
    return f"{said} (line {mark.line + 1}, column {mark.column + 1})"


def expanded(path: str | Path) -> Path:
    """Return a path with a leading `~` replaced by the home folder, where that is known."""
    with contextlib.suppress(RuntimeError):
        return Path(path).expanduser()
    return Path(path)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    unique = dict(pairs)
    if len(unique) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {twice!r} is given twice; keep one")
    return unique
