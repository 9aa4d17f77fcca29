"""Label files: what YAML, JSON and tables say about labels, read strictly and written so that they read the same.

A table (CSV, TSV, or JSON Lines with an object per line) has a row per label and the columns `name` (or `label`),
`description`, `includes`, `excludes`, `examples`, `parent` and `code`, in any order, of which only the name must be
there. A cell of `includes`, `excludes` or `examples` holds several values in one of three ways:

- values with `|` between them; a cell that has a `|` anywhere is read so,
- values with `;` between them, in a cell without `|`,
- a JSON list of texts, which may hold anything: `["one; two", "three | four"]`.

Such a column may also be repeated; each of its cells then holds one value, read as it stands. Cells are texts, also
"null", "none" and "NA"; names that are all whole numbers, or all True and False, become such, as the labels in a CSV
file of labelled texts do.
"""

from __future__ import annotations

import csv
import io
import json
import re
import secrets
import textwrap
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from textclassify.core.label_cards import CARD_KEYS
from textclassify.core.label_encoding import Label
from textclassify.core.settings_files import read_settings_file, utf8_text
from textclassify.core.texts import did_you_mean, listed
from textclassify.errors import LabelError

if TYPE_CHECKING:
    from textclassify.core.labels import LabelSchema

FORMATS = {
    ".yaml": "yaml",
    ".yml": "yaml",
    ".json": "json",
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
}
"""Format of a label file by the end of its name; any other is read as YAML."""

_LISTS = ("includes", "excludes", "examples")
_WHOLE = re.compile(r"0|-?[1-9]\d{0,17}")


def read_label_file(path: Path) -> Any:
    """Return what a label file holds, which is never another path.

    Raises:
        LabelError: there is no such file, it is broken or empty, or a table has a column that is not known.

    """
    where = f"label file {str(path)!r}"
    readers: dict[str, Callable[[Path], Any]] = {"csv": _read_table, "tsv": _read_table, "jsonl": _read_json_lines}
    read = readers.get(FORMATS.get(path.suffix.lower(), "yaml"), read_settings_file)
    try:
        content = read(path)
    except FileNotFoundError:
        raise LabelError(f"no label file at {str(path)!r}; pass a YAML, JSON or CSV file, or a list of names") from None
    except IsADirectoryError:
        raise LabelError(f"{where} is a folder; name a YAML, JSON or CSV file in it") from None
    except csv.Error as error:
        raise LabelError(f"{where} cannot be read: {error}; see that every quotation mark is closed") from error
    except (OSError, ValueError) as error:
        raise LabelError(f"{where} cannot be read: {error}") from error
    if content in (None, [], {}, {"labels": None}, {"labels": []}, {"labels": {}}):
        raise LabelError(f"{where} is empty; list the labels under the key `labels`, or as the rows of a table")
    if isinstance(content, str):
        raise LabelError(f"{where} holds only the text {content!r:.60}; list the labels under `labels`")
    return content


def write_label_file(schema: LabelSchema, path: Path, *, comments: Mapping[Label, str] | None = None) -> None:
    """Write a schema as YAML, JSON, CSV, TSV or JSON Lines, by the end of the file's name; it reads back equal.

    A table has no room for `multi_label`: whoever reads it says so.

    Args:
        schema: what to write.
        path: the file; an existing one is replaced, as a whole or not at all.
        comments: a line above the description of a label, by name; written in YAML only.

    Raises:
        LabelError: the file's name ends in nothing that is known.
        OSError: it cannot be written.

    """
    file_format = label_format(path)
    content = schema.to_dict()
    if file_format == "yaml":
        written = _as_yaml(content, comments or {})
    elif file_format == "json":
        written = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
    elif file_format == "jsonl":
        written = "".join(json.dumps(card, ensure_ascii=False) + "\n" for card in content["labels"])
    else:
        written = _as_table(content["labels"], "\t" if file_format == "tsv" else ",")
    temporary = path.with_name(f".{path.name}-{secrets.token_hex(4)}")
    try:
        temporary.write_text(written, encoding="utf-8", newline="")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def label_format(path: Path) -> str:
    """Return the format that a label file to write has by its name: yaml, json, csv, tsv or jsonl.

    Raises:
        LabelError: its name ends in nothing that is known.

    """
    if path.suffix.lower() not in FORMATS:
        raise LabelError(f"cannot tell the format of {str(path)!r} from its name; let it end in {', '.join(FORMATS)}")
    return FORMATS[path.suffix.lower()]


