"""Missing scores end to end: a fusion is never worse than the same one without the language model, and equals it."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from textclassify import ScoreFusion, Scores
from textclassify.core.scales import Status
from textclassify.ensemble.mlp import NetworkSettings, ResidualMLP
from textclassify.ensemble.pooling import LogLinearPool
from textclassify.statistics.metrics import log_loss_per_row
from textclassify.statistics.resampling import paired_difference

SHARES = (0.0, 0.1, 0.5, 1.0)
KINDS = ("single", "votes", "several")


def simulated(simulate, simulate_multi_label, kind, n, seed):
    """A simulation, its free sources, and a language model that knows about as much."""
    simulation = (simulate_multi_label if kind == "several" else simulate)(n, seed=seed)
    free = {"encoder": simulation.source(1.0)}
    if kind == "single":
        free["linear"] = simulation.source(0.7)
    return simulation, free, simulation.votes(0.7) if kind == "votes" else simulation.source(1.0)


@pytest.fixture(scope="module")
def fitted(simulate, simulate_multi_label, without):
    """Fusions by kind, seed and share of rows that the language model failed on in training."""

    def fit(kind, seed):
        simulation, free, llm = simulated(simulate, simulate_multi_label, kind, 60, seed)
        order = simulation.rng.permutation(60)
        options = {"rungs": [LogLinearPool], "metric": "log_loss"}  # tunes no thresholds, which takes half of the time
        return {
            share: ScoreFusion(**options, llm_sources=["llm"]).fit(
                {**free, "llm": without(llm, order[: round(60 * share)])}, simulation.gold
            )
            for share in SHARES
        } | {"without": ScoreFusion(**options).fit(free, simulation.gold)}

    return {kind: [fit(kind, seed) for seed in range(2)] for kind in KINDS}


@pytest.mark.parametrize("in_prediction", SHARES)
@pytest.mark.parametrize("in_training", SHARES)
@pytest.mark.parametrize("kind", KINDS)
def test_it_is_never_worse_than_the_fusion_fitted_without_the_language_model(
    fitted, simulate, simulate_multi_label, without, kind, in_training, in_prediction
):
    """In held-out log loss, on average over seeds, within two standard errors."""
    differences = []
    for seed, fusions in enumerate(fitted[kind]):
        test, free, llm = simulated(simulate, simulate_multi_label, kind, 300, 100 + seed)
        gone = test.rng.permutation(300)[: round(300 * in_prediction)]
        scores = fusions[in_training].predict_scores({**free, "llm": without(llm, gone)})
        gold = test.indicator if kind == "several" else test.codes
        plain = fusions["without"].predict_scores(free)
        differences += list(log_loss_per_row(gold, scores.probabilities) - log_loss_per_row(gold, plain.probabilities))
        if 1.0 in (in_training, in_prediction):
            assert np.array_equal(scores.values, plain.values)
    worse = paired_difference(differences, np.zeros(len(differences)))
    assert worse.mean <= 2 * worse.standard_error


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("in_training", SHARES)
def test_rows_without_it_are_answered_bit_for_bit_as_if_it_had_never_been(
    fitted, simulate, simulate_multi_label, without, kind, in_training
):
    """Row by row, answers and probabilities, whatever the other rows of the call have."""
    _, free, llm = simulated(simulate, simulate_multi_label, kind, 60, 7)
    gone = np.arange(0, 60, 2)
    for fusions in fitted[kind]:
        mixed = fusions[in_training].predict({**free, "llm": without(llm, gone)})
        plain = fusions["without"].predict(free)
        assert np.array_equal(mixed.scores.values[gone], plain.scores.values[gone])
        assert np.array_equal(mixed.codes[gone], plain.codes[gone])


def test_a_network_answers_without_it_as_if_it_had_never_been(without):
    """Its batches follow the rows' order, so that rows must keep theirs whoever was asked about them."""
    rng = np.random.default_rng(0)
    first, second = rng.integers(0, 2, (2, 200))

    def source(codes, sure):
        return Scores.from_probabilities(np.where(np.eye(2)[codes] == 1, sure, 1 - sure), "ab")

    free = {"encoder": source(first, 0.8), "linear": source(second, 0.8)}
    gold = ["ab"[code] for code in first ^ second]  # only a network sees that their disagreement is the answer
    llm = without(source(rng.integers(0, 2, 200), 0.6), np.flatnonzero(rng.random(200) < 0.4))
    rungs = [LogLinearPool, partial(ResidualMLP, settings=NetworkSettings(epochs=5, learning_rate=0.03))]
    fusion, plain = ScoreFusion(rungs=rungs).fit({**free, "llm": llm}, gold), ScoreFusion(rungs=rungs).fit(free, gold)
    assert plain.selected_ == "mlp"
    assert np.array_equal(fusion.predict_scores(free).values, plain.predict_scores(free).values)


