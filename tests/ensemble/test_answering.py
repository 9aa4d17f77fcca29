"""What a fitted fusion says of rows: each by what scored it, with what it cost and why it is missing."""

import numpy as np
import pytest

from textclassify import ScoreFusion, Scores
from textclassify.core.scales import SMALLEST_PROBABILITY, Method, Status
from textclassify.ensemble.answering import answers, explained, fused_scores, without_rows


@pytest.fixture(scope="module")
def simulation(simulate):
    return simulate(120)


@pytest.fixture(scope="module")
def sources(simulation):
    return {"encoder": simulation.expert([0, 1]), "llm": simulation.expert([2, 3])}


@pytest.fixture(scope="module")
def fusion(simulation, sources, pools):
    return ScoreFusion(rungs=pools).fit(sources, simulation.gold)


def test_rows_are_answered_by_the_sources_that_scored_them(fusion, sources, without):
    """In one call: all, one, the other, none."""
    gaps = {"encoder": without(sources["encoder"], [1, 3]), "llm": without(sources["llm"], [2, 3])}
    found = answers(fusion.patterns_, gaps, None, multi_label=False)
    alone = {name: fusion.predict_scores({name: one}).values for name, one in sources.items()}
    assert np.allclose(found.values[0], fusion.predict_scores(sources).values[0], atol=1e-5)
    assert np.allclose(found.values[1], alone["llm"][1], atol=1e-5)
    assert np.allclose(found.values[2], alone["encoder"][2], atol=1e-5)
    assert np.isnan(found.values[3]).all()
    assert found.codes[3] == -1
    assert (found.codes[:3] == found.values[:3].argmax(axis=1)).all()


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (Status.FAILED, Status.NOT_CALLED, Status.FAILED),
        (Status.INVALID, Status.INVALID, Status.INVALID),
        (Status.NOT_CALLED, Status.NOT_CALLED, Status.NOT_CALLED),
    ],
)
def test_a_row_without_any_score_has_the_gravest_reason_of_its_sources(fusion, sources, one, other, expected):
    """And no answer; never a default label."""

    def failed(scores, status):
        values = np.array(scores.probabilities)
        values[5] = np.nan
        return Scores.from_probabilities(values, scores.labels, status=np.where(np.arange(120) == 5, status, Status.OK))

    result = fusion.predict({"encoder": failed(sources["encoder"], one), "llm": failed(sources["llm"], other)})
    assert result.status[5] == expected
    assert result.predictions[5] is None
    assert (np.delete(result.status, 5) == Status.OK).all()


def test_costs_add_up_and_fused_scores_say_where_they_come_from(fusion, sources):
    """Money, method, calibration, and the rows' own ids."""
    priced = {
        name: Scores.from_probabilities(one.probabilities, one.labels, cost=np.full(120, price), row_ids=np.arange(120))
        for (name, one), price in zip(sources.items(), (0.0, 0.02), strict=True)
    }
    scores = fusion.predict_scores(priced)
    assert scores.cost.sum() == pytest.approx(2.4)
    assert set(scores.method) == {Method.FUSED}
    assert scores.source == "fusion"
    assert scores.calibration == f"{fusion.selected_} on 120 rows"
    assert np.array_equal(scores.row_ids, np.arange(120))


def test_certainty_stays_finite(sources):
    """Minus infinity is no score; a probability of nearly nothing is."""
    values = np.where(np.arange(4) == 0, 0.0, -400.0) * np.ones((120, 1))
    scores = fused_scores(values, sources, "by hand", multi_label=False)
    assert scores.values.min() == pytest.approx(np.log(SMALLEST_PROBABILITY))
    assert np.allclose(scores.probabilities.sum(axis=1), 1)


