"""The report's page as a reader meets it, in a real browser."""

from __future__ import annotations

import itertools
import time
from pathlib import Path

import pytest

from textclassify.runs.page import write_page

from .conftest import Browser

HOSTILE = [
    "<script>window.ran = 1</script>",
    '"><img src=x onerror="window.ran = 1">',
    "</script><script>window.ran = 1</script>",
    "</textarea></title><svg onload='window.ran = 1'>",
    "javascript:window.ran=1",
    "{{ 7 * 7 }}<!--rows-->",
]
CONTRAST = (Path(__file__).parent / "contrast.js").read_text(encoding="utf-8").partition("\n")[2].strip()


@pytest.fixture(scope="module")
def page(made_up_run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_page(made_up_run(400, labels=6), path=tmp_path_factory.mktemp("page") / "report.html")


@pytest.fixture(scope="module")
def run(made_up_run):
    return made_up_run(400, labels=6)


def test_the_page_opens_filters_and_searches(browser: Browser, page: Path, run):
    """Without a complaint of the browser: the content security policy lets its own script and style pass."""
    browser.open(page)
    table = run.predictions

    assert browser.passing() == 400
    wrong = browser.choose(outcome="wrong")
    assert wrong == int((table["gold"] != table["label"]).sum())
    word = table["text"][7].split()[1]
    assert browser.choose(search=word.upper()) == int(table["text"].str.lower().str.contains(word.lower()).sum())
    assert browser.run("document.querySelectorAll('#row-table mark').length") > 0
    assert browser.complaints() == []


@pytest.mark.slow
def test_every_filter_keeps_the_rows_that_it_names(browser: Browser, page: Path, run):
    """Each by itself, beside the same question asked of the table."""
    browser.open(page)
    table = run.predictions
    answers = table[[f"answer:{name}" for name in ("linear", "encoder", "deepseek", "similarity")]]
    sure = (1000 * table["confidence"]).round()

    assert browser.choose(gold="2") == int((table["gold"] == "topic 02").sum())
    assert browser.choose(answer="2") == int((table["label"] == "topic 02").sum())
    assert browser.choose(answer="-1") == int(table["label"].isna().sum()) > 0
    assert browser.choose(status="0") == int((table["status"] == "abstained").sum())
    assert browser.choose(sources="differ") == int((answers.nunique(axis=1) > 1).sum())
    assert browser.choose(asked="yes") == int(table["asked"].sum())
    assert browser.choose(**{"from": "50", "to": "80"}) == int(((sure >= 500) & (sure <= 800)).sum())
    assert browser.choose(outcome="right", gold="1") == int(
        ((table["gold"] == table["label"]) & (table["gold"] == "topic 01")).sum()
    )
    assert browser.choose(search="no text holds this") == 0
    assert browser.choose() == 400


@pytest.mark.slow
@pytest.mark.parametrize("multi_label", [False, True])
def test_nothing_from_the_data_runs(browser: Browser, made_up_run, tmp_path: Path, multi_label):
    """Texts, labels, sources and names of runs come from strangers; the page is opened by whoever trusts us."""
    run = made_up_run(80, labels=HOSTILE, texts=HOSTILE * 13, name=HOSTILE[0], multi_label=multi_label)
    for system, name in zip(run.evaluation["systems"][1:], HOSTILE, strict=False):
        run.predictions = run.predictions.rename(
            columns={f"{what}:{system['name']}": f"{what}:{name}" for what in ("answer", "confidence")}
        )
        system["name"] = name
    run.evaluation["verdict"], run.facts["command"] = HOSTILE[1], HOSTILE[2]
    run.facts["config"] = dict(zip(HOSTILE, reversed(HOSTILE), strict=True))

    browser.open(write_page(run, path=tmp_path / "report.html"))
    for choice in ({"search": "script"}, {"gold": "1"}, {}):
        browser.choose(**choice)
    browser.run("[...document.querySelectorAll('button, summary')].forEach((one) => one.click())")

    assert browser.run("typeof window.ran") == "undefined"
    assert browser.run("document.querySelectorAll('main img, main script, svg [onload]').length") == 0
    assert browser.run("document.querySelector('h1').textContent") == HOSTILE[0]
    assert browser.run("document.querySelector('#filters [name=gold]').options[1].textContent") == HOSTILE[0]
    assert browser.complaints() == []


@pytest.mark.slow
def test_a_script_that_slips_in_is_stopped_by_the_policy(browser: Browser, page: Path, tmp_path: Path):
    """A second wall behind the escaping."""
    broken = page.read_text().replace("<h1>", "<script>window.ran = 1</script><img src=x onerror='window.ran = 1'><h1>")
    (tmp_path / "broken.html").write_text(broken)

    browser.open(tmp_path / "broken.html")

    assert browser.run("typeof window.ran") == "undefined"
    assert any("Content Security Policy" in one["message"] for one in browser.complaints())


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_word_stands_out_from_what_is_behind_it(browser: Browser, page: Path, scheme):
    """Contrast of at least 4.5, as WCAG's level AA asks for, in both themes."""
    browser.open(page, scheme=scheme)
    browser.run("document.querySelectorAll('details').forEach((one) => { one.open = true; })")

    assert browser.run(CONTRAST) == []


@pytest.mark.slow
def test_a_reader_can_choose_the_theme(browser: Browser, page: Path):
    """Whatever the system says."""
    browser.open(page, scheme="dark")
    paper = "getComputedStyle(document.body).backgroundColor"
    dark = browser.run(paper)

    browser.run("document.getElementById('theme').click()")

    assert browser.run(paper) != dark
    assert browser.run("document.getElementById('theme').textContent") == "Dark colours"


@pytest.mark.slow
@pytest.mark.parametrize("width", [360, 1280])
def test_nothing_is_wider_than_the_window(browser: Browser, page: Path, width):
    """Wide tables scroll by themselves; the page does not."""
    browser.open(page, width=width)

    assert browser.run("document.documentElement.scrollWidth") <= width


@pytest.mark.slow
def test_everything_can_be_reached_and_used_by_keyboard(browser: Browser, page: Path):
    """The skip link comes first; tables sort, rows open and pages turn by keys, and the focus is always seen."""
    browser.open(page)
    browser.press("\ue004")  # Tab
    assert browser.run("document.activeElement.className") == "skip"
    browser.press("\ue007")  # Enter
    assert browser.run("document.activeElement.id") == "main"

    browser.run("document.querySelector('#labels th button').focus()")
    browser.press("\ue007")
    first = "document.querySelector('#labels tbody th').textContent.trim()"
    assert browser.run("document.querySelector('#labels th').ariaSort") == "ascending"
    browser.press("\ue00d")  # Space
    assert browser.run("document.querySelector('#labels th').ariaSort") == "descending"
    assert browser.run(first).startswith("topic 05")
    assert browser.run("getComputedStyle(document.activeElement).outlineStyle") == "solid"

    browser.run("document.querySelector('#row-table button').focus()")
    browser.press("\ue007")
    assert browser.run("document.querySelectorAll('#row-table .more').length") == 1
    browser.run("document.querySelector('[data-page=next]').focus()")
    browser.press("\ue007")
    assert "26 to 50" in browser.run("document.getElementById('count').textContent")


@pytest.mark.slow
def test_every_control_has_a_name_and_headings_do_not_jump(browser: Browser, page: Path):
    """For those who hear the page."""
    browser.open(page)
    unnamed = (
        "[...document.querySelectorAll('button, input, select, a, [role=region], nav, svg.plot')].filter((one) => "
        "!(one.textContent.trim() || one.ariaLabel || one.labels?.length)).map((one) => one.outerHTML.slice(0, 80))"
    )

    assert browser.run(unnamed) == []
    levels = [
        int(tag[1]) for tag in browser.run("[...document.querySelectorAll('h1,h2,h3')].map((one) => one.tagName)")
    ]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    assert browser.run("document.getElementById('count').ariaLive") == "polite"
    assert browser.run("[...document.querySelectorAll('table')].every((one) => one.caption)")


@pytest.mark.slow
def test_a_button_shows_the_rows_that_a_figure_counts(browser: Browser, page: Path):
    """From what is wrong to the texts in one step."""
    browser.open(page)
    counted = browser.run("document.querySelector('#confusion .show-rows').textContent")

    browser.run("document.querySelector('#confusion .show-rows').click()")
    browser.run("new Promise((done) => setTimeout(done, 200))")

    assert browser.passing() == int(counted)
    assert browser.run("document.activeElement.id") == "rows"


@pytest.mark.slow
def test_twenty_thousand_rows_open_and_answer_within_a_second(browser: Browser, made_up_run, tmp_path: Path):
    """Measured in the page; the limit here is twice the goal, for slow machines."""
    browser.open(write_page(made_up_run(20_000), path=tmp_path / "report.html"))

    assert browser.run("performance.getEntriesByName('rows-shown')[0].startTime") < 2000
    for choice in ({"outcome": "wrong"}, {"search": "et"}, {"order": "unsure"}):
        start = time.perf_counter()
        browser.choose(**choice)
        assert time.perf_counter() - start < 2
