"""What an evaluation shows, and that its verdict is honest."""

from __future__ import annotations

import json
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest

from textclassify import FusionEnsemble, LinearClassifier, load
from textclassify.core.labels import LabelSchema
from textclassify.ensemble.policy import Policy
from textclassify.errors import ConfigError, LabelError
from textclassify.runs.evaluation import FUSION, WITHOUT_LLM, evaluate
from textclassify.testing import FixedClassifier

from .. import asking  # noqa: TID252 - a helper of several folders of tests
from ..asking import asking_fusion  # noqa: TID252

LABELS = ["ham", "news", "spam"]


class FixedLLM(FixedClassifier):
    asks_llm = True


def rows(n: int, seed: int) -> tuple[list[str], list[str]]:
    gold = np.random.default_rng(seed).integers(0, 3, n)
    return [f"text {seed}-{row}" for row in range(n)], [LABELS[code] for code in gold]


def answers(texts: list[str], gold: list[str], accuracy: float, seed: int) -> dict[str, list[float]]:
    """Give the right label with a probability of 0.7 on a share of the texts, on the rest a random one."""
    rng, found = np.random.default_rng(seed), {}
    for text, label in zip(texts, gold, strict=True):
        code = LABELS.index(label) if rng.random() < accuracy else int(rng.integers(0, 3))
        found[text] = [0.7 if k == code else 0.15 for k in range(3)]
    return found


TRAIN, TRAIN_GOLD = rows(55, 1)
TEST, TEST_GOLD = rows(200, 2)


def source(accuracy: float, seed: int, kind: type[FixedClassifier] = FixedClassifier) -> FixedClassifier:
    return kind(answers(TRAIN + TEST, TRAIN_GOLD + TEST_GOLD, accuracy, seed), labels=LABELS)


@pytest.fixture(scope="module")
def fusion() -> FusionEnsemble:
    sources = {"good": source(0.7, 3), "other": source(0.6, 4), "llm": source(0.6, 5, FixedLLM)}
    return FusionEnsemble(sources).fit(TRAIN, TRAIN_GOLD)


@pytest.fixture(scope="module")
def idle_llm() -> FusionEnsemble:
    """Return a fusion whose language model knows nothing."""
    return FusionEnsemble({"good": source(0.95, 3), "llm": source(0.0, 5, FixedLLM)}).fit(TRAIN, TRAIN_GOLD)


def test_every_system_is_shown_beside_the_fusion(fusion: FusionEnsemble) -> None:
    """A fusion is only worth what it adds to what could be had for less."""
    evaluation = evaluate(fusion, TEST, TEST_GOLD)

    assert [system.name for system in evaluation.systems] == [FUSION, WITHOUT_LLM, "good", "llm", "other"]
    assert evaluation.systems[0].comparison is None
    assert all(system.comparison is not None for system in evaluation.systems[1:])


def test_the_fusion_row_is_what_predict_answers(fusion: FusionEnsemble) -> None:
    """Figures are of the deployed system, not of a variant of it."""
    evaluation = evaluate(fusion, TEST, TEST_GOLD)

    assert evaluation[FUSION].metrics["accuracy"] == fusion.score(TEST, TEST_GOLD)
    np.testing.assert_allclose(evaluation[FUSION].answers.probabilities, fusion.predict_proba(TEST), rtol=1e-6)


def test_the_row_without_llm_never_uses_its_scores(fusion: FusionEnsemble) -> None:
    """Else the comparison would hide what the language model buys."""
    free = fusion.source_scores(TEST, ["good", "other"])
    expected = fusion.fusion_.predict(free).probabilities

    np.testing.assert_array_equal(evaluate(fusion, TEST, TEST_GOLD)[WITHOUT_LLM].answers.probabilities, expected)


@pytest.mark.parametrize("llm_knows", [0.6, 0.0])
def test_the_fusion_row_is_what_predict_answers_where_a_source_has_none(llm_knows: float) -> None:
    """Whatever stands in for missing scores in a prediction stands in here; nothing else does."""
    known = {
        name: answers(TRAIN + TEST, TRAIN_GOLD + TEST_GOLD, accuracy, seed)
        for name, accuracy, seed in (("good", 0.7, 3), ("other", 0.6, 4), ("llm", llm_knows, 5))
    }
    for number, one in enumerate(known.values()):
        one.update(dict.fromkeys(TEST[number * 20 : number * 20 + 30]))  # type: ignore[arg-type] # None: not scored
    kinds = {"good": FixedClassifier, "other": FixedClassifier, "llm": FixedLLM}
    fitted = FusionEnsemble({name: kinds[name](one, labels=LABELS) for name, one in known.items()})
    fitted.fit(TRAIN, TRAIN_GOLD)

    evaluation = evaluate(fitted, TEST, TEST_GOLD)

    np.testing.assert_allclose(evaluation[FUSION].answers.probabilities, fitted.predict_proba(TEST), rtol=1e-6)


