"""The English prompts stay as they are, byte for byte: cached replies and measured figures belong to them."""

import hashlib
import json
from dataclasses import replace

import pytest

from textclassify import LLMClassifier
from textclassify.core.labels import LabelSchema
from textclassify.llm.choosing.asking import AnswerReader
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
from textclassify.llm.prompting.templates import Template
from textclassify.rac.retrieving.candidates import Candidates
from textclassify.rac.verifying.questions import Questions
from textclassify.rac.verifying.references import Reference, references
from textclassify.testing import ScriptedChat

ONE = LabelSchema(
    ("late_parcel", "lost", "no"),
    {"lost": "never came"},
    includes={"lost": ("stolen", "gone")},
    excludes={"lost": ("late ones",)},
)
SEVERAL = replace(ONE, multi_label=True)
TAKEN = LabelSchema(("none", "no label", "joy"), multi_label=True)
MANY = LabelSchema(tuple(f"label {number}" for number in range(40)))
SHOWN = [Demonstration("Where is it?", "lost"), Demonstration("Too slow", "late_parcel")]
SHOWN_SEVERAL = [Demonstration("Where is it?", ["lost", "no"]), Demonstration("Fine", [])]
NEAR = [Reference("It never came", 1, (0, 2)), Reference("A day late", 0, (1, 2))]


def about_one_text():
    """Return the prompts about one text, by name."""
    one = {"one": (ONE, SHOWN), "several": (SEVERAL, SHOWN_SEVERAL), "taken": (TAKEN, ()), "many": (MANY, ())}
    found = {}
    for name, (schema, shown) in one.items():
        found[f"choice, {name}"] = choice_prompt(schema, shown)
        found[f"scores, {name}"] = scores_prompt(schema, shown)
        for scores in (False, True):
            template = Template("Rules\n{labels}\n{codes}\n{examples}\n---\n{text}")
            found[f"template, {name}, {scores}"] = template.prompt(schema, shown, scores=scores)
    for listed in (False, True):
        found[f"statement, {listed}"] = statement_prompt(ONE, SHOWN, list_labels=listed)
    found["yes or no"] = yes_no_prompt(SEVERAL, "lost", SHOWN_SEVERAL)
    return {name: [spoken(prompt.about("A text")), spoken(prompt.again("A text")), prompt.answers, prompt.notice]
            for name, prompt in found.items()}  # fmt: skip


def of_rac():
    """Return the questions about candidates, by name."""
    found = {}
    for shown in ((), NEAR):
        asked = Questions(ONE, shown)
        for name, question in {
            "yes or no": asked.yes_no(1),
            "one like an answer": asked.yes_no(2),
            "list": asked.listwise([1, 0, 2]),
            "list or none": asked.listwise([1, 0], none_option=True),
            "pair": asked.pairwise(0, 1),
        }.items():
            found[f"rac, {name}, {len(shown)}"] = [spoken(question.messages), question.answers]
    many = Questions(MANY).listwise(range(30), none_option=True)
    found["rac, numbers"] = [spoken(many.messages), many.answers]
    single = references(LabelSchema(("only",)), lambda _: Candidates.__new__(Candidates))
    return found | {"rac, ordinary": [reference.text for reference in single]}


def others():
    """Return what else a model reads."""
    packs = {name: pack_prompt(schema, shown, 2) for name, schema, shown in
             (("one", ONE, SHOWN), ("several", SEVERAL, SHOWN_SEVERAL))}  # fmt: skip
    return {f"pack, {name}": spoken(pack.about(["A text", "Another"])) for name, pack in packs.items()} | {
        "prior": prior_texts(ONE),
        "answers again": AnswerReader(("yes", "no")).notice.removeprefix(f"{ENGLISH.unusable} "),
    }


def spoken(messages):
    return [[message.role, message.content] for message in messages]


READ = about_one_text() | of_rac() | others()
KEPT = {
    "choice, one": "476821bd7b873b44",
    "scores, one": "b5097ba7bfc2d792",
    "template, one, False": "56c9781a3073814f",
    "template, one, True": "c2eabe4e40d535b6",
    "choice, several": "e585732516cb60bc",
    "scores, several": "a3fad068b4d5bd96",
    "template, several, False": "83799d91838aae8b",
    "template, several, True": "6b845883b1c2720f",
    "choice, taken": "20859635dbbd1990",
    "scores, taken": "4d3545c16db81c8b",
    "template, taken, False": "7917821aecf14c64",
    "template, taken, True": "6ebb62b21ae95748",
    "choice, many": "3c27940a97ef95b4",
    "scores, many": "51180b1ddc314b33",
    "template, many, False": "3763657e211b7f92",
    "template, many, True": "5d1f2424edc48d9a",
    "statement, False": "370794b87bb84086",
    "statement, True": "4ffbc0e401960a3d",
    "yes or no": "9b1c8238a6b73a00",
    "rac, yes or no, 0": "d80d9db63f6dfb56",
    "rac, one like an answer, 0": "cb8ac10465af8950",
    "rac, list, 0": "c3ec720e1273eeb9",
    "rac, list or none, 0": "8c82a84c6b649af9",
    "rac, pair, 0": "d5ba7d63a00119e1",
    "rac, yes or no, 2": "0cf3abc940bb7462",
    "rac, one like an answer, 2": "935d0d8e6ae2550d",
    "rac, list, 2": "e7e591df4b6596f4",
    "rac, list or none, 2": "34f7e67b6e23244a",
    "rac, pair, 2": "9a61cf934f1124d7",
    "rac, numbers": "bfecbc4192467171",
    "rac, ordinary": "4928ad08f1e305bc",
    "pack, one": "4b48bbd74ffe5baa",
    "pack, several": "c4d3a6f688e81c12",
    "prior": "9e6737fc903ad844",
    "answers again": "8326b41efbcbf5f4",
}

ROW_KEYS = {
    "auto": "9ddbba3655fbe843",
    "hard": "fc31abbecae43a3a",
    "votes": "25897d2490d734f2",
    "verbal": "65c6d8eca95748ec",
    "logprobs": "9ddbba3655fbe843",
}


@pytest.mark.parametrize("name", READ)
def test_english_prompts_are_as_they_were_measured(name):
    """Another byte is another key in the cache: every answer would be paid for again."""
    assert hashlib.sha256(json.dumps(READ[name]).encode()).hexdigest()[:16] == KEPT[name]


def test_every_kept_prompt_is_still_asked():
    """A prompt that nobody builds any more would pass unnoticed."""
    assert set(KEPT) == set(READ)


@pytest.mark.parametrize("method", ROW_KEYS)
def test_the_cache_knows_english_answers_of_before(tmp_path, method):
    """What shapes a text's scores is in its key; a language that is spelled out anew must not change it."""
    options = {"n_samples": 2} if method == "votes" else {"texts_per_request": 2} if method == "hard" else {}
    classifier = LLMClassifier(ONE, chat=ScriptedChat({}), cache_dir=tmp_path, method=method, **options)

    with classifier._remote() as remote:
        assert remote.question.row_key("A text").hex()[:16] == ROW_KEYS[method]
