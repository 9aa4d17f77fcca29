"""ScoreFusion: what it learns, what it refuses to learn, and what it answers when scores are missing."""

import copy
import pickle
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from textclassify import ScoreFusion, Scores
from textclassify.core.scales import IN_SAMPLE, NEVER_TRAINED, Status
from textclassify.ensemble.combining.rows import fusion_rows
from textclassify.ensemble.pooling import LogLinearPool
from textclassify.errors import ConfigError, LabelError, NotFittedError, ScoresError, StorageError


def accuracy(result, gold):
    return np.mean([answer == right for answer, right in zip(result.predictions, gold, strict=True)])


def with_missing(scores, rows):
    values, status = np.array(scores.probabilities), np.array(scores.status)
    values[rows], status[rows] = np.nan, Status.FAILED
    return Scores.from_probabilities(values, scores.labels, source=scores.source, status=status)


def test_a_complementary_source_is_used_and_pays(simulate):
    """Two experts on different labels are worth more together than either alone."""
    train, test = simulate(400, seed=1), simulate(400, seed=2)
    learned = {"encoder": train.expert([0, 1]), "llm": train.expert([2, 3])}
    fresh = {"encoder": test.expert([0, 1]), "llm": test.expert([2, 3])}

    fusion = ScoreFusion(random_state=0).fit(learned, train.gold)

    alone = max(accuracy(fusion.predict({name: scores}), test.gold) for name, scores in fresh.items())
    assert set(fusion.needs_) == {"encoder", "llm"}
    assert fusion.ladder_report_.gate.passed
    assert accuracy(fusion.predict(fresh), test.gold) > alone + 0.1


def test_with_shuffled_gold_nothing_is_gained(simulate):
    """A cross-fitted gain on noise is at most 0 within two standard errors, whatever was selected."""
    for seed in range(5):
        simulation = simulate(300, seed=seed)
        sources = {"encoder": simulation.source(1.5), "llm": simulation.source(1.5)}
        shuffled = list(np.random.default_rng(seed).permutation(simulation.gold))

        gate = ScoreFusion(random_state=seed).fit(sources, shuffled).ladder_report_.gate

        assert gate.gain <= 2 * gate.standard_error


def test_a_useless_second_source_leaves_the_best_single_one(simulate):
    """The gate asks for a gain; noise gives none."""
    simulation = simulate(300)
    fusion = ScoreFusion().fit({"encoder": simulation.source(2.0), "llm": simulation.source(0.0)}, simulation.gold)
    assert fusion.needs_ == ("encoder",)


def test_a_language_model_that_adds_nothing_is_not_needed(simulate):
    """Two free sources fuse; the language model repeats one of them and is not worth its price."""
    simulation = simulate(400)
    first, second = simulation.source(1.5), simulation.source(1.5)
    fusion = ScoreFusion().fit({"encoder": first, "linear": second, "llm": first}, simulation.gold)
    assert "llm" not in fusion.needs_ or fusion.weights_["llm"] < fusion.weights_["linear"]
    assert fusion.ladder_report_.gate.reference == "without_llm"


def test_an_overconfident_source_is_toned_down(simulate):
    """Temperature: a source three times too sure has its log-probabilities divided by about three."""
    simulation = simulate(2000)
    source = simulation.source(1.0, sharpness=3.0)
    fused = ScoreFusion().fit({"encoder": source}, simulation.gold).predict_scores({"encoder": source})
    ratio = np.log(source.probabilities[0, 0] / source.probabilities[0, 1]) / (fused.values[0, 0] - fused.values[0, 1])
    assert ratio == pytest.approx(3.0, rel=0.2)


def test_votes_add_information_through_their_confusion(simulate):
    """Hard votes averaged with probabilities would equal the votes; read through their errors, both count."""
    train, test = simulate(500, seed=3), simulate(500, seed=4)
    fusion = ScoreFusion().fit({"encoder": train.source(1.2), "llm": train.votes(0.6)}, train.gold)
    fresh = {"encoder": test.source(1.2), "llm": test.votes(0.6)}
    fused = accuracy(fusion.predict(fresh), test.gold)
    assert fused > accuracy(fusion.predict({"encoder": fresh["encoder"]}), test.gold) + 0.03
    assert fused > accuracy(fusion.predict({"llm": fresh["llm"]}), test.gold) + 0.03


