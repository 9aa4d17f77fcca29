"""Whether texts look like one that an English encoder does not know: counted stop words and letters, no model."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

ENCODER_LANGUAGE = "English"
UNCLEAR = "unclear"
"""What is said of a text that is long enough and looks like no language more than like another."""
FEWEST_WORDS = 5
"""Words below which a text says too little about its language."""
WARN_SHARE = 0.2
"""Share of the texts in another language from which on a user should know."""
_SAMPLE = 2000
_WORD = re.compile(r"[^\W\d_]+")

STOP_WORDS = {
    "English": "the and is of to in it you that for was on are with this have not be but they what my we can i at from",
    "German": "der die das und ist nicht ich ein eine zu mit auf es den von dem sich auch wir sie aber bei wie wird",
    "French": "le la les et est une des pas je que pour dans vous qui sur ce avec il elle nous mais au du sont",
    "Spanish": "el la los las que es no un una por con para se lo del su mi pero como más al fue muy está y",
    "Italian": "il che non è di un una per con sono mi la lo gli le del della ma come più questo anche si ho molto",
    "Portuguese": "o os que não é um uma para com do da em se por mais mas muito meu minha ao foi está você isso eu",
    "Dutch": "de het een en van is niet ik dat op te zijn met voor maar er aan ook naar bij als wat wordt heb nog",
    "Polish": "nie się na jest to że do jak ale po tak za od już tylko był czy mnie przez przy bardzo co są oraz",
    "Swedish": "och att det som en är inte jag på för med av till den har om ett men var så vi kan från när",
    "Turkish": "bir ve bu için çok da de ne ama gibi daha ben var olarak kadar değil sonra bana benim en mi",
}
"""Frequent short words by language; words that several languages share count for each of them."""
_WORDS = {language: frozenset(words.split()) for language, words in STOP_WORDS.items()}


@dataclass(frozen=True)
class LanguageCheck:
    """How many of the texts that are long enough look like which language or script; `unclear` = none stands out."""

    looked_at: int
    counts: dict[str, int]

    @property
    def foreign_share(self) -> float:
        """Share of the texts that look like a language other than English."""
        other = sum(count for language, count in self.counts.items() if language not in {ENCODER_LANGUAGE, UNCLEAR})
        return other / self.looked_at if self.looked_at else 0.0

    @property
    def warning(self) -> str | None:
        """What a user should know; None when most texts look English or nothing can be told."""
        if self.foreign_share < WARN_SHARE:
            return None
        others = [
            language
            for language, _ in Counter(self.counts).most_common()
            if language not in {ENCODER_LANGUAGE, UNCLEAR}
        ]
        return (
            f"{self.foreign_share:.0%} of the texts look like {others[0]}"
            f"{' or another language' if len(others) > 1 else ''}, which the embedded encoder (English) does not know; "
            "name an encoder for it: ml_model: xlm-roberta-base (needs a model hub or its folder), and prefer a "
            "language model that knows it"
        )


def check_language(texts: Sequence[str]) -> LanguageCheck:
    """Return which languages a sample of the texts looks like: a guess from words and letters."""
    step = max(1, len(texts) // _SAMPLE)
    guesses = [guess for text in texts[::step] if (guess := language_of(text)) is not None]
    return LanguageCheck(len(guesses), dict(Counter(guesses).most_common()))


def main_language(texts: Sequence[str]) -> str | None:
    """Return the language that more than half of the clear ones among the texts look like; None where none is.

    A sample of at most 2,000 texts is looked at, the same one each time.
    """
    clear = {language: count for language, count in check_language(texts).counts.items() if language != UNCLEAR}
    if not clear:
        return None
    most = max(clear, key=lambda language: clear[language])
    return most if 2 * clear[most] > sum(clear.values()) else None


def language_of(text: str) -> str | None:
    """Return the language or script that a text looks like, "unclear", or None when it is too short to tell."""
    text = text[:2000]
    letters = [character for character in text if character.isalpha()]
    foreign = [character for character in letters if not _is_latin(character)]
    if len(foreign) > len(letters) / 2:
        return _script(foreign[0]) if len(letters) >= FEWEST_WORDS else None
    words = [word.lower() for word in _WORD.findall(text)]
    if len(words) < FEWEST_WORDS:
        return None
    hits = {language: sum(word in known for word in words) for language, known in _WORDS.items()}
    best = max(hits, key=lambda language: hits[language])
    rivals = [count for language, count in hits.items() if language != best]
    if hits[best] < 2 or hits[best] < 0.08 * len(words) or hits[best] == max(rivals):
        return UNCLEAR
    return best


def _is_latin(character: str) -> bool:
    return character.isascii() or unicodedata.name(character, "").startswith("LATIN")


def _script(character: str) -> str:
    """Return the script of a letter in words, such as "Cyrillic letters"."""
    name = unicodedata.name(character, "OTHER").split()[0].capitalize()
    return f"{'Chinese' if name == 'Cjk' else name} letters"