def test_what_each_source_adds_is_told_for_rows_that_miss_one(fusion, sources, without):
    """By the combiner that answered the row, and nothing where none did."""
    gaps = {"encoder": without(sources["encoder"], [3]), "llm": without(sources["llm"], [2, 3])}
    assert set(explained(fusion.patterns_, sources, None, 1)) >= {"encoder", "llm"}
    assert "llm" not in explained(fusion.patterns_, gaps, None, 2)
    assert explained(fusion.patterns_, gaps, None, 3) == {}
    added = sum(fusion.predict(gaps).explain(2).values())
    ranked = np.sort(fusion.predict(gaps).probabilities[2])
    assert added == pytest.approx(np.log(ranked[-1] / ranked[-2]), abs=1e-3)


def test_scores_that_were_not_bought_are_not_called_and_cost_nothing(sources):
    """A budget passes over scores that are there already."""
    paid = Scores.from_probabilities(sources["llm"].probabilities, sources["llm"].labels, cost=np.full(120, 0.1))
    left = without_rows(paid, np.arange(120) >= 20)
    assert left.answered.sum() == 20
    assert set(left.status[20:]) == {Status.NOT_CALLED}
    assert left.cost.sum() == pytest.approx(2.0)
    assert np.array_equal(left.values[:20], paid.values[:20])
    assert paid.answered.all()


def test_answers_to_several_labels_follow_the_thresholds_of_the_combiner_that_answered(
    simulate_multi_label, pools, without
):
    """Thresholds tuned for one combiner's scores are not another's."""
    simulation = simulate_multi_label(200)
    shy = simulation.source(1.0)
    sources = {"encoder": shy, "llm": simulation.votes(0.85)}
    fusion = ScoreFusion(rungs=pools).fit(sources, simulation.gold)
    gaps = {**sources, "llm": without(sources["llm"], np.arange(100))}
    result, alone = fusion.predict(gaps), fusion.predict({"encoder": shy})
    assert np.array_equal(result.codes[:100], alone.codes[:100])
    assert np.array_equal(result.codes[100:], fusion.predict(sources).codes[100:])
    everything = fusion.patterns_.deployed.decision.answers(fusion.predict_scores(sources).values)
    assert np.array_equal(fusion.predict(sources).codes, everything)


@pytest.mark.parametrize("non_empty", [True, False])
def test_answers_to_several_labels_are_empty_only_where_they_may_be(simulate_multi_label, pools, non_empty):
    """What the user settles is obeyed by all patterns."""
    simulation = simulate_multi_label(150)
    sources = {"encoder": simulation.source(0.8), "llm": simulation.source(0.8)}
    fusion = ScoreFusion(rungs=pools, non_empty=non_empty).fit(sources, simulation.gold)
    for fresh in (sources, {"encoder": sources["encoder"]}, {"llm": sources["llm"]}):
        assert all(fusion.predict(fresh).predictions) == non_empty


def test_an_answer_where_the_fusion_learned_nothing_is_non_empty_too(simulate_multi_label):
    simulation = simulate_multi_label(5)
    fusion = ScoreFusion(non_empty=True).fit({"encoder": simulation.source(0.5)}, simulation.gold)
    assert fusion.selected_ == "prior_pool"
    assert all(fusion.predict({"encoder": simulation.source(0.5)}).predictions)


@pytest.mark.parametrize("names", [(3, 1, 2, 0), (True, False), ("a", "b", "c", "d")])
def test_answers_are_labels_of_the_users_own_type(simulate, pools, tmp_path, names):
    """1 is not "1" and not True; a saved fusion remembers which."""
    simulation = simulate(100, labels=names)
    sources = {"encoder": simulation.source(1.5), "llm": simulation.votes(0.7)}
    fusion = ScoreFusion(rungs=pools).fit(sources, simulation.gold)
    fusion.save(tmp_path / "fusion")
    for one in (fusion, ScoreFusion.load(tmp_path / "fusion")):
        predictions = one.predict(sources).predictions
        assert {type(answer) for answer in predictions} == {type(names[0])}
        assert set(predictions) <= set(names)
        assert one.labels_ == names