def test_without_llm_scores_it_answers_as_a_fusion_fitted_without_the_llm(simulate):
    """Availability patterns: a missing language model must not distort what the free sources say."""
    simulation = simulate(200)
    free = {"encoder": simulation.source(1.5), "linear": simulation.source(1.0)}
    fusion = ScoreFusion(random_state=3).fit({**free, "llm": simulation.votes(0.9)}, simulation.gold)
    without = ScoreFusion(random_state=3).fit(free, simulation.gold)
    assert fusion.predict_scores(free).equals(without.predict_scores(free)) or np.array_equal(
        fusion.predict_scores(free).values, without.predict_scores(free).values
    )


def test_rows_without_llm_scores_are_answered_like_rows_of_a_fusion_without_it(simulate):
    """The same holds row by row, in one call."""
    simulation = simulate(200)
    free = {"encoder": simulation.source(1.5)}
    fusion = ScoreFusion().fit({**free, "llm": simulation.source(1.5)}, simulation.gold)
    some = with_missing(simulation.source(1.5), np.arange(0, 200, 2))
    mixed, alone = fusion.predict_scores({**free, "llm": some}), fusion.predict_scores(free)
    assert np.array_equal(mixed.values[::2], alone.values[::2])
    assert not np.array_equal(mixed.values[1::2], alone.values[1::2])


def test_a_row_that_no_source_scored_has_no_answer_and_says_why(simulate):
    """Never a default label."""
    simulation = simulate(60)
    source = simulation.source(2.0)
    result = ScoreFusion().fit({"encoder": source}, simulation.gold).predict({"encoder": with_missing(source, [7])})
    assert result.predictions[7] is None
    assert result.status[7] == Status.FAILED


def test_an_all_missing_source_changes_nothing(simulate):
    """A mask is not a zero."""
    simulation = simulate(120)
    sources = {"encoder": simulation.source(1.5), "linear": simulation.source(1.0)}
    nothing = with_missing(simulation.source(1.0), np.arange(120))
    with_it = ScoreFusion().fit({**sources, "llm": nothing}, simulation.gold)
    without = ScoreFusion().fit(sources, simulation.gold)
    assert np.array_equal(
        with_it.predict_scores({**sources, "llm": nothing}).values, without.predict_scores(sources).values
    )


@settings(max_examples=8)
@given(st.randoms(use_true_random=False))
def test_the_order_of_sources_and_of_predicted_rows_does_not_matter(random):
    """What a text is answered depends on its own scores only."""
    from scipy.special import softmax

    rng = np.random.default_rng(random.randrange(1000))
    codes = rng.integers(0, 3, 80)
    logits = rng.normal(size=(2, 80, 3)) + np.eye(3)[codes]
    encoder, llm = (Scores.from_probabilities(softmax(part, axis=1), "abc") for part in logits)
    gold = ["abc"[code] for code in codes]
    one = ScoreFusion().fit({"encoder": encoder, "llm": llm}, gold)
    other = ScoreFusion().fit({"llm": llm, "encoder": encoder}, gold)
    order = rng.permutation(80)

    straight = one.predict_scores({"encoder": encoder, "llm": llm}).values
    shuffled = other.predict_scores({"llm": llm.take(order), "encoder": encoder.take(order)}).values

    assert np.allclose(straight[order], shuffled, atol=1e-6)


def test_permuting_the_labels_permutes_the_scores(simulate):
    """No label is special."""
    simulation = simulate(150)
    source, votes = simulation.source(1.5), simulation.votes(0.8)
    order = [2, 0, 3, 1]
    names = [simulation.labels[k] for k in order]
    turned = Scores.from_probabilities(source.probabilities[:, order], names)
    turned_votes = Scores.from_votes([simulation.labels[k] for k in votes.values.argmax(axis=1)], names)

    straight = ScoreFusion(rungs=[LogLinearPool]).fit({"e": source, "llm": votes}, simulation.gold)
    permuted = ScoreFusion(rungs=[LogLinearPool]).fit({"e": turned, "llm": turned_votes}, simulation.gold)

    expected = straight.predict_scores({"e": source, "llm": votes}).probabilities[:, order]
    assert np.allclose(permuted.predict_scores({"e": turned, "llm": turned_votes}).probabilities, expected, atol=0.02)


@pytest.mark.parametrize("combiner", ["auto", "mlp"])
def test_saved_and_loaded_it_answers_bit_for_bit(simulate, tmp_path, combiner):
    """Also for an availability pattern that was not asked for before saving."""
    simulation = simulate(150)
    sources = {"encoder": simulation.source(1.5), "linear": simulation.source(1.0), "llm": simulation.votes(0.8)}
    fusion = ScoreFusion(combiner=combiner).fit(sources, simulation.gold)
    fusion.save(tmp_path / "fusion")
    loaded = ScoreFusion.load(tmp_path / "fusion")
    assert loaded.predict_scores(sources).equals(fusion.predict_scores(sources))
    alone = {"linear": sources["linear"]}
    assert loaded.predict_scores(alone).equals(fusion.predict_scores(alone))
    assert loaded.selected_ == fusion.selected_


