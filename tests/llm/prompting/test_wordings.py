"""Prompts in several languages: complete, read in both languages, and chosen by labels and training rows."""

import csv
import re
import string
from dataclasses import fields
from pathlib import Path

import pytest

from textclassify.core.labels import LabelSchema
from textclassify.core.languages import language_of
from textclassify.errors import ConfigError
from textclassify.llm.prompting.demonstrations import Demonstration
from textclassify.llm.prompting.in_english import ENGLISH
from textclassify.llm.prompting.packs import pack_prompt
from textclassify.llm.prompting.prompts import (
    choice_prompt,
    prior_texts,
    scores_prompt,
    statement_prompt,
    yes_no_prompt,
)
from textclassify.llm.prompting.wording import Wording
from textclassify.llm.prompting.wordings import LANGUAGES, WORDINGS, checked_language, language_for
from textclassify.llm.prompting.written_labels import WrittenLabels
from textclassify.llm.reading.elicitation import named_label, named_labels
from textclassify.llm.reading.label_reader import LabelReader
from textclassify.rac.verifying.questions import Questions

OTHERS = [wording for wording in WORDINGS.values() if wording is not ENGLISH]
SAME_WORD = {
    "Labels:", "Label:", "Text:", "Code:", "Code :", "Codes:", "{first} oder {second}.",
}  # fmt: skip
TOPICS = LabelSchema(("sport", "politik"), {"sport": "Spiele."}, includes={"sport": ("Fussball",)})
TAGS = LabelSchema(("sport", "politik"), multi_label=True)
GERMAN_TEXT = "Ich habe mein Paket nicht erhalten und warte auf eine Antwort"


def sentences(wording: Wording) -> dict[str, str]:
    found = {one.name: getattr(wording, one.name) for one in fields(Wording)}
    return {
        name: "\n".join(said) if isinstance(said, tuple) else said for name, said in found.items() if name != "replies"
    }


def placeholders(said: str) -> list[str]:
    found = string.Formatter().parse(re.sub(r'\{"1".*', "", said))
    return sorted(name for _, name, _, _ in found if name is not None)


@pytest.mark.parametrize("wording", OTHERS, ids=lambda one: one.language)
def test_every_sentence_is_translated_with_its_places(wording):
    """A sentence that stayed English, or lost its list of codes, would be seen by nobody."""
    english = sentences(ENGLISH)
    for name, said in sentences(wording).items():
        assert placeholders(said) == placeholders(english[name]), name
        assert said != english[name] or said in SAME_WORD, name
        assert said.strip() == said != "", name


@pytest.mark.parametrize("wording", OTHERS, ids=lambda one: one.language)
def test_prompts_look_like_their_language_and_not_like_english(wording):
    """All that a model reads beside texts and labels, by the detector that chooses the language."""
    shown = [Demonstration("1", "sport")]
    for prompt in (choice_prompt(TOPICS, shown, wording=wording), scores_prompt(TAGS, wording=wording)):
        again = prompt.again("2")[-1].content
        assert language_of(prompt.messages[0].content) == wording.name
        assert ENGLISH.unusable not in again
        assert wording.unusable in again
    assert language_of(pack_prompt(TOPICS, shown, 1, wording=wording).messages[0].content) == wording.name
    assert language_of(yes_no_prompt(TAGS, "sport", wording=wording).messages[0].content) == wording.name
    assert language_of(Questions(TOPICS, wording=wording).yes_no(0).messages[0].content) == wording.name
    assert language_of(" ".join(prior_texts(TOPICS, wording))) == wording.name
    assert statement_prompt(TOPICS, wording=wording).answers[0] == wording.statement.format(name="sport")


@pytest.mark.parametrize("wording", WORDINGS.values(), ids=lambda one: one.language)
def test_answers_are_read_in_the_language_and_in_english(wording):
    """Models answer in English now and then, whatever they are asked in."""
    reader = LabelReader(["A", "B"], ["sport", "politik"], wording.replies)
    link, cue = wording.replies.links.split("|")[-1], re.split(r"[|?(\[]", wording.replies.cues)[-2]
    for said in wording.no_label:
        assert named_labels(said, reader) == (), said
    assert named_labels("None.", reader) == ()
    assert named_labels(f"A {wording.replies.conjunctions.split('|')[-1].rstrip('?')} B", reader) == (0, 1)
    assert named_label(f"{cue}: B", reader) == named_label("The answer is B", reader) == 1
    assert named_label(f"Label {link} B", reader) == 1
    assert named_labels(f'{{"{wording.replies.keys[-1]}": ["B"]}}', reader) == (1,)


