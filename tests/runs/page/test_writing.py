"""The report of a run as one page, read as text."""

from __future__ import annotations

import base64
import gzip
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from textclassify.errors import StorageError
from textclassify.runs.page import write_page
from textclassify.runs.page.writing import MOST_BYTES

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</script><svg onload=alert(1)>",
    "<!--rows-->",
]
VOID = {"meta", "link", "input"}


class Outline(HTMLParser):
    """Headings, ids and everything that a browser would fetch or run."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.headings, self.ids, self.active, self.open = [], [], [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.ids += [given["id"]] if "id" in given else []
        if tag not in VOID:
            self.open.append(tag)
        named = [name for name in given if name.startswith("on") or name == "style"]
        outside = [value for name, value in attrs if name in {"src", "href"} and not value.startswith(("#", "data:,"))]
        self.active += named + outside + ([tag] if tag in {"iframe", "object", "embed", "img", "base"} else [])

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] in {"h1", "h2"}:
            self.headings.append(data)


def unpacked(page: str, name: str):
    packed = re.search(f'id="row-{name}">([^<]*)<', page).group(1)
    return json.loads(gzip.decompress(base64.b64decode(packed)))


def page_of(run, folder: Path) -> str:
    return write_page(run, path=folder / "report.html").read_text(encoding="utf-8")


def test_the_page_has_every_section_and_stands_alone(made_up_run, tmp_path):
    """One file that can be sent to whoever decides: nothing in it is fetched from anywhere."""
    page = page_of(made_up_run(120, labels=8), tmp_path)

    outline = Outline(page)
    assert outline.headings == [
        "Made-up news",
        "Headline",
        "Each source against the fusion",
        "What each language model call bought",
        "Can the confidence be trusted?",
        "Which labels are confused",
        "Each label",
        "Answers withheld below a confidence",
        "Broader labels",
        "Where the sources disagree",
        "Gold answers that may be wrong",
        "All rows",
        "Cost and time",
        "How to reproduce",
    ]
    assert outline.active == outline.open == []
    assert len(set(outline.ids)) == len(outline.ids)


def test_texts_labels_and_names_are_never_markup(made_up_run, tmp_path):
    """A message to a support desk may hold anything; so may a label, a source and the name of a run."""
    run = made_up_run(60, labels=HOSTILE, texts=HOSTILE * 5, name=HOSTILE[0])
    run.evaluation["verdict"] = run.evaluation["systems"][1]["name"] = HOSTILE[1]
    run.facts["command"] = HOSTILE[2]

    page = page_of(run, tmp_path)

    assert Outline(page).active == []
    assert page.count("<script") == 3  # the rows, the texts and the page's own
    assert unpacked(page, "texts")[:4] == HOSTILE
    assert unpacked(page, "columns")["labels"] == HOSTILE


def test_rows_in_the_page_are_those_of_the_run(made_up_run, tmp_path):
    """Answers of each system, statuses and flags, row by row."""
    run = made_up_run(50, labels=4)
    columns = unpacked(page_of(run, tmp_path), "columns")

    def named(answers):
        return [None if one < 0 else columns["labels"][columns["answers"][one][0]] for one in answers]

    table = run.predictions
    assert named(columns["gold"]) == list(table["gold"])
    assert named(columns["said"][0]) == list(table["label"])
    assert named(columns["said"][2]) == list(table["answer:encoder"])
    assert columns["systems"] == ["fusion", "linear", "encoder", "deepseek", "similarity"]
    right = [bool(flag & 2) for flag in columns["flags"]]
    assert right == list(table["gold"] == table["label"])


@pytest.mark.slow
@pytest.mark.parametrize("multi_label", [False, True])
def test_a_page_stays_small_whatever_the_rows_hold(made_up_run, tmp_path, multi_label):
    """Texts are cut as far as needed, and the page says so."""
    run = made_up_run(2500, labels=5, multi_label=multi_label, n_words=900)
    page = page_of(run, tmp_path)

    assert MOST_BYTES * 0.8 < len(page.encode()) < MOST_BYTES
    assert len(unpacked(page, "texts")) == 2500
    assert re.search(r"Texts are cut after [\d,]+ characters", page)


def test_without_gold_the_page_says_what_it_cannot_know(made_up_run, tmp_path):
    """No accuracy is made up."""
    page = page_of(made_up_run(40, gold=False), tmp_path)

    assert "says nothing about how many answers are right" in page
    assert Outline(page).headings[1:3] == ["Headline", "Each label"]
    assert not set(unpacked(page, "columns")["gold"]) - {-1}


@pytest.mark.parametrize("multi_label", [False, True])
def test_a_run_with_one_system_has_nothing_to_compare(made_up_run, tmp_path, multi_label):
    """It is a report all the same."""
    run = made_up_run(40, labels=3, n_sources=0, multi_label=multi_label)
    run.evaluation["cost_curve"] = None

    page = page_of(run, tmp_path)

    assert "nothing to compare it with" in page
    assert "Where the sources disagree" not in Outline(page).headings
    assert "No language model was asked" in page


def test_rare_labels_are_named(made_up_run, tmp_path):
    """Their figures rest on next to nothing."""
    page = page_of(made_up_run(200, labels=["often", *(f"rare {k}" for k in range(9))]), tmp_path)

    listed = re.search("Rare labels, with fewer than 20 gold texts.*?</p>", page).group(0)
    assert "rare 8" in listed
    assert "often" not in listed


def test_names_of_any_length_and_direction_stay_in_their_place(made_up_run, tmp_path):
    """One label must not stretch the matrix, nor turn the rest of a sentence round."""
    page = page_of(made_up_run(60, labels=["x" * 300, "\u202eevil", "plain"]), tmp_path)
    matrix = re.search("Confusion matrix.*?</table>", page, re.DOTALL).group(0)

    assert "x" * 41 not in matrix
    assert "\N{FIRST STRONG ISOLATE}\u202eevil\N{POP DIRECTIONAL ISOLATE}" in matrix


def test_a_single_text_has_no_standard_error(made_up_run, tmp_path):
    """Its difference is shown all the same."""
    run = made_up_run(30, labels=3)
    for system in run.evaluation["systems"][1:]:
        system["comparison"]["standard_error"] = None

    assert re.search(r">[+-]\d\.\d{3}</td>", page_of(run, tmp_path))


def test_texts_that_were_not_kept_are_no_error(made_up_run, tmp_path):
    """A run may have hashes alone."""
    run = made_up_run(30, labels=3)
    run.predictions["text"] = None

    assert unpacked(page_of(run, tmp_path), "texts") == [None] * 30


def test_the_same_run_gives_the_same_page(made_up_run, tmp_path):
    """Down to the last byte, so that versions can be compared."""
    run = made_up_run(30)

    assert page_of(run, tmp_path) == page_of(run, tmp_path)


def test_a_folder_that_cannot_be_written_is_named(made_up_run, tmp_path):
    """With the remedy."""
    (tmp_path / "file").write_text("")

    with pytest.raises(StorageError, match=r"cannot write the report to .*file.*; name a file"):
        write_page(made_up_run(30, labels=2), path=tmp_path / "file" / "report.html")


@pytest.mark.slow
def test_plots_are_written_on_request(made_up_run, tmp_path):
    """For slides and papers."""
    write_page(made_up_run(30, labels=2), path=tmp_path / "report.html", plots=True)

    assert {path.name for path in (tmp_path / "plots").iterdir()} >= {"reliability.png", "sources.svg"}
