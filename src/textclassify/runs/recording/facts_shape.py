"""What `run.json` has to look like, so that one that somebody edited is told from a record."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError

from textclassify.core.labels import LabelSchema


def _moment(written: str) -> str:
    dt.datetime.fromisoformat(written)
    return written


def _labels(stored: dict[str, Any]) -> dict[str, Any]:
    LabelSchema.from_dict(stored)
    return stored


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, extra="allow", protected_namespaces=())


class _Data(_Part):
    file: str | None = None
    rows: int | None = None
    sha256: str | None = None
    texts_sha256: str | None = None


class _DataOfRun(_Part):
    training: _Data | None
    test: _Data | None


class _Git(_Part):
    commit: str
    dirty: bool | None = None


class _Facts(_Part):
    """Keys without a default must be there."""

    id: str
    name: str | None = None
    status: Literal["running", "finished", "failed"]
    started: Annotated[str, AfterValidator(_moment)]
    seconds: dict[str, float] = {}
    command: str | None = None
    config: dict[str, Any] = {}
    origins: dict[str, str] = {}
    labels: Annotated[dict[str, Any], AfterValidator(_labels)] | None
    data: _DataOfRun
    seeds: dict[str, Any] = {}
    packages: dict[str, str] = {}
    git: _Git | None = None
    environment: dict[str, Any] = {}
    thresholds: dict[str, float | None] | None = None
    error: str | None = None
    files: dict[str, str]


def whole_facts(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return facts about a run with the keys that may be left out."""
    optional = {name: field.get_default() for name, field in _Facts.model_fields.items() if not field.is_required()}
    return optional | dict(facts)


def problem_in(facts: Mapping[str, Any]) -> str | None:
    """Return in words what is wrong with facts about a run, the first thing; None where nothing is."""
    try:
        _Facts.model_validate(dict(facts))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        if first["type"] == "missing":
            return f"lacks {key!r}"
        said = first["msg"].removeprefix("Value error, ")
        return f"has a wrong {key!r}, {first['input']!r:.60}: {said[:1].lower()}{said[1:]}"
    return None
