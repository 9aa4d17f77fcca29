"""The model card: what a saved folder's `README.md` says of a classifier, for whoever finds the folder."""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textclassify.core.labels import LabelSchema
from textclassify.core.number_checks import is_number
from textclassify.core.storage import FORMAT_VERSION, MANIFEST
from textclassify.core.texts import did_you_mean
from textclassify.errors import ConfigError

if TYPE_CHECKING:
    from textclassify.core.contract import TextClassifier

CARD_FILE = "README.md"
CARD_KEYS = ("metrics", "intended_use", "data", "limitations")
"""What a user may say in a card."""

MOST_LABELS = 100
"""Labels that a card lists; all of them are in the manifest."""
_LONGEST = 500
"""Characters of a text of the user's that a card shows."""
_ENTITIES = {ord(sign): f"&#{ord(sign)};" for sign in "|`*[]!#\\~"}


@dataclass(frozen=True, kw_only=True)
class CardFacts:
    """What a card says.

    Args:
        kind: of classifier, as in the manifest.
        class_name: its class.
        model: the model behind it.
        schema: its labels.
        sources: the model behind each source of an ensemble, by the source's name.
        training: `rows` and `sha256` of the training data; None = it has not been trained, or nobody knows.
        asks_llm: whether labelling a text may ask a language model.
        takes: what it is asked about: "texts", or "scores".
        given: what the user says, by `CARD_KEYS`.

    """

    kind: str
    class_name: str
    model: str
    schema: LabelSchema
    sources: Mapping[str, str] = field(default_factory=dict)
    training: Mapping[str, Any] | None = None
    asks_llm: bool = False
    takes: str = "texts"
    given: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_card(self.given)


def facts_of(classifier: TextClassifier, schema: LabelSchema, given: Mapping[str, Any]) -> CardFacts:
    """Return what there is to say of a classifier, its sources and its training data.

    Args:
        classifier: about to be saved; the sources of an ensemble are its own, or those of the one inside.
        schema: its labels.
        given: what the user says, by `CARD_KEYS`.

    """
    sources = getattr(getattr(classifier, "ensemble_", classifier), "sources_", {})
    return CardFacts(
        kind=classifier.kind,
        class_name=type(classifier).__name__,
        model=classifier.model_used,
        schema=schema,
        sources={name: source.model_used for name, source in sources.items()} if isinstance(sources, Mapping) else {},
        training=classifier.training_facts_,
        asks_llm=classifier.asks_llm,
        given=given,
    )


def check_card(given: Mapping[str, Any]) -> None:
    """Make sure that a card can be written.

    Raises:
        ConfigError: it is no mapping, or has an unknown key or a metric that is no number.

    """
    if not isinstance(given, Mapping):
        raise ConfigError(f"card is {given!r:.60}; pass a mapping with any of {', '.join(CARD_KEYS)}")
    metrics = given.get("metrics") or {}
    if not isinstance(metrics, Mapping):
        raise ConfigError(f"metrics of the card are {metrics!r:.60}; pass {{name: number}}")
    for name, one in metrics.items():
        figures = one.values() if isinstance(one, Mapping) else [one]
        if not all(figure is None or is_number(figure) for figure in figures):
            raise ConfigError(f"metric {name!r} of the card is {one!r:.60}; pass a number, or value, low and high")
    for key in given:
        if key not in CARD_KEYS:
            raise ConfigError(
                f"unknown key {key!r:.60} of a model card{did_you_mean(key, CARD_KEYS)}; known: {', '.join(CARD_KEYS)}"
            )


def write_card(folder: Path, facts: CardFacts) -> None:
    """Write the card into a folder; the manifest, which is written after it, covers it."""
    (folder / CARD_FILE).write_text("\n".join([*_lines(facts), ""]), encoding="utf-8")