def test_where_the_language_model_is_not_needed_all_rows_teach_the_answer_to_all_texts(simulate, without):
    """Not only the half that it was asked about, and not only for texts that lack its scores."""
    simulation = simulate(120)
    encoder, noise = simulation.source(1.5), simulation.source(0.0)
    some = without(noise, np.arange(0, 120, 2))
    fusion = ScoreFusion(rungs=[LogLinearPool]).fit({"encoder": encoder, "llm": some}, simulation.gold)
    plain = ScoreFusion(rungs=[LogLinearPool]).fit({"encoder": encoder}, simulation.gold)
    expected = plain.predict_scores({"encoder": encoder}).values
    assert fusion.needs_ == ("encoder",)
    assert np.array_equal(fusion.predict_scores({"encoder": encoder, "llm": noise}).values, expected)
    assert np.array_equal(fusion.predict_scores({"encoder": encoder}).values, expected)


def test_an_asked_half_of_the_rows_still_teaches_and_the_other_half_teaches_the_reference(fitted):
    """Five hundred answers of a language model must not throw away the encoder's two thousand."""
    fusion = fitted["single"][0][0.5]
    assert fusion.ladder_report_.n_rows == 30
    assert fusion.patterns_.free.report.n_rows == 60
    assert "llm" in fusion.needs_


@settings(max_examples=15)
@given(
    pattern=st.lists(st.tuples(st.booleans(), st.booleans(), st.booleans()), min_size=1, max_size=12),
    seed=st.integers(0, 5),
)
def test_every_row_is_answered_by_what_it_has_and_alone_as_in_company(fitted, simulate, without, pattern, seed):
    """All patterns of missing scores: a row's answer depends on its own scores only, and is there if any are."""
    fusion = fitted["single"][0][0.0]
    n, there = len(pattern), np.array(pattern)
    simulation = simulate(n, seed=seed)
    sources = {
        name: without(simulation.source(1.0), ~there[:, column])
        for column, name in enumerate(("encoder", "linear", "llm"))
    }
    together = fusion.predict_scores(sources)
    assert np.array_equal(together.answered, there.any(axis=1))
    for row in range(n):
        alone = {name: one.take([row]) for name, one in sources.items()}
        assert np.array_equal(fusion.predict_scores(alone).values[0], together.values[row], equal_nan=True)
        left_out = {name: one for (name, one), known in zip(alone.items(), there[row], strict=True) if known}
        if left_out:
            assert np.array_equal(fusion.predict_scores(left_out).values[0], together.values[row])


@settings(max_examples=10)
@given(seed=st.integers(0, 50), kind=st.sampled_from(KINDS))
def test_permuted_rows_and_sources_permute_the_result(fitted, simulate, simulate_multi_label, seed, kind):
    """Bit for bit in prediction."""
    fusion = fitted[kind][1][0.1]
    _, free, llm = simulated(simulate, simulate_multi_label, kind, 40, seed)
    order = np.random.default_rng(seed).permutation(40)
    straight = fusion.predict({**free, "llm": llm})
    turned = fusion.predict({"llm": llm.take(order), **{name: free[name].take(order) for name in reversed(free)}})
    assert np.array_equal(turned.scores.values, straight.scores.values[order])
    assert np.array_equal(turned.codes, straight.codes[order])


