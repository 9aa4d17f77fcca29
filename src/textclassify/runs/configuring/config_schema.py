"""The JSON Schema of a configuration file, for editors that complete and check YAML."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from textclassify.core.seeds import LARGEST_SEED
from textclassify.llm.chat_holding import LOCAL
from textclassify.llm.http.providers import PROVIDERS
from textclassify.llm.prompting.wordings import LANGUAGES
from textclassify.runs.config import Config
from textclassify.runs.configuring.config_keys import MEANINGS
from textclassify.runs.configuring.published_config import KEYS as PUBLISHED_KEYS

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_NULL = {"type": "null"}
_NAMES = {"type": "array", "items": {"type": ["string", "integer", "boolean"]}}
_PROVIDER = {"type": "string", "enum": [LOCAL, "none", *sorted(PROVIDERS)]}
_WIDER: dict[str, dict[str, Any]] = {
    "label_columns": {"anyOf": [{"type": "string"}, _NAMES, _NULL]},
    "labels": {"anyOf": [{"type": "string"}, _NAMES, {"type": "object"}, _NULL]},
    "llm_provider": {"anyOf": [_PROVIDER, {"type": "array", "items": _PROVIDER}, _NULL]},
    "llm_language": {"type": "string", "enum": [*LANGUAGES]},
    "llm_budget": {"anyOf": [{"type": "string"}, {"type": "number", "minimum": 0}, _NULL]},
    "random_state": {"type": "integer", "minimum": 0, "maximum": LARGEST_SEED},
}
"""What a key takes where its type in Python says less than its checks do."""


def config_schema() -> dict[str, Any]:
    """Return the schema: every key with its meaning, its values and its default, in our own form and the paper's."""
    flat = {key: _described(key, plain) for key, plain in Config.model_json_schema()["properties"].items()}
    sections = _sections(flat)
    data = {"description": MEANINGS["data"], "anyOf": [*flat["data"]["anyOf"], sections.pop("data")]}
    return {
        "$schema": DIALECT,
        "title": "textclassify configuration",
        "description": "What `textclassify train --config` takes.",
        "type": "object",
        "additionalProperties": False,
        "properties": {**flat, "data": data, **sections},
    }


def _described(key: str, plain: Mapping[str, Any]) -> dict[str, Any]:
    """Return a key's part of the schema with what the key means."""
    default = {"default": plain["default"]} if plain.get("default") is not None else {}
    values = _WIDER.get(key) or {name: part for name, part in plain.items() if name not in {"title", "default"}}
    return {"description": MEANINGS[key], **values, **default}


def _sections(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Return the sections of the paper's form, whose keys take what ours take."""
    found: dict[str, Any] = {}
    for path, key in PUBLISHED_KEYS.items():
        *sections, name = path.split(".")
        inside = found
        for section in sections:
            opened = inside.setdefault(section, {"type": "object", "additionalProperties": False, "properties": {}})
            inside = opened["properties"]
        inside[name] = flat[key]
    return found
