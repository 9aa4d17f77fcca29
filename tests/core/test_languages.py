"""The guess of a language is honest: sure of plain sentences, silent about short or mixed ones."""

from __future__ import annotations

import pytest

from textclassify.core.languages import check_language, language_of, main_language


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("I have not received my parcel and the tracking is stuck", "English"),
        ("Ich habe mein Paket nicht erhalten und warte auf eine Antwort", "German"),
        ("Je ne suis pas content de la livraison et je voudrais un remboursement", "French"),
        ("No he recibido el paquete y la tienda no me contesta", "Spanish"),
        ("Non ho ricevuto il pacco e il negozio non mi risponde", "Italian"),
        ("Não recebi a encomenda e a loja não me responde", "Portuguese"),
        ("Ik heb het pakket niet ontvangen en de winkel geeft geen antwoord", "Dutch"),
        ("Я не получил посылку и жду ответа", "Cyrillic letters"),
        ("荷物がまだ届いていません", "Chinese letters"),
    ],
)
def test_plain_sentences_are_recognised(text: str, language: str) -> None:
    """Each of these would be sorted by chance by an English encoder, but the first."""
    assert language_of(text) == language


@pytest.mark.parametrize("text", ["", "ok", "LF-212266", "🙂 🙂 🙂", "http://x.example/a"])
def test_short_texts_say_nothing(text: str) -> None:
    """A guess from two words is noise."""
    assert language_of(text) is None


def test_names_and_numbers_are_unclear() -> None:
    """They are no evidence of another language."""
    assert language_of("Acme Larkfield Brightwater Oakham Kettering Stamford") == "unclear"


def test_a_few_foreign_texts_are_no_reason_to_warn() -> None:
    """Every inbox has some."""
    english = ["I have not received my parcel and the tracking is stuck"] * 19
    foreign = ["Ich habe mein Paket nicht erhalten und warte auf eine Antwort"]

    assert check_language(english + foreign).warning is None
    assert "German" in str(check_language(english + foreign * 10).warning)


GERMAN = "Ich habe mein Paket nicht erhalten und warte auf eine Antwort"
ENGLISH = "I have not received my parcel and the tracking is stuck"


@pytest.mark.parametrize(
    ("texts", "language"),
    [
        ([GERMAN] * 3 + [ENGLISH] * 2 + ["ok"] * 9, "German"),
        ([GERMAN] * 2 + [ENGLISH] * 2, None),
        (["ok", "Acme Larkfield Brightwater Oakham Kettering"], None),
        ([], None),
    ],
)
def test_the_main_language_is_that_of_most_texts_that_tell_theirs(texts: list[str], language: str | None) -> None:
    """Short texts have no vote, and half of the votes are no majority."""
    assert main_language(texts) == language