@pytest.mark.parametrize(
    "answer",
    ["nicht sport", "Ohne Sport", "ce n'est pas sport", "ninguna: sport", "sin sport", "non è sport", "né sport"],
)
def test_a_label_that_is_denied_is_none(answer):
    """A denial in the language of the question is no answer, either."""
    readers = [LabelReader(["A", "B"], ["sport", "politik"], wording.replies) for wording in OTHERS]
    assert None in [named_label(answer, reader) for reader in readers]


def test_english_replies_are_read_as_before():
    """Words of other languages mean nothing in an English answer: "pas" and "sin" are names and words of it."""
    reader = LabelReader(["A", "B"], ["sport", "sin"])
    assert named_label("pas de doute, sport", reader) == 0
    assert named_labels("keins", LabelReader(["A", "B"], ["x", "y"])) is None


def test_what_says_that_no_label_fits_is_no_label():
    """A label may be called what others answer for none."""
    labels = LabelSchema(("keins", "Kein Label", "sport"), multi_label=True)
    assert WrittenLabels(labels, WORDINGS["de"]).no_label == "keines davon"


def test_labels_that_are_answers_are_quoted_in_both_languages():
    labels = LabelSchema(("ja", "yes", "sport"))
    asked = Questions(labels, wording=WORDINGS["de"])
    assert [
        'Label: "ja"' in asked.yes_no(0).messages[-1].content,
        'Label: "yes"' in asked.yes_no(1).messages[-1].content,
    ]
    assert "Label: sport" in asked.yes_no(2).messages[-1].content


def test_cards_are_introduced_in_the_language():
    assert "Dazu gehört: Fussball." in WrittenLabels(TOPICS, WORDINGS["de"]).lines


@pytest.mark.parametrize(
    ("descriptions", "texts", "language"),
    [
        ({}, (), "en"),
        ({}, [GERMAN_TEXT], "de"),
        ({"a": "Das Paket ist nicht da, und es wird gefragt, wann es kommt."}, (), "de"),
        ({"a": "The parcel is not here and it is not known when it will come."}, [GERMAN_TEXT], "de"),
        ({"a": "Le colis est en retard et la cliente demande une réponse."}, ["ok"], "fr"),
        ({"a": "Ik heb het pakket niet ontvangen en de winkel geeft geen antwoord"}, (), "en"),
        ({"a": "El paquete no está en la casa y es muy tarde."}, (), "es"),
        ({"a": "Il pacco non è arrivato e la cliente chiede una risposta."}, (), "it"),
    ],
)
def test_auto_goes_by_training_texts_then_by_cards_then_it_is_english(descriptions, texts, language):
    """Dutch prompts are not written; English is what every model reads."""
    schema = LabelSchema(("a", "b"), descriptions)
    assert language_for("auto", schema, texts) == language
    assert language_for("es", schema, texts) == "es"


def test_english_label_sets_keep_english_prompts():
    """Also the example's: measured figures and cached replies belong to them."""
    folder = Path(__file__).parents[3] / "examples"
    assert language_for("auto", LabelSchema.of(folder / "customer_messages" / "labels.yaml")) == "en"
    assert language_for("auto", LabelSchema.of(folder / "german_messages" / "labels.yaml")) == "de"
    with (folder / "german_messages" / "train.csv").open(encoding="utf-8") as stream:
        texts = [row["text"] for row in csv.DictReader(stream)]
    assert language_for("auto", LabelSchema(("konto", "rechnung")), texts) == "de"


@pytest.mark.parametrize("language", ["german", "DE", "", None, 1])
def test_an_unknown_language_is_an_error_with_the_known_ones(language):
    with pytest.raises(ConfigError, match=r"language is .*pass one of auto, en, de"):
        checked_language(language)
    assert LANGUAGES[0] == "auto"