def test_the_best_single_source_is_chosen_on_training_rows() -> None:
    """Choosing it on the test rows would make the bar too high by luck."""
    lucky = answers(TRAIN, TRAIN_GOLD, 0.5, 3) | answers(TEST, TEST_GOLD, 1.0, 3)
    steady = answers(TRAIN, TRAIN_GOLD, 0.8, 4) | answers(TEST, TEST_GOLD, 0.6, 4)
    sources = {"lucky": FixedClassifier(lucky, labels=LABELS), "steady": FixedClassifier(steady, labels=LABELS)}

    evaluation = evaluate(FusionEnsemble(sources).fit(TRAIN, TRAIN_GOLD), TEST, TEST_GOLD)

    assert evaluation["steady"].best_single
    assert not evaluation["lucky"].best_single
    assert evaluation["lucky"].metrics["accuracy"] > evaluation["steady"].metrics["accuracy"]


def test_p_values_are_adjusted_for_the_number_of_comparisons(fusion: FusionEnsemble) -> None:
    """Four looks at 5% find something in one of six cases by chance alone."""
    found = [system.comparison for system in evaluate(fusion, TEST, TEST_GOLD).systems[1:]]

    smallest = min(found, key=lambda one: one.p_value)
    assert smallest.p_adjusted == pytest.approx(4 * smallest.p_value)
    assert all(one.test == "McNemar mid-p" for one in found)


def test_a_small_lead_is_called_not_significant() -> None:
    """The verdict may not sell luck as merit."""
    sources = {"good": source(0.7, 3), "other": source(0.3, 4)}
    fitted = FusionEnsemble(sources).fit(TRAIN, TRAIN_GOLD)

    evaluation = evaluate(fitted, TEST[:20], TEST_GOLD[:20])

    assert "not significantly" in evaluation.verdict or "answers with 'good' alone" in evaluation.verdict
    assert "only large differences can show" in evaluation.verdict


def test_a_large_lead_is_called_significant(fusion: FusionEnsemble) -> None:
    """Three independent sources together beat each of them, and the verdict says by how much."""
    evaluation = evaluate(fusion, TEST, TEST_GOLD)

    against = evaluation["good"].comparison
    assert against is not None
    assert against.p_adjusted < 0.05
    assert "significantly better than 'good' alone" in evaluation.verdict
    assert f"{against.difference:+.3f} accuracy" in evaluation.verdict


def test_an_llm_that_did_not_pay_is_said_and_still_shown(idle_llm: FusionEnsemble) -> None:
    """The user learns what the calls would have bought, and that predicting costs none."""
    evaluation = evaluate(idle_llm, TEST, TEST_GOLD)

    assert "does not ask 'llm'" in evaluation.verdict
    assert not evaluation[FUSION].asks_llm
    assert evaluation["llm"].coverage == 1


def test_without_llm_none_is_asked(fusion: FusionEnsemble) -> None:
    """`llm=False` costs nothing, and says that the first row is not the whole fusion."""
    llm = fusion.sources_["llm"]
    asked = len(llm.asked)

    evaluation = evaluate(fusion, TEST, TEST_GOLD, llm=False)

    assert len(llm.asked) == asked
    assert "llm" not in [system.name for system in evaluation.systems]
    assert any("no language model was asked" in note for note in evaluation.notes)
    assert [system.name for system in evaluation.systems] == [FUSION, "good", "other"]


def test_without_llm_all_free_sources_answer(fusion: FusionEnsemble) -> None:
    """Not only the free ones among those that the fusion needs: the note promises what it answers without one."""
    assert "llm" in fusion.fusion_.needs_
    free = fusion.fusion_result(fusion.source_scores(TEST, ["good", "other"])).probabilities

    for needed in (fusion.fusion_.needs_, ("good", "llm")):
        with patch.object(type(fusion.fusion_), "needs_", needed):
            first = evaluate(fusion, TEST, TEST_GOLD, llm=False).systems[0]
        np.testing.assert_array_equal(first.answers.probabilities, free)


