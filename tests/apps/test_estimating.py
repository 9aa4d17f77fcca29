"""What a run would ask its language models: the very texts that it asks, at a price that is never made up."""

import io
import json
from pathlib import Path
from typing import ClassVar

import pytest
from rich.console import Console

from textclassify import FusionEnsemble, LinearClassifier, TrainingData
from textclassify.apps.estimating import (
    AskedModel,
    RunEstimate,
    estimate_file,
    estimate_fit,
    estimate_prediction,
    estimate_screen,
    estimate_training,
    texts_in,
)
from textclassify.apps.terminal import session
from textclassify.core.storage import replies_folder, replies_kept_in
from textclassify.errors import ConfigError, DataError
from textclassify.llm.money.estimates import Estimate
from textclassify.llm.money.prices import Price
from textclassify.llm.money.token_counts import Range
from textclassify.runs.config import Config
from textclassify.testing import FixedClassifier

LABELS = ["billing", "delivery"]
PRICE = Price(1.0, 0.1, 4.0)


class MuteClassifier(FixedClassifier):
    """A language model that cannot say what it costs."""

    asks_llm = True


class PricedClassifier(MuteClassifier):
    """One that can; it has kept its answers to some texts, and `estimated` holds what it was to estimate, by source."""

    estimated: ClassVar[dict[str, list[list[str]]]] = {}

    def __init__(self, answers, labels=None, *, default=None, source="llm", price=PRICE, kept=()):
        super().__init__(answers, labels, default=default, source=source)
        self.price = price
        self.kept = kept

    def estimate(self, texts):
        self.estimated.setdefault(self.source, []).append(list(texts))
        distinct = dict.fromkeys(texts)
        return Estimate.of(
            [text for text in distinct if text not in self.kept],
            provider="openai",
            model=self.source,
            method="hard",
            completion=Range(1, 1, 9),
            price=self.price,
            rows=len(texts),
            distinct=len(distinct),
            cached=sum(text in self.kept for text in texts),
        )


@pytest.fixture(autouse=True)
def nothing_estimated():
    PricedClassifier.estimated.clear()


class ShowingClassifier(PricedClassifier):
    """One that shows its first training text as an example."""

    @property
    def seen_row_ids(self):
        return self.seen_

    def _fit(self, data):
        self.seen_ = data.row_ids[:1]


@pytest.fixture
def in_a_command():
    """Have warnings handled as every command does."""
    with session(bars=False):
        yield


def messages(n):
    """Texts that a linear model cannot tell apart, so that a fusion needs the other sources."""
    return TrainingData([f"message number {row}" for row in range(n)], [LABELS[row % 2] for row in range(n)])


def oracle(data, kind=PricedClassifier, **options):
    answers = {
        text: [0.9, 0.1] if label == LABELS[0] else [0.1, 0.9]
        for text, label in zip(data.texts, data.labels, strict=True)
    }
    return kind(answers, LABELS, default=[0.5, 0.5], **options)


def shown(run):
    """Return what a terminal shows."""
    console = Console(file=io.StringIO(), width=140)
    console.print(estimate_screen(run))
    return console.file.getvalue()


def test_a_language_model_alone_is_one_line():
    """Its name is its kind."""
    run = estimate_prediction(oracle(messages(4)), ["a", "b", "a"])

    assert [(one.source, one.estimate.rows) for one in run.asked] == [("fixed", 3)]
    assert run.total.requests == 2
    assert "1 of 3 rows repeat a text" in run.notes[0]


def test_a_fusion_asks_those_models_that_make_a_difference():
    """One that adds nothing is not asked at prediction, so it costs nothing there."""
    data = messages(120)
    fusion = FusionEnsemble({"linear": LinearClassifier(), "llm": oracle(data)}, n_folds=3).fit(data)
    run = estimate_prediction(fusion, ["a text", "another"])
    assert [one.source for one in run.asked] == ["llm"]
    assert PricedClassifier.estimated == {"llm": [["a text", "another"]]}

    clear = TrainingData([f"{label} {row}" for row in range(45) for label in LABELS], LABELS * 45)
    useless = PricedClassifier({}, LABELS, default=[0.4, 0.6])
    fusion = FusionEnsemble({"linear": LinearClassifier(), "llm": useless}, n_folds=3).fit(clear)
    assert estimate_prediction(fusion, ["a text"]).asked == ()


def test_a_configured_budget_is_named_beside_the_figures():
    """They are for every text, and a prediction asks about fewer."""
    fusion = FusionEnsemble({"linear": LinearClassifier(), "llm": oracle(messages(120))}, n_folds=3)
    fusion.fit(messages(120)).config_ = Config.of({"llm_budget": "20%"})

    assert any("llm_budget is 20%" in note for note in estimate_prediction(fusion, ["a text"]).notes)


def test_a_classifier_without_language_models_asks_nobody():
    """It says so, instead of an empty table."""
    data = messages(20)
    run = estimate_prediction(LinearClassifier().fit(data), ["a"])

    assert (run.asked, run.total, run.to_dict()["total"]) == ((), None, None)
    assert "no language model is asked" in shown(run)


def test_a_model_that_cannot_say_what_it_costs_is_an_error():
    """It must not be left out of the sum."""
    with pytest.raises(ConfigError, match=r"MuteClassifier asks a language model.*`estimate\(texts\)`"):
        estimate_prediction(oracle(messages(4), MuteClassifier), ["a"])


