"""What describes labels: lists of names, mappings that users write, and whether what they say goes together."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from textclassify.core.label_encoding import Label, plain_label
from textclassify.core.texts import did_you_mean, is_missing, listed
from textclassify.errors import LabelError

if TYPE_CHECKING:
    from textclassify.core.labels import LabelSchema

CARD_KEYS = ("name", "description", "includes", "excludes", "examples", "parent", "code")
"""What may be said about a label, in a mapping or as a column of a table."""
_QUOTE = "in a YAML file, quote it to make it text"


def cards_of(labels: Any) -> list[Any]:
    """Return names, or mappings with the key `name`, from a sequence or from {name: description}.

    Raises:
        LabelError: it is neither.

    """
    if isinstance(labels, Mapping):
        for name, text in labels.items():
            if isinstance(text, list | Mapping):
                raise LabelError(
                    f"the description of label {name!r} is {text!r:.60}, not a text{did_you_mean(name, ['labels'])}; "
                    "to say more about a label, list the labels, each as a mapping with the key `name`"
                )
        return [{"name": name, "description": text} for name, text in labels.items()]
    if isinstance(labels, str | bytes) or not isinstance(labels, Iterable):
        raise LabelError(f"cannot read labels from {labels!r:.60} ({type(labels).__name__}); pass a list of names")
    return list(labels)


def fields_of(cards: Sequence[Any]) -> dict[str, Any]:
    """Return the fields of a schema, by their names, from names and mappings with `CARD_KEYS`.

    The key `label` is another word for `name`. What is missing or blank is left out.

    Raises:
        LabelError: a key is not known, a name is missing, or a value is of the wrong type.

    """
    rows = [_with_known_keys(card) if isinstance(card, Mapping) else {"name": card} for card in cards]
    names = [_name_of(row, number) for number, row in enumerate(rows, start=1)]
    _refuse_repeated(names)
    pairs = [
        (name, {key: value for key, value in row.items() if not is_missing(value)})
        for name, row in zip(names, rows, strict=True)
    ]
    texts = {name: _stripped(row["description"]) for name, row in pairs if "description" in row}
    codes = {name: _code_of(row["code"], name) for name, row in pairs if "code" in row}
    return {
        "names": tuple(names),
        "descriptions": {name: text for name, text in texts.items() if text != ""},
        "examples": {name: _as_tuple(row["examples"]) for name, row in pairs if row.get("examples", []) != []},
        "parents": {name: plain_label(row["parent"]) for name, row in pairs if row.get("parent", "") != ""},
        "includes": _phrases(pairs, "includes"),
        "excludes": _phrases(pairs, "excludes"),
        "codes": {name: code for name, code in codes.items() if code != ""},
    }


def checked_names(names: Iterable[Any]) -> tuple[Label, ...]:
    """Return names as plain labels of one type.

    Raises:
        LabelError: there is none, one is missing, types are mixed, or one is there twice.

    """
    plain = tuple(plain_label(name) for name in names)
    if not plain:
        raise LabelError("a label schema needs at least one label; pass labels=['first', 'second']")
    types = {type(name) for name in plain}
    if len(types) > 1:
        raise LabelError(
            f"labels mix types ({listed(sorted(t.__name__ for t in types))}): {listed(map(repr, plain))}; "
            "make them all text or all numbers (in a YAML file, quotes make a text: 'true', '1')"
        )
    _refuse_repeated(plain)
    return plain


def check_cards(schema: LabelSchema) -> None:
    """Refuse what is said about labels that are not there, what is no text, and what contradicts itself.

    Raises:
        LabelError: the message names the label, and the nearest known one.

    """
    known = set(schema.names)
    for what, mapping in (
        ("a description", schema.descriptions),
        ("an example", schema.examples),
        ("a parent", schema.parents),
        ("a list of inclusions", schema.includes),
        ("a list of exclusions", schema.excludes),
        ("a code", schema.codes),
    ):
        for name in mapping:
            if name not in known:
                raise LabelError(f"{what} is given for unknown label {name!r}{did_you_mean(name, schema.names)}")
    for name, text in schema.descriptions.items():
        _check_text(text, f"the description of label {name!r}")
    for what, lists in (("examples", schema.examples), ("includes", schema.includes), ("excludes", schema.excludes)):
        for name, texts in lists.items():
            _check_texts(texts, what, name)
    _check_codes(schema.codes)
    _check_parents(schema.parents, known)


def _with_known_keys(card: Mapping[Any, Any]) -> dict[Any, Any]:
    if CARD_KEYS[0] not in card and "label" in card:
        card = {"name" if key == "label" else key: value for key, value in card.items()}
    for key in card:
        if key not in CARD_KEYS:
            raise LabelError(
                f"unknown key {key!r} in a label{did_you_mean(key, CARD_KEYS)}; known: {listed(CARD_KEYS, 9)}"
            )
    return dict(card)


def _name_of(row: Mapping[Any, Any], number: int) -> Label:
    if "name" not in row:
        raise LabelError(f"a label has no name: {row!r}")
    name = row["name"]
    if is_missing(name):
        raise LabelError(
            f"the name of label {number} is missing ({name!r}); give it one, or, if it is called "
            "'null', quote it: a bare null or ~ means nothing in YAML and JSON"
        )
    if isinstance(name, str) and not name.strip():
        raise LabelError(f"the name of label {number} is blank ({name!r}); give it one, or remove the label")
    if not isinstance(name, str | int) and not (isinstance(name, float) and name.is_integer()):
        raise LabelError(
            f"the name of label {number} is {name!s:.60} ({type(name).__name__}), but labels are str, int or bool; "
            f"{_QUOTE}: '{name!s:.60}'"
        )
    return plain_label(name)


def _refuse_repeated(names: Collection[Any]) -> None:
    if len(set(names)) < len(names):
        seen: set[Any] = set()
        twice = next(name for name in names if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        count = sum(name == twice for name in names)
        raise LabelError(f"label {twice!r} is listed {count} times; names must be unique")


def _phrases(pairs: Iterable[tuple[Label, Mapping[Any, Any]]], key: str) -> dict[Label, Any]:
    """Return lists of phrases as tuples; a single text is a list of one."""
    found = {}
    for name, row in pairs:
        several = row.get(key, [])
        phrases = _as_tuple([several] if isinstance(several, str) else several)
        if isinstance(phrases, tuple):
            phrases = tuple(_stripped(phrase) for phrase in phrases if not is_missing(phrase))
            phrases = tuple(phrase for phrase in phrases if phrase != "")
        if phrases != ():
            found[name] = phrases
    return found


def _code_of(code: Any, name: Label) -> Any:
    """Return a code as text; a whole number is written as such, and nothing else is guessed at."""
    if isinstance(code, int) and not isinstance(code, bool):
        return str(code)
    if not isinstance(code, str):
        raise LabelError(
            f"the code of label {name!r} is {code!s:.60} ({type(code).__name__}), not a text; write it in quotes"
        )
    return code.strip()


def _stripped(text: Any) -> Any:
    return text.strip() if isinstance(text, str) else text


def _as_tuple(texts: Any) -> Any:
    return tuple(texts) if isinstance(texts, list) else texts


def _check_text(text: Any, what: str) -> None:
    if not isinstance(text, str):
        raise LabelError(f"{what} is {text!r:.60} ({type(text).__name__}), not a text; write it in quotes")


def _check_texts(texts: Any, what: str, name: Any) -> None:
    if not isinstance(texts, list | tuple):
        raise LabelError(f"the {what} of label {name!r} are {texts!r:.60}; write a list of texts: [...]")
    for text in texts:
        if not isinstance(text, str):
            _check_text(text, f"{'an example' if what == 'examples' else f'one of the {what}'} of label {name!r}")


def _check_codes(codes: Mapping[Label, str]) -> None:
    owner: dict[str, Label] = {}
    for name, code in codes.items():
        _check_text(code, f"the code of label {name!r}")
        if not code.strip():
            raise LabelError(f"the code of label {name!r} is blank; leave it out, or give it one")
        if owner.setdefault(code, name) != name:
            raise LabelError(f"labels {owner[code]!r} and {name!r} have one code, {code!r}; codes must be unique")


def _check_parents(parents: Mapping[Label, Label], known: Collection[Label]) -> None:
    if not isinstance(parents, Mapping):
        raise LabelError(f"parents are {parents!r:.60}; pass {{label: broader label}}")
    for name, parent in parents.items():
        if parent == name:
            raise LabelError(f"the parent of label {name!r} is itself; name a broader label, or none")
        if parent not in known:
            raise LabelError(
                f"the parent of label {name!r} is {parent!r}, which is no other label"
                f"{did_you_mean(parent, known)}; list it, too"
            )
    settled: set[Label] = set()
    for start in parents:
        path: dict[Label, None] = {}
        name = start
        while name in parents and name not in settled:
            if name in path:
                names = list(path)[list(path).index(name) :]
                raise LabelError(
                    f"the parents of labels go in a circle: {listed(map(repr, [*names, name]), 12)}; "
                    "the broadest label has no parent"
                )
            path[name] = None
            name = parents[name]
        settled.update(path)