@pytest.mark.parametrize("kind", KINDS)
def test_permuted_training_rows_teach_the_same(simulate, simulate_multi_label, kind):
    """Who stands next to whom is no information; copies of a text are known by their ids."""
    simulation, free, llm = simulated(simulate, simulate_multi_label, kind, 50, 2)
    ids, order = np.arange(50, dtype=np.uint64), simulation.rng.permutation(50)
    sources = {name: replace(one, row_ids=ids) for name, one in {**free, "llm": llm}.items()}
    turned = {name: one.take(order) for name, one in sources.items()}
    options = {"rungs": [LogLinearPool], "metric": "log_loss"}
    straight = ScoreFusion(**options).fit(sources, simulation.gold)
    other = ScoreFusion(**options).fit(turned, [simulation.gold[row] for row in order])
    assert other.selected_ == straight.selected_
    assert np.allclose(other.predict_scores(sources).values, straight.predict_scores(sources).values, atol=1e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_permuted_labels_permute_the_result(simulate, simulate_multi_label, kind):
    """In fitting too: no label is special, not even the last one."""
    simulation, free, llm = simulated(simulate, simulate_multi_label, kind, 45, 3)
    sources, order = {**free, "llm": llm}, [2, 0, 3, 1]
    names = tuple(simulation.labels[k] for k in order)
    turned = {name: replace(one, values=one.values[:, order], labels=names) for name, one in sources.items()}
    options = {"rungs": [LogLinearPool], "metric": "log_loss"}
    straight = ScoreFusion(**options).fit(sources, simulation.gold).predict_scores(sources)
    permuted = ScoreFusion(**options).fit(turned, simulation.gold).predict_scores(turned)
    assert permuted.labels == names
    assert np.allclose(permuted.probabilities, straight.probabilities[:, order], atol=0.02)


@pytest.mark.parametrize("kind", KINDS)
def test_a_source_that_never_answered_changes_nothing(fitted, simulate, simulate_multi_label, without, kind):
    """Neither in fitting nor in prediction, nor what is asked, reported or withheld."""
    _, free, llm = simulated(simulate, simulate_multi_label, kind, 60, 7)
    nothing = without(llm, np.arange(60))
    for fusions in fitted[kind]:
        silent, plain = fusions[1.0], fusions["without"]
        assert silent.ladder_report_ == plain.ladder_report_
        assert (
            silent.predict_scores({**free, "llm": nothing}).values.tobytes()
            == plain.predict_scores(free).values.tobytes()
        )
        assert not silent.rows_to_ask(free, 1.0).any()
        assert (silent.predict({"llm": nothing}).status == Status.FAILED).all()


@pytest.mark.parametrize("kind", KINDS)
def test_costs_add_up_over_sources_and_rows(fitted, simulate, simulate_multi_label, kind):
    """Also of a source that failed on a row, and was paid for it; an unknown price stays unknown."""
    _, free, llm = simulated(simulate, simulate_multi_label, kind, 30, 5)
    cents = np.arange(30) / 100
    sources = {**free, "llm": replace(llm, cost=cents), "encoder": replace(free["encoder"], cost=np.full(30, 0.5))}
    scores = fitted[kind][0][0.1].predict_scores(sources)
    assert np.allclose(scores.cost, cents + 0.5)
    unknown = {**sources, "llm": replace(llm, cost=np.where(np.arange(30) == 3, np.nan, cents))}
    assert np.flatnonzero(np.isnan(fitted[kind][0][0.1].predict_scores(unknown).cost)).tolist() == [3]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("in_training", [0.1, 0.5])
def test_saved_and_loaded_every_pattern_is_answered_bit_for_bit(
    fitted, simulate, simulate_multi_label, tmp_path, kind, in_training
):
    """Also patterns that nobody has asked for yet: the rows are saved, too."""
    fusion = fitted[kind][1][in_training]
    fusion.save(tmp_path / "fusion")
    loaded = ScoreFusion.load(tmp_path / "fusion")
    _, free, llm = simulated(simulate, simulate_multi_label, kind, 30, 5)
    last = max(free)  # with "llm" a pattern that was not fitted yet, where there are two free sources
    for sources in ({**free, "llm": llm}, free, {"llm": llm}, {last: free[last], "llm": llm}):
        before, after = fusion.predict(sources), loaded.predict(sources)
        assert after.scores.equals(before.scores)
        assert np.array_equal(after.codes, before.codes)
    assert loaded.ladder_report_ == fusion.ladder_report_