@pytest.mark.parametrize(
    ("n", "options"), [(90, {"n_folds": 3, "fusion_rows": 40}), (90, {"one_model": True}), (2, {})]
)
@pytest.mark.parametrize("kind", [PricedClassifier, ShowingClassifier])
def test_training_is_estimated_for_the_very_texts_that_it_asks_about(n, options, kind):
    """Then those that are kept are recognised; a text that serves as an example is not asked about."""
    data = messages(n)
    fusion = FusionEnsemble({"linear": LinearClassifier(), "llm": oracle(data, kind)}, LABELS, **options)

    run = estimate_fit(fusion, data)
    asked = fusion.fit(data).sources_["llm"].asked
    assert [set(texts) for texts in PricedClassifier.estimated["llm"]] == [set(asked)]
    assert [(one.source, one.estimate.requests) for one in run.asked] == [("llm", len(set(asked)))]


def test_the_test_rows_are_asked_about_as_well():
    """The report compares every source on them."""
    data, test = messages(60), messages(75).take(range(60, 75))
    run = estimate_fit(FusionEnsemble({"llm": oracle(data), "linear": LinearClassifier()}, LABELS), data, test)

    assert [(one.source, one.stage, one.estimate.rows) for one in run.asked] == [
        ("llm", "training", 60),
        ("llm", "test", 15),
    ]
    assert run.total.rows == 75
    assert "llm is asked about 60 of 60 training rows" in run.notes
    assert "training" in shown(run)


class Whereabouts(PricedClassifier):
    """One that notes in which folder it would look for its answers."""

    looked_in: ClassVar[list[Path]] = []

    def estimate(self, texts):
        self.looked_in.append(replies_folder())
        return super().estimate(texts)


def test_answers_about_test_rows_are_looked_for_where_they_are_kept(tmp_path):
    """A prediction keeps them apart from those in training, where the configuration says so."""
    data, test = messages(60), messages(9)
    fusion = FusionEnsemble({"llm": oracle(data, kind=Whereabouts), "linear": LinearClassifier()}, LABELS)
    Whereabouts.looked_in.clear()
    with replies_kept_in(tmp_path / "training"):
        estimate_fit(fusion, data, test, test_replies=tmp_path / "test")

    assert Whereabouts.looked_in == [tmp_path / "training", tmp_path / "test"]


def test_a_configuration_without_language_models_asks_nobody():
    """No model is loaded to find that out."""
    run = estimate_training(Config.of({"llm_provider": None}), messages(60))

    assert run.asked == ()
    assert "no language model" in run.notes[0]


def test_a_configuration_is_estimated_without_a_server_or_a_key(tmp_path, monkeypatch):
    """People ask what it costs before they get one; what runs on a server of theirs costs nothing."""
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "VLLM_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    settings = {"llm_provider": ["openai", "vllm"], "llm_model": ["gpt-4o-mini", "m"], "fusion_rows": 20}
    run = estimate_training(Config.of(settings | {"cache_dir": tmp_path}), messages(60), messages(9))

    found = {(one.source, one.stage): one.estimate for one in run.asked}
    assert {name: one.rows for name, one in found.items()} == {
        ("llm_openai", "training"): 20,
        ("llm_openai", "test"): 9,
        ("llm_vllm", "training"): 20,
        ("llm_vllm", "test"): 9,
    }
    assert found["llm_openai", "training"].cost.expected > 0
    assert found["llm_vllm", "training"].cost.expected == 0


def test_an_unknown_price_is_said_in_words():
    """In the table, in the notes with the remedy, and as null in JSON; nowhere as $0."""
    data = messages(4)
    run = estimate_prediction(oracle(data, price=None, source="new"), ["a"])

    assert "unknown price" in shown(run)
    assert "$0" not in shown(run)
    assert any("unknown price of openai/new; add its US dollars" in note for note in run.notes)
    plain = json.loads(json.dumps(run.to_dict()))
    assert (plain["total"]["cost"], plain["total"]["price"]) == (None, "unknown price")
    assert plain["language_models"][0]["source"] == "fixed"


def test_what_is_kept_will_not_be_asked_again():
    """People who resume a run want to know what is left to pay."""
    run = estimate_prediction(oracle(messages(4), kept=("a", "b")), ["a", "b", "a", "c"])

    assert (run.total.rows, run.total.cached, run.total.requests) == (4, 3, 1)
    assert "3 of 4 answers are kept from earlier runs and not asked for again" in run.notes
    assert "note: 3 of 4 answers" in shown(run)


def test_several_models_have_a_total():
    """It is what will be paid."""
    one = estimate_prediction(oracle(messages(4)), ["a", "b"]).asked
    run = RunEstimate((*one, AskedModel("other", one[0].estimate)))

    assert run.total.cost == one[0].estimate.cost * 2
    assert "in all" in shown(run)
    assert "in all" not in shown(RunEstimate(one))


@pytest.mark.usefixtures("in_a_command")
def test_texts_are_read_as_predict_reads_them(tmp_path):
    """A missing text is blank; the column is recognised, or that of the training."""
    file = tmp_path / "in.csv"
    file.write_text("id,text,body\n1,hello,x\n2,,y\n", encoding="utf-8")

    assert texts_in(str(file)) == ["hello", ""]
    assert texts_in(str(file), text_column="body") == ["x", "y"]
    assert len(texts_in(str(file), lines=True)) == 3
    with pytest.raises(DataError, match="unknown text column 'bdoy'; did you mean 'body'"):
        texts_in(str(file), text_column="bdoy")


@pytest.mark.usefixtures("in_a_command")
def test_a_file_is_estimated_in_its_training_column(tmp_path):
    """Another column of texts would have another length."""
    file = tmp_path / "in.jsonl"
    file.write_text('{"text": "short", "body": "the long one"}\n', encoding="utf-8")
    classifier = oracle(messages(4))
    classifier.config_ = Config.of({"text_column": "body"})

    estimate_file(classifier, str(file))
    assert PricedClassifier.estimated == {"llm": [["the long one"]]}
