"""The parts of the reference that are read from the package: public names, commands, configuration keys."""

from __future__ import annotations

import importlib
import inspect
import json
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

import typer.main

import textclassify
from textclassify import errors
from textclassify.apps.cli import app
from textclassify.runs.config import Config
from textclassify.runs.configuring.config_keys import SECTIONS
from textclassify.runs.configuring.config_schema import config_schema


def names(*layers: str) -> str:
    """Return the public names that live in these layers, for autodoc."""
    lines = []
    for name in sorted(textclassify.__all__):
        value = getattr(textclassify, name)
        if isinstance(value, str) or value.__module__.split(".")[1] not in layers:
            continue
        kind = "autoclass" if isinstance(value, type) else "autofunction"
        members = "\n   :members:\n   :show-inheritance:" if isinstance(value, type) else ""
        lines.append(f"## {name}\n\n```{{eval-rst}}\n.. {kind}:: textclassify.{name}{members}\n```\n")
    return "\n".join(lines)


def classes(name: str) -> str:
    """Return what a module offers beside the public names, for autodoc."""
    module = importlib.import_module(name)
    parts = []
    for one in sorted(set(module.__all__) - set(textclassify.__all__)):
        is_class = isinstance(getattr(module, one), type)
        kind, members = ("autoclass", "\n   :members:") if is_class else ("autofunction", "")
        parts.append(f"## {one}\n\n```{{eval-rst}}\n.. {kind}:: {name}.{one}{members}\n```\n")
    return "\n".join(parts)


def module(name: str, *members: str) -> str:
    """Return what autodoc takes for some names of a module, or for all of them."""
    chosen = f" {', '.join(members)}" if members else ""
    return f"```{{eval-rst}}\n.. automodule:: {name}\n   :members:{chosen}\n   :show-inheritance:\n```\n"


def error_tree() -> str:
    """Return the tree of errors as their module draws it, and each of them."""
    drawn = inspect.cleandoc(errors.__doc__ or "").split("\n", 1)[1].strip("\n")
    classes = [name for name, value in vars(errors).items() if isinstance(value, type)]
    blocks = "\n".join(f".. autoexception:: textclassify.errors.{name}\n" for name in classes)
    return f"```text\n{drawn}\n```\n\n```{{eval-rst}}\n{blocks}```\n"


def commands() -> str:
    """Return every command with its arguments and options, as `--help` shows them."""
    return "\n".join(_sections("textclassify", typer.main.get_command(app), level=2))


def _sections(path: str, group: Any, level: int) -> Iterable[str]:
    for name, command in group.commands.items():
        if command.hidden:
            continue
        yield f"{'#' * level} {path} {name}\n\n{_paragraphs(command.help)}\n"
        if hasattr(command, "commands"):
            yield from _sections(f"{path} {name}", command, level + 1)
        else:
            yield _usage(f"{path} {name}", command)


def _usage(path: str, command: Any) -> str:
    context = command.make_context(path, [], resilient_parsing=True)
    usage = " ".join(command.get_usage(context).removeprefix("Usage:").split())
    records = [option.get_help_record(context) for option in command.params]
    rows = [f"| `{flags}` | {_cell(said)} |" for flags, said in filter(None, records)]
    return f"```text\n{usage}\n```\n\n| option | what it does |\n|---|---|\n" + "\n".join(rows) + "\n"


def _paragraphs(text: str | None) -> str:
    return "\n\n".join(" ".join(part.split()) for part in (text or "").replace("\f", "").split("\n\n"))


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def configuration() -> str:
    """Return the keys of a configuration, section by section: what each means, what it takes, its default."""
    schema = config_schema()
    defined = Config.model_json_schema().get("$defs", {})
    parts = []
    for section, meanings in SECTIONS.items():
        rows = [f"## {section}", "", "| key | what it means | value | default |", "|---|---|---|---|"]
        for key in meanings:
            about = schema["properties"][key]
            default = json.dumps(about.get("default"), ensure_ascii=False)
            rows.append(f"| `{key}` | {_cell(about['description'])} | {_type(about, defined)} | `{default}` |")
        parts.append("\n".join(rows))
    return "\n\n".join(parts)


def _type(about: Mapping[str, Any], defined: Mapping[str, Any]) -> str:
    """Return a JSON Schema type in words."""
    if "$ref" in about:
        about = defined[about["$ref"].rsplit("/", 1)[-1]]
    if "anyOf" in about:
        return " or ".join(dict.fromkeys(_type(one, defined) for one in about["anyOf"]))
    if "enum" in about:
        return ", ".join(f"`{value}`" for value in about["enum"])
    if "const" in about:
        return f"`{about['const']}`"
    bounds = {"minimum": "from", "exclusiveMinimum": "above", "maximum": "to", "exclusiveMaximum": "below"}
    said = "".join(f" {word} {about[key]:g}" for key, word in bounds.items() if key in about)
    kind = {"string": "text", "array": "list", "object": "mapping", "null": "null", "boolean": "true or false"}
    return f"{kind.get(about.get('type', ''), about.get('type', 'any'))}{said}"


PAGES: Mapping[str, Mapping[str, Callable[[], str]]] = {
    "reference/classifiers": {"<!-- names -->": partial(names, "ml", "llm", "rac")},
    "reference/ensembles": {"<!-- names -->": partial(names, "auto", "ensemble")},
    "reference/data": {
        "<!-- names -->": partial(names, "core", "statistics", "runs", "utils"),
        "<!-- runs -->": partial(classes, "textclassify.runs.results"),
    },
    "reference/errors": {"<!-- errors -->": error_tree},
    "reference/testing": {"<!-- testing -->": partial(module, "textclassify.testing")},
    "reference/command-line": {"<!-- commands -->": commands},
    "reference/configuration": {"<!-- keys -->": configuration},
}
"""Page -> marker -> what stands in its place."""