def test_a_text_without_an_answer_counts_as_wrong_and_is_said() -> None:
    """Leaving such texts out would reward a source for answering easy texts only."""
    known = answers(TRAIN + TEST, TRAIN_GOLD + TEST_GOLD, 1.0, 3)
    known[TEST[0]] = None  # type: ignore[assignment] # FixedClassifier: asked, but not scored
    fitted = FusionEnsemble({"only": FixedClassifier(known, labels=LABELS)}).fit(TRAIN, TRAIN_GOLD)

    evaluation = evaluate(fitted, TEST, TEST_GOLD)

    assert evaluation["only"].metrics["accuracy"] == pytest.approx(1 - 1 / len(TEST))
    assert evaluation["only"].coverage == pytest.approx(1 - 1 / len(TEST))
    assert any("'only' has no answer for 1 of 200 texts" in note for note in evaluation.notes)


def test_a_seed_out_of_range_is_refused(fusion: FusionEnsemble) -> None:
    """Before any source is asked."""
    with pytest.raises(ConfigError, match="random_state is -5; a seed is a whole number from 0"):
        evaluate(fusion, ["x"], ["a"], random_state=-5)


def test_an_unknown_gold_label_is_named_with_its_row(fusion: FusionEnsemble) -> None:
    """A label that the model cannot know is an error of the data, not a wrong answer."""
    with pytest.raises(LabelError, match=r"unknown label 'spamm' in row 2; did you mean 'spam'"):
        evaluate(fusion, TEST[:3], ["ham", "spam", "spamm"])


def test_test_texts_that_were_trained_on_are_reported(fusion: FusionEnsemble) -> None:
    """Figures on seen texts are too good; a user has to know."""
    evaluation = evaluate(fusion, TRAIN[:5] + TEST[:50], TRAIN_GOLD[:5] + TEST_GOLD[:50])

    assert any(note.startswith("5 of 55 test texts are training texts too") for note in evaluation.notes)


def test_all_training_rows_count_as_seen_where_the_fusion_learned_from_a_part(tmp_path: Path) -> None:
    """From 2,000 rows on four fifths only train the sources; they are no less known for it, also after loading."""
    gold = [LABELS[row % 3] for row in range(300)]
    texts = [f"{label} text {row}" for row, label in enumerate(gold)]
    FusionEnsemble({"linear": LinearClassifier()}, one_model=True).fit(texts, gold).save(tmp_path / "model")

    loaded = load(tmp_path / "model")

    for written in (texts, [f" {text.upper()}" for text in texts]):  # case and white space make no new text
        notes = evaluate(loaded, written, gold).notes
        assert any(note.startswith("300 of 300 test texts are training texts too") for note in notes)


def test_given_row_ids_decide_what_was_seen(fusion: FusionEnsemble) -> None:
    """A caller may know of more texts, e.g. those that an encoder was trained on before; for one classifier, too."""
    seen = fusion.predict_scores(TEST[:7]).row_ids

    notes = evaluate(fusion, TEST, TEST_GOLD, seen_row_ids=seen).notes

    assert any(note.startswith("7 of 200 test texts") for note in notes)
    alone = evaluate(fusion.sources_["good"], TEST, TEST_GOLD, seen_row_ids=seen)
    assert any(note.startswith("7 of 200 test texts") for note in alone.notes)


def test_repeated_texts_widen_the_interval(fusion: FusionEnsemble) -> None:
    """Ten copies of a text tell one story; as ten rows they would look like ten."""
    few, gold = TEST[:20], TEST_GOLD[:20]

    once = evaluate(fusion, few, gold)[FUSION].intervals["accuracy"]
    tenfold = evaluate(fusion, few * 10, gold * 10)[FUSION].intervals["accuracy"]

    assert tenfold.high - tenfold.low > 0.7 * (once.high - once.low)


def test_calibration_is_shown_before_and_after(fusion: FusionEnsemble) -> None:
    """A source is shown calibrated; its raw figures stay beside it."""
    system = evaluate(fusion, TEST, TEST_GOLD)["good"]

    assert set(system.before_calibration) == {"log_loss", "ece"}
    assert evaluate(fusion, TEST, TEST_GOLD)[FUSION].before_calibration == {}