def test_a_fusion_that_does_not_need_its_language_model_can_be_loaded(simulate, tmp_path):
    """It answers with a combiner of fewer sources than it knows."""
    simulation = simulate(300)
    sources = {"x": simulation.source(1.5), "y": simulation.source(1.4), "llm": simulation.source(0.0)}
    fusion = ScoreFusion(llm_sources=["llm"]).fit(sources, simulation.gold)
    fusion.save(tmp_path / "fusion")

    assert "llm" not in fusion.needs_
    assert ScoreFusion.load(tmp_path / "fusion").predict_scores(sources).equals(fusion.predict_scores(sources))


def test_a_rung_of_the_users_own_competes_but_cannot_be_saved(simulate, tmp_path):
    """Loading a folder runs no code from elsewhere."""

    class OwnPool(LogLinearPool):
        rung = "own"

    simulation = simulate(200)
    sources = {"encoder": simulation.expert([0, 1]), "llm": simulation.expert([2, 3])}
    fusion = ScoreFusion(rungs=[OwnPool]).fit(sources, simulation.gold)
    assert fusion.selected_ == "own"
    with pytest.raises(StorageError, match="OwnPool"):
        fusion.save(tmp_path / "fusion")


def test_multi_label_sources_are_fused_label_by_label(simulate_multi_label):
    """Log-odds and votes together beat either."""
    train, test = simulate_multi_label(400, seed=1), simulate_multi_label(400, seed=2)
    fusion = ScoreFusion().fit({"encoder": train.source(1.0), "llm": train.votes(0.85)}, train.gold)
    fresh = {"encoder": test.source(1.0), "llm": test.votes(0.85)}

    def exact(sources):
        return (fusion.predict(sources).to_indicator() == test.indicator).mean()

    assert exact(fresh) > max(exact({"encoder": fresh["encoder"]}), exact({"llm": fresh["llm"]})) + 0.02
    assert fusion.ladder_report_.gate.metric == "micro_f1"


def test_few_rows_take_prior_weights_over_the_sources_that_were_never_trained(simulate):
    """Three rows cannot teach weights; a source trained on them cannot be judged by them."""
    simulation = simulate(3, labels=("a", "b", "c"))
    llm = simulation.source(2.0)
    zero_shot = Scores.from_probabilities(llm.probabilities, llm.labels, fold=NEVER_TRAINED)
    fusion = ScoreFusion().fit({"encoder": simulation.source(2.0), "llm": zero_shot}, ["a", "b", "c"])
    assert fusion.selected_ == "prior_pool"
    assert fusion.weights_ == {"encoder": 0.0, "llm": 1.0}
    assert "no estimate of quality" in str(fusion.ladder_report_)


def test_one_rare_label_does_not_stop_the_others_from_being_learned(simulate):
    """A label with one row has no folds; the other rows still teach the weights."""
    simulation = simulate(100, labels=("a", "b", "c"))
    gold = ["a" if label == "c" else label for label in simulation.gold]
    gold[0] = "c"
    assert ScoreFusion().fit({"encoder": simulation.source(2.0)}, gold).selected_ == "best_single"


def test_explain_adds_up_to_the_log_odds_of_the_answer_over_its_rival(simulate):
    """Contributions are additive by construction."""
    simulation = simulate(200)
    sources = {"encoder": simulation.expert([0, 1]), "llm": simulation.expert([2, 3])}
    result = ScoreFusion().fit(sources, simulation.gold).predict(sources)
    first, second = np.sort(result.probabilities[5])[::-1][:2]
    assert sum(result.explain(5).values()) == pytest.approx(np.log(first / second), abs=1e-3)
    assert result[3:9].explain(2) == result.explain(5)


def test_in_sample_scores_are_refused(simulate):
    """They would teach the fusion to trust the source that memorised the rows."""
    simulation = simulate(30)
    seen = Scores.from_probabilities(simulation.source(2.0).probabilities, simulation.labels, fold=IN_SAMPLE)
    with pytest.raises(ScoresError, match="out-of-fold"):
        ScoreFusion().fit({"encoder": seen}, simulation.gold)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda _: {}, "no source given"),
        (lambda s: {"encoder": s.source(1.0), "llm": s.source(1.0).take(range(10))}, "10 rows"),
        (lambda s: {"encoder": s.source(1.0), "llm": Scores.from_votes(s.gold, "abcde")}, "scores the labels"),
        (lambda s: {"encoder": s.source(1.0).probabilities}, "not Scores"),
    ],
)
def test_sources_that_do_not_fit_together_are_refused(simulate, change, message):
    simulation = simulate(30)
    with pytest.raises(ScoresError, match=message):
        ScoreFusion().fit(change(simulation), simulation.gold)


