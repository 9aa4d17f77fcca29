"""In which languages prompts are written, and which of them is taken for some labels and texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from textclassify.core.labels import LabelSchema
from textclassify.core.languages import language_of, main_language
from textclassify.core.texts import did_you_mean
from textclassify.errors import ConfigError
from textclassify.llm.prompting.in_english import ENGLISH
from textclassify.llm.prompting.in_french import FRENCH
from textclassify.llm.prompting.in_german import GERMAN
from textclassify.llm.prompting.in_italian import ITALIAN
from textclassify.llm.prompting.in_spanish import SPANISH

AUTO = "auto"
"""The language that labels and training texts are written in."""

WORDINGS = {wording.language: wording for wording in (ENGLISH, GERMAN, SPANISH, FRENCH, ITALIAN)}
"""What prompts say, by the code of the language."""

LANGUAGES = (AUTO, *WORDINGS)
"""What `language` and the configuration's `llm_language` may be."""

_TELLING_LENGTH = 2000
"""Characters of label cards that are looked at."""
_BY_NAME = {wording.name: wording.language for wording in WORDINGS.values()}


class SpeaksLanguage(Protocol):
    """A classifier with the option `language`; `fit` may have told what "auto" comes to."""

    language: str


def checked_language(language: object) -> str:
    """Return a language that prompts can be written in, or "auto".

    Raises:
        ConfigError: there is no such language.

    """
    if not isinstance(language, str) or language not in LANGUAGES:
        raise ConfigError(
            f"language is {language!r:.60}{did_you_mean(language, LANGUAGES)}; pass one of {', '.join(LANGUAGES)}: the "
            "language of the texts, or English, which every model reads"
        )
    return str(language)


def language_for(language: str, schema: LabelSchema, texts: Sequence[str] = ()) -> str:
    """Return the code of the language that prompts are written in.

    "auto" is the language that more than half of the training texts are clearly written in; where there are none, or
    they do not tell, that of the label cards; else English. Texts to be labelled have no say: what one of them is asked
    must not depend on its neighbours.

    Args:
        language: a code, or "auto".
        schema: labels with descriptions.
        texts: training texts.

    Raises:
        ConfigError: there is no such language.

    """
    if checked_language(language) != AUTO:
        return language
    found = main_language(texts)
    if found is None:
        found = language_of(_cards_in_words(schema))
    return _BY_NAME.get(found or "", ENGLISH.language)


def _cards_in_words(schema: LabelSchema) -> str:
    """Return the first label cards, as many as it takes to tell their language."""
    words = ""
    for name in schema.names:
        words += f"{schema.card(name)}\n"
        if len(words) > _TELLING_LENGTH:
            break
    return words


def learned_language(classifier: SpeaksLanguage, schema: LabelSchema) -> str:
    """Return the language of a classifier's prompts: the one it was given, else what `fit` found out, else the labels'.

    Args:
        classifier: has `language`, and perhaps `language_`.
        schema: its labels.

    """
    learned = getattr(classifier, "language_", None)
    return learned if classifier.language == AUTO and learned else language_for(classifier.language, schema)
