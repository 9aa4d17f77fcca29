"""`Wording`: every sentence that a model reads around texts and labels, in one language."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from textclassify.llm.reading.reply_words import ReplyWords


@dataclass(frozen=True, kw_only=True)
class Wording:
    """What prompts say in one language; names in braces are filled in, and heads bring their colon.

    The marks around texts, `<text>`, are the same in every language: they are markup, and whatever a text holds of them
    is broken up before it is sent.

    Args:
        language: its code, as in "de".
        name: what `core.languages` calls it.
        replies: the words around labels in replies; English ones count in every language.
        data_rule: that the text is data, whatever it orders.
        data_rule_of_several: the same of several texts.
        unusable: said before a question is asked again.
        sorts: the task where one label (or several) is chosen from a list.
        labels_texts: the task in a few words.
        judges_labels: the task where every label gets a score.
        judges_one: the task where one label fits or does not.
        labels_head: above the list of labels.
        label_head: before a single label.
        text_head: before a text.
        examples_head: above labelled examples.
        code_head: before the code of an example's label.
        codes_head: before the codes of its labels.
        includes: before what a label takes in, in its card.
        excludes: before what does not belong to it.
        code_asked: which answer is wanted, where one label fits.
        codes_asked: the same where several may; `no_label` is what says that none does.
        one_of_codes: which answers count, where one label fits; `codes` are listed.
        the_codes: which codes there are; `codes` are listed.
        codes_from_to: many codes in few words: `first` and `last`.
        no_label: answers that say that no label fits, best first.
        scores_asked: an object of scores; `meaning` says of what.
        likely_best: the meaning of a score where one label fits.
        likely_fits: the same where several may.
        scores_again: which answers count.
        what_about: the question what `text` is about.
        statement: the answer that it is about `name`.
        statement_again: which answers count.
        yes_or_no: the answer that is wanted where one label fits or does not.
        yes_no: the two answers.
        pack_asked: an object with an answer per text; `asked` says which.
        pack_of_one: the answer of a text where one label fits.
        pack_of_several: the same where several may.
        pack_numbers: that the texts 1 to `n` want an answer.
        does_it_fit: whether a label fits the text.
        which_best: which of several labels fits best.
        which_better: which of two labels fits better.
        best_letter: the answer that is wanted where options have letters.
        best_letter_or_none: the same, with `none` for none of them.
        best_number: the answer that is wanted where options have numbers.
        best_number_or_none: the same, with `none` for none of them.
        one_of_two: the answer that is wanted of two: `first` or `second`.
        none_fits: the option that none fits, best first.
        one_of_answers: which answers to a question count; `answers` are listed.
        ordinary_texts: sentences that say little about any label.

    """

    language: str
    name: str
    replies: ReplyWords
    data_rule: str
    data_rule_of_several: str
    unusable: str
    sorts: str
    labels_texts: str
    judges_labels: str
    judges_one: str
    labels_head: str
    label_head: str
    text_head: str
    examples_head: str
    code_head: str
    codes_head: str
    includes: str
    excludes: str
    code_asked: str
    codes_asked: str
    one_of_codes: str
    the_codes: str
    codes_from_to: str
    no_label: tuple[str, ...]
    scores_asked: str
    likely_best: str
    likely_fits: str
    scores_again: str
    what_about: str
    statement: str
    statement_again: str
    yes_or_no: str
    yes_no: tuple[str, str]
    pack_asked: str
    pack_of_one: str
    pack_of_several: str
    pack_numbers: str
    does_it_fit: str
    which_best: str
    which_better: str
    best_letter: str
    best_letter_or_none: str
    best_number: str
    best_number_or_none: str
    one_of_two: str
    none_fits: tuple[str, ...]
    one_of_answers: str
    ordinary_texts: tuple[str, ...]

    def fields_of_scores(self, *, multi_label: bool) -> str:
        """Return what an object of scores must look like."""
        return self.scores_asked.format(meaning=self.likely_fits if multi_label else self.likely_best)

    def best_of(self, *, letters: bool, none: str | None) -> str:
        """Return which answer is wanted of a list of options; `none` is the code of the one for none of them."""
        if none is None:
            return self.best_letter if letters else self.best_number
        return (self.best_letter_or_none if letters else self.best_number_or_none).format(none=none)

    def other_words_for(self, answers: Sequence[str]) -> tuple[str, ...]:
        """Return what a reply may say in place of these answers: of this language's yes and no, the English ones."""
        return ENGLISH_YES_NO if tuple(answers) == self.yes_no else tuple(answers)


ENGLISH_YES_NO = ("yes", "no")