def test_the_calibration_report_covers_every_source(fusion: FusionEnsemble) -> None:
    """Its figures after calibration are those of the source's row."""
    evaluation = evaluate(fusion, TEST, TEST_GOLD)

    assert evaluation.calibration is not None
    assert [source.name for source in evaluation.calibration.sources] == ["good", "llm", "other"]
    for source in evaluation.calibration.sources:
        system = evaluation[source.name]
        assert source.log_loss == (system.before_calibration["log_loss"], system.metrics["log_loss"])


def test_the_cost_curve_ends_at_the_fusion_and_starts_without_the_llm() -> None:
    """It is drawn where a language model is asked, and nowhere else."""
    evaluation = evaluate(asking_fusion(), asking.TEST, asking.TEST_GOLD, cost_per_call=0.01)

    curve = evaluation.cost_curve
    assert curve is not None
    assert curve.points[0].quality.estimate == evaluation[WITHOUT_LLM].metrics["accuracy"]
    assert curve.points[-1].quality.estimate == evaluation[FUSION].metrics["accuracy"]
    assert curve.cost_per_call == 0.01
    assert evaluate(asking_fusion(), asking.TEST, asking.TEST_GOLD, llm=False).cost_curve is None


def test_a_fusion_that_does_not_ask_has_no_cost_curve(idle_llm: FusionEnsemble) -> None:
    """There is nothing to save."""
    assert evaluate(idle_llm, TEST, TEST_GOLD).cost_curve is None


def test_the_fusion_answers_within_the_budget_of_its_policy() -> None:
    """Figures are of what is deployed; each source keeps its own."""
    whole, cut = (
        evaluate(asking_fusion(), asking.TEST, asking.TEST_GOLD, policy=Policy(budget)) for budget in (None, "20 calls")
    )

    result = asking_fusion().predict(asking.TEST, llm_budget="20 calls")
    np.testing.assert_allclose(cut[FUSION].answers.probabilities, result.probabilities, rtol=1e-6)
    assert "llm_budget 20 calls: the fusion asked about 20 of 300 texts" in cut.notes
    assert cut["llm"].metrics == whole["llm"].metrics


def test_a_bounded_risk_is_held_against_the_texts() -> None:
    """A promise is worth what comes of it."""
    policy = Policy(0.05, 0.05)
    evaluation = evaluate(asking_fusion(), asking.TEST, asking.TEST_GOLD, policy=policy)
    result = asking_fusion().predict(asking.TEST, llm_budget=0.05, max_risk=0.05)

    kept = [row for row, answer in enumerate(result.predictions) if answer is not None]
    wrong = np.mean([result.predictions[row] != asking.TEST_GOLD[row] for row in kept])
    assert evaluation.risk is not None
    assert (evaluation.risk.n_accepted, evaluation.risk.risk.estimate) == (len(kept), pytest.approx(wrong))
    assert f"{len(kept)} of 300 answers accepted" in str(evaluation)
    assert evaluation.to_dict()["risk"]["max_risk"] == 0.05


def test_prediction_sets_are_held_against_the_texts() -> None:
    """The share that holds the gold label, and how large they are."""
    evaluation = evaluate(asking_fusion(), asking.TEST, asking.TEST_GOLD, alpha=0.1)
    sets = asking_fusion().predict_set(asking.TEST, alpha=0.1)

    held = np.mean([label in one for label, one in zip(asking.TEST_GOLD, sets, strict=True)])
    assert evaluation.sets is not None
    assert evaluation.sets.held.estimate == pytest.approx(held)
    assert evaluation.sets.mean_size == pytest.approx(sets.sizes.mean())


def test_a_guarantee_that_cannot_be_given_is_a_note(fusion: FusionEnsemble) -> None:
    """The other figures are wanted all the same."""
    evaluation = evaluate(fusion, TEST, TEST_GOLD, policy=Policy(max_risk=0.05), alpha=0.1)

    assert (evaluation.risk, evaluation.sets) == (None, None)
    assert any("no guarantee can be given" in note for note in evaluation.notes)


def test_only_a_fusion_keeps_a_policy() -> None:
    """A budget that were ignored would be paid for."""
    with pytest.raises(ConfigError, match="FixedClassifier keeps no budget"):
        evaluate(source(0.7, 3), TEST, TEST_GOLD, policy=Policy("20%"))


def test_everything_an_evaluation_found_is_plain_json() -> None:
    """NaN is none of its numbers."""
    evaluation = evaluate(asking_fusion(), asking.TEST[:40], asking.TEST_GOLD[:40], alpha=0.1)

    found = json.loads(json.dumps(evaluation.to_dict(), allow_nan=False))
    assert found["cost_curve"]["points"][0]["share"] == 0
    assert [source["name"] for source in found["calibration"]] == ["encoder", "llm"]