def _lines(facts: CardFacts) -> Iterator[str]:
    from textclassify import __version__

    several = "any number of labels" if facts.schema.multi_label else "one label"
    yield f"# {plain(facts.class_name)}: {len(facts.schema)} labels"
    yield f"\nGives each text {several} of {len(facts.schema)}. Saved by textclassify {__version__}."
    yield "\n## Use\n\n```python\nfrom textclassify import load\n"
    yield 'classifier = load("the path of this folder")'
    yield f"{_USE[facts.takes]}\n```\n"
    yield _said(facts, "intended_use", _intended(facts))
    yield "\n## Labels\n\n| Label | Description |\n|---|---|"
    yield from _label_rows(facts.schema)
    yield "\n## Model\n\n| Part | Model |\n|---|---|"
    yield f"| {plain(facts.kind)} | {plain(facts.model)} |"
    yield from (f"| source {plain(name)} | {plain(model)} |" for name, model in facts.sources.items())
    yield "\n## Training data\n"
    yield from _data_lines(facts)
    yield "\n## Metrics\n"
    yield from _metric_lines(facts.given.get("metrics"))
    yield f"\n## Limitations\n\n{_said(facts, 'limitations', _limits(facts))}"
    yield "\n## Format\n"
    yield f"Format {FORMAT_VERSION}: JSON and safetensors. Nothing in this folder is run when it is loaded."
    yield f"\nThis card is covered by the checksums in `{MANIFEST}`: a folder in which it was changed is not loaded."


_USE = {
    "texts": 'classifier.predict(["a text"]).predictions',
    "scores": 'classifier.predict({"a source": scores}).predictions',
}


def _said(facts: CardFacts, key: str, otherwise: str) -> str:
    given = facts.given.get(key)
    return otherwise if given is None else plain(given)


def _intended(facts: CardFacts) -> str:
    what = "texts like those that it was trained on" if facts.training else "texts that its labels describe"
    return f"Made for {what}; measure it on your own before relying on it."


def _limits(facts: CardFacts) -> str:
    said = (
        "Texts of another kind, time or language than those it was measured on may be labelled worse, without a sign "
        "of it. Rare labels are measured on few rows. Probabilities of a text that no label fits mean little."
    )
    if facts.asks_llm:
        said += " A language model may be asked about a text: where it runs elsewhere, the text leaves this machine."
    return said


def _label_rows(schema: LabelSchema) -> Iterator[str]:
    for name in schema.names[:MOST_LABELS]:
        yield f"| {plain(name)} | {plain(schema.descriptions.get(name, ''))} |"
    if len(schema) > MOST_LABELS:
        yield f"| and {len(schema) - MOST_LABELS} more | see `{MANIFEST}` |"


def _data_lines(facts: CardFacts) -> Iterator[str]:
    known = {f"training, {key}": value for key, value in (facts.training or {}).items()}
    known |= dict(_flat(facts.given.get("data") or {}))
    if not known:
        yield "None: it has not been trained on labelled rows, or nothing is known of them."
        return
    yield "| | |\n|---|---|"
    yield from (f"| {plain(name)} | {plain(value)} |" for name, value in known.items())


def _metric_lines(metrics: Any) -> Iterator[str]:
    if not metrics:
        yield "None were given when it was saved."
        return
    yield "| Metric | Value | 95% interval |\n|---|---:|---|"
    for name, value in dict(metrics).items():
        if isinstance(value, Mapping):
            low, high = _number(value.get("low")), _number(value.get("high"))
            between = f"{low} to {high}" if low and high else ""
            yield f"| {plain(name)} | {_number(value.get('value'))} | {between} |"
        else:
            yield f"| {plain(name)} | {_number(value)} | |"


def _number(value: Any) -> str:
    """Return a number as a card shows it; "" where there is none."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    return f"{value:.4g}" if isinstance(value, float) else plain(value)


def _flat(value: Any, name: str = "") -> Iterable[tuple[str, Any]]:
    """Return the plain values in nested mappings, each with the keys that lead to it."""
    if not isinstance(value, Mapping):
        return [(name or "data", value)]
    return [pair for key, inner in value.items() for pair in _flat(inner, f"{name}, {key}" if name else str(key))]


def plain(value: Any) -> str:
    r"""Return a text in one line that Markdown and HTML take for text, shortened where it is very long.

    >>> plain("a | <b>\n[c](d)")
    'a &#124; &lt;b&gt; &#91;c&#93;(d)'

    """
    words = " ".join(str(value).split())
    words = words if len(words) <= _LONGEST else f"{words[:_LONGEST]} …"
    return html.escape(words, quote=False).translate(_ENTITIES).encode("utf-8", "replace").decode()