def test_other_bad_input_names_the_value_and_the_remedy(simulate):
    simulation = simulate(30)
    sources = {"encoder": simulation.source(1.0)}
    with pytest.raises(ScoresError, match="one per text"):
        ScoreFusion().fit(sources, simulation.gold[:-1])
    with pytest.raises(LabelError, match="'z' in row 29"):
        ScoreFusion().fit(sources, [*simulation.gold[:-1], "z"])
    with pytest.raises(ConfigError, match="did you mean 'mlp'"):
        ScoreFusion(combiner="mpl").fit(sources, simulation.gold)
    with pytest.raises(ConfigError, match="known: accuracy"):
        ScoreFusion(metric="speed").fit(sources, simulation.gold)
    with pytest.raises(ConfigError, match="no Combiner class"):
        ScoreFusion(rungs=["pooling"]).fit(sources, simulation.gold)
    with pytest.raises(ConfigError, match="at least 1"):
        ScoreFusion(combiner="mlp", hidden_dims=[-4]).fit(sources, simulation.gold)
    with pytest.raises(NotFittedError, match="call fit"):
        ScoreFusion().predict(sources)
    with pytest.raises(ScoresError, match="did you mean 'encoder'"):
        ScoreFusion().fit(sources, simulation.gold).predict({"encoders": sources["encoder"]})


def test_texts_in_another_order_are_noticed(simulate):
    """Row ids align sources; a shuffled one would be fused with the wrong texts in silence."""
    simulation = simulate(30)
    one = Scores.from_probabilities(simulation.source(1.0).probabilities, simulation.labels, row_ids=np.arange(30))
    other = Scores.from_probabilities(one.probabilities[::-1], simulation.labels, row_ids=np.arange(30)[::-1])
    with pytest.raises(ScoresError, match="different texts"):
        ScoreFusion().fit({"encoder": one, "llm": other}, simulation.gold)


def test_constant_scores_are_harmless(simulate):
    """A source that says the same of every text has nothing to add."""
    simulation = simulate(80)
    flat = Scores.from_probabilities(np.full((80, 4), 0.25), simulation.labels)
    sources = {"encoder": simulation.source(2.0), "llm": flat}
    assert ScoreFusion().fit(sources, simulation.gold).needs_ == ("encoder",)


def test_no_rows_predict_no_rows(simulate):
    simulation = simulate(60)
    source = simulation.source(1.0)
    assert len(ScoreFusion().fit({"encoder": source}, simulation.gold).predict({"encoder": source.take([])})) == 0


def test_results_and_fusions_can_be_pickled_and_copied(simulate):
    simulation = simulate(60)
    sources = {"encoder": simulation.source(1.0), "llm": simulation.source(1.0)}
    fusion = ScoreFusion().fit(sources, simulation.gold)
    again = pickle.loads(pickle.dumps(fusion.predict(sources)))
    assert again.explain(0) == fusion.predict(sources).explain(0)
    assert copy.deepcopy(fusion).predict_scores(sources).equals(fusion.predict_scores(sources))


def test_multi_label_scores_with_one_gold_label_per_text_are_refused(simulate):
    """A row that does not add up to 1 makes scores multi-label; silence would give a fusion of another kind."""
    simulation = simulate(20)
    probabilities = simulation.source(1.0).probabilities
    probabilities[3] *= 0.5
    with pytest.raises(ScoresError, match="multi_label=False"):
        ScoreFusion().fit({"encoder": Scores.from_probabilities(probabilities, simulation.labels)}, simulation.gold)


def test_scores_of_another_kind_than_in_fitting_are_refused(simulate, simulate_multi_label):
    single, several = simulate(40), simulate_multi_label(40)
    fusion = ScoreFusion().fit({"encoder": several.source(1.0)}, several.gold)
    with pytest.raises(ScoresError, match="single-label and the fusion is multi-label"):
        fusion.predict({"encoder": single.source(1.0)})