def test_multi_label_compares_micro_f1_by_paired_bootstrap() -> None:
    """McNemar's test is about answers that are right or wrong as a whole."""
    rng = np.random.default_rng(0)
    texts = [f"text {row}" for row in range(160)]
    gold = rng.integers(0, 2, (160, 2))
    noisy = {
        text: np.clip(np.abs(row - 0.25 - 0.7 * (rng.random(2) < 0.2)), 0, 1)
        for text, row in zip(texts, gold, strict=True)
    }
    vague = {
        text: np.clip(np.abs(row - 0.3 - 0.5 * (rng.random(2) < 0.4)), 0, 1)
        for text, row in zip(texts, gold, strict=True)
    }
    labels = {"labels": ["a", "b"], "multi_label": True}
    sources = {name: FixedClassifier(one, labels=labels) for name, one in {"noisy": noisy, "vague": vague}.items()}
    fitted = FusionEnsemble(sources, labels).fit(texts[:80], gold[:80])

    evaluation = evaluate(fitted, texts[80:], gold[80:])

    against = evaluation["vague"].comparison
    assert against is not None
    assert (against.metric, against.test) == ("micro_f1", "paired bootstrap by text")
    assert {"subset_accuracy", "micro_f1", "macro_f1"} <= set(evaluation[FUSION].intervals)


def test_too_few_rows_to_learn_are_said() -> None:
    """With a rule instead of learning there is no best source to compare with."""
    texts, gold = ["a", "b", "c"], LABELS
    known = {text: [0.6, 0.2, 0.2] for text in [*texts, *TEST]}
    fitted = FusionEnsemble({"one": FixedClassifier(known, labels=LABELS)}).fit(texts, gold)

    assert "too few training rows" in evaluate(fitted, TEST, TEST_GOLD).verdict


def test_one_classifier_is_measured_without_a_fusion() -> None:
    """`textclassify evaluate` takes any saved classifier."""
    classifier = LinearClassifier().fit(["fine day", "bad day", "so fine", "so bad"], ["good", "poor", "good", "poor"])

    evaluation = evaluate(classifier, ["fine", "bad"], ["good", "poor"])

    assert [system.name for system in evaluation.systems] == ["LinearClassifier"]
    assert evaluation.systems[0].metrics["accuracy"] == 1


def test_the_dictionary_is_strict_json(fusion: FusionEnsemble) -> None:
    """NaN is no JSON; programs in other languages read the file."""
    written = json.dumps(evaluate(fusion, TEST[:3], TEST_GOLD[:3]).to_dict(), allow_nan=False)

    assert json.loads(written)["systems"][0]["name"] == FUSION
    assert TEST[0] not in written


def test_the_table_has_a_row_per_system_and_the_text_shows_it(fusion: FusionEnsemble) -> None:
    """The same figures for people and for programs."""
    evaluation = evaluate(fusion, TEST, TEST_GOLD)
    table = evaluation.to_pandas()

    assert table["system"].tolist() == [system.name for system in evaluation.systems]
    assert table["best_single"].sum() == 1
    assert evaluation.verdict in str(evaluation)
    assert f"{evaluation[FUSION].metrics['accuracy']:.3f}" in str(evaluation)


def test_each_source_is_timed(fusion: FusionEnsemble) -> None:
    """A source that adds little and takes long is worth knowing about."""
    timing = evaluate(fusion, TEST, TEST_GOLD).timing

    assert set(timing) == {"good", "llm", "other"}
    assert all(one.seconds > 0 and one.texts_per_second > 0 for one in timing.values())


def test_the_answers_of_an_evaluation_can_be_rolled_up() -> None:
    """They know which labels stand below which, as those of a prediction do."""
    parents = {"ham": "mail", "spam": "mail"}
    schema = LabelSchema(("ham", "spam", "mail"), parents=parents)
    found = FixedClassifier({}, schema, default=[0.4, 0.5, 0.1])
    texts, gold = [f"text {row}" for row in range(40)], ["ham", "spam"] * 20
    fusion = FusionEnsemble({"fixed": found}, schema).fit(texts, gold)

    result = evaluate(fusion, texts, gold).result

    assert result is not None
    assert set(result.roll_up(0).predictions) == {"mail"}