def _read_table(path: Path) -> list[dict[str, Any]]:
    from textclassify.core.files import likely_delimiter, named_delimiter

    content = utf8_text(path)
    first, _, rest = content.lstrip().partition("\n")
    named = named_delimiter(first)
    content = content if named is None else rest
    is_tsv = path.suffix.lower() == ".tsv"
    likely = "\t" if is_tsv else likely_delimiter(content.lstrip().partition("\n")[0])
    reader = csv.reader(io.StringIO(content, newline=""), delimiter=named or likely, strict=True)
    columns = _columns(next((row for row in reader if any(row)), []), is_tsv=is_tsv)
    cards = []
    for row in reader:
        if len(row) != len(columns) and any(row):
            raise ValueError(
                f"line {reader.line_num} has {len(row)} cells where the header has {len(columns)}; "
                f"quote cells that hold {named or likely!r}"
            )
        if any(cell.strip() for cell in row):
            cards.append(_card(columns, row, reader.line_num))
    return _typed(cards)


def _columns(header: Sequence[str], *, is_tsv: bool) -> list[str]:
    """Return what each column holds; a nameless one is an exported index, which says nothing about labels."""
    columns = [title.strip().casefold() for title in header]
    columns = ["name" if column == "label" else column for column in columns]
    known = ("name", "label", *CARD_KEYS[1:])
    for column, title in zip(columns, header, strict=True):
        if column and column not in CARD_KEYS:
            if len(columns) == 1 and {*re.split(r"[,;|\t]", column)} & {"name", "label"}:
                raise ValueError(
                    f"its header {title.strip()!r} is one column; put {'tabs' if is_tsv else 'commas'} between columns"
                )
            raise ValueError(
                f"unknown column {title.strip()!r}{did_you_mean(column, known)}; known: {listed(known, 9)}"
            )
        if column and column not in _LISTS and columns.count(column) > 1:
            raise ValueError(f"the column {column!r} is given {columns.count(column)} times; keep one")
    if columns and "name" not in columns:
        raise ValueError(f"there is no column 'name'; the columns are {listed(map(repr, header), 9)}")
    return columns


def _card(columns: Sequence[str], row: Sequence[str], line: int) -> dict[str, Any]:
    card: dict[str, Any] = {}
    for column, cell in zip(columns, row, strict=True):
        value = cell.strip()
        if column in _LISTS:
            values = ([value] if value else []) if columns.count(column) > 1 else _values_in(value)
            card[column] = [*card.get(column, []), *values]
        elif column and value:
            card[column] = value
    if "name" not in card:
        raise ValueError(f"line {line} has no name; give the label one, or remove the line")
    return card


def _values_in(cell: str) -> list[str]:
    """Return the values in a cell, see the module."""
    if cell.startswith("["):
        try:
            values = json.loads(cell)
        except ValueError:
            values = None
        if isinstance(values, list) and all(isinstance(value, str) for value in values):
            return values
    values = cell.split("|" if "|" in cell else ";")
    return [value.strip() for value in values if value.strip()]


def _typed(cards: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the cards with names as numbers or booleans where all of them are."""
    names = [card["name"] for card in cards]
    if names and all(map(_WHOLE.fullmatch, names)):
        typed: dict[str, Any] = {name: int(name) for name in names}
    elif names and {*names} <= {"True", "False"}:
        typed = {"True": True, "False": False}
    else:
        return cards
    for card in cards:
        for key in ("name", "parent"):
            if key in card:
                card[key] = typed.get(card[key], card[key])
    return cards


def _read_json_lines(path: Path) -> list[Any]:
    from textclassify.core.files import parsed_json

    lines = enumerate(utf8_text(path).split("\n"), start=1)
    return [parsed_json(line, f"line {number}") for number, line in lines if line.strip()]


def _as_yaml(content: Mapping[str, Any], comments: Mapping[Label, str]) -> str:
    parts = ["multi_label: true\n"] if content["multi_label"] else []
    parts.append("labels:\n")
    for card in content["labels"]:
        parts.append(_in_yaml([{"name": card["name"]}]))
        if card["name"] in comments:
            parts.append(f"  # {' '.join(comments[card['name']].split())}\n")
        rest = {key: value for key, value in card.items() if key != "name"}
        parts.append(textwrap.indent(_in_yaml(rest), "  ") if rest else "")
    return "".join(parts)


def _in_yaml(value: Any) -> str:
    written: str = yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=1_000_000)
    return written


def _as_table(cards: Sequence[Mapping[str, Any]], delimiter: str) -> str:
    columns = [key for key in CARD_KEYS if key == "name" or any(key in card for card in cards)]
    stream = io.StringIO()
    writer = csv.writer(stream, delimiter=delimiter, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_in_cell(card.get(column, "")) for column in columns] for card in cards)
    return stream.getvalue()


def _in_cell(value: Any) -> str:
    """Return a value as a cell that reads back as it is."""
    if not isinstance(value, list):
        return str(value)
    cell = " | ".join(value)
    return cell if _values_in(cell) == value else json.dumps(value, ensure_ascii=False)