def extreme(case, simulate, simulate_multi_label):
    """Sources and gold of data that are at the end of what there is."""
    many = tuple(f"label {number:02}" for number in range(77))
    if case == "one text only":
        simulation = simulate(100)
        one = Scores.from_probabilities(np.full((100, 4), 0.25), simulation.labels, row_ids=np.full(100, 7))
        return {"encoder": one, "llm": one}, simulation.gold
    if case.startswith("one label"):
        simulation = simulate(60, labels=("a",) if case.endswith("exists") else ("a", "b"))
        return {"encoder": simulation.source(1.0), "llm": simulation.source(1.0)}, ["a"] * 60
    if case.startswith("several"):
        simulation = simulate_multi_label(60, labels=("a",) if case.endswith("exists") else ("a", "b", "c"))
        gold = {"none": 0, "all": 1}.get(case.split()[-1])
        answers = simulation.indicator if gold is None else np.full_like(simulation.indicator, gold)
        return {"encoder": simulation.source(1.0), "llm": simulation.votes(0.8)}, answers
    n, labels = {"a row": (1, "ab"), "three rows": (3, "abc"), "a row per label": (77, many), "77": (400, many)}[case]
    simulation = simulate(n, labels=tuple(labels))
    gold = list(many) if case == "a row per label" else simulation.gold
    return {"encoder": simulation.source(2.0), "llm": simulation.votes(0.7)}, gold


@pytest.mark.parametrize(
    ("case", "learns"),
    [
        ("a row", False),
        ("three rows", False),
        ("a row per label", False),
        ("77", True),
        ("one text only", False),
        ("one label that exists", False),
        ("one label of two", False),
        ("several, only one exists", True),
        ("several, gold none", False),
        ("several, gold all", True),
    ],
)
def test_data_at_the_end_of_what_there_is_give_an_answer(simulate, simulate_multi_label, pools, case, learns):
    """No number is lost and nothing is claimed that was not learned."""
    sources, gold = extreme(case, simulate, simulate_multi_label)
    fusion = ScoreFusion(rungs=pools).fit(sources, gold)
    result = fusion.predict(sources)
    assert np.isfinite(result.probabilities).all()
    assert (fusion.selected_ != "prior_pool") == learns
    assert sum(result.explain(0).values()) == pytest.approx(sum(result.explain(-len(result)).values()))


@pytest.mark.parametrize("weight", [np.eye(1, 120, 7)[0], (np.arange(120) < 60).astype(float)])
def test_rows_without_weight_teach_the_combiner_nothing(simulate, weight):
    """Their gold could be anything."""
    simulation = simulate(120)
    sources = {"encoder": simulation.source(1.0), "llm": simulation.source(1.0)}
    other = [one if counts else "a" for one, counts in zip(simulation.gold, weight, strict=True)]
    pools = [LogLinearPool().fit(fusion_rows(sources, gold, sample_weight=weight)) for gold in (simulation.gold, other)]
    assert np.allclose(pools[0].scores(sources), pools[1].scores(sources), atol=1e-3)


def test_accuracy_of_several_labels_is_refused_with_the_names_that_mean_something(simulate_multi_label, pools):
    """Of whole sets it is subset accuracy; upstream called it accuracy."""
    simulation = simulate_multi_label(60)
    sources = {"encoder": simulation.source(1.0)}
    with pytest.raises(ConfigError, match="'subset_accuracy' or 'micro_f1'"):
        ScoreFusion(metric="accuracy").fit(sources, simulation.gold)
    for metric in ("micro_f1", "macro_f1", "subset_accuracy", "log_loss"):
        assert ScoreFusion(metric=metric, rungs=pools).fit(sources, simulation.gold).metric_ == metric
    assert ScoreFusion(rungs=pools).fit(sources, simulation.gold).metric_ == "micro_f1"


def test_what_kind_of_labels_the_scores_have_can_be_asserted(simulate, simulate_multi_label):
    for simulation, multi_label in ((simulate(30), True), (simulate_multi_label(30), False)):
        with pytest.raises(ConfigError, match=f"multi_label={multi_label}, but"):
            ScoreFusion(multi_label=multi_label).fit({"encoder": simulation.source(1.0)}, simulation.gold)


def test_copies_of_a_text_are_never_on_both_sides_of_a_fold(simulate, pools):
    """Thirty texts five times over are no hundred and fifty rows: a combiner must not be praised for remembering."""
    simulation = simulate(30)
    ids = np.arange(30, dtype=np.uint64)
    sources = {
        name: replace(simulation.source(1.0), row_ids=ids).take(np.tile(np.arange(30), 5)) for name in ("x", "llm")
    }
    fusion = ScoreFusion(rungs=pools[:1]).fit(sources, simulation.gold * 5)
    held_out = fusion.patterns_.full.held_out.reshape(5, 30, 4)
    assert np.allclose(held_out, held_out[0], atol=1e-9)
