"""Which sources answer when some are missing, in fitting and in prediction."""

from dataclasses import replace

import numpy as np
import pytest

from textclassify import FusionEnsemble, LinearClassifier, ScoreFusion, Scores, TrainingData
from textclassify.core.scales import NEVER_TRAINED, Status
from textclassify.ensemble.combining.ladder import Ladder
from textclassify.ensemble.pooling import LogLinearPool
from textclassify.errors import ScoresError
from textclassify.testing import FixedClassifier


def only_some(scores, answered):
    values = np.array(scores.probabilities)
    values[answered:] = np.nan
    return Scores.from_probabilities(values, scores.labels, fold=NEVER_TRAINED)


def accuracy(fusion, sources, gold):
    return np.mean(np.array(fusion.predict(sources)) == np.array(gold))


def test_a_language_model_that_answered_nine_rows_does_not_ruin_the_other_thousand(simulate):
    """An API that fails early must leave what the encoder knows untouched."""
    simulation = simulate(400)
    encoder, llm = simulation.source(2.0), simulation.source(0.3)
    fusion = ScoreFusion().fit({"encoder": encoder, "llm": only_some(llm, 9)}, simulation.gold)
    assert fusion.needs_ == ("encoder",)
    assert fusion.selected_ == "best_single"
    assert "llm is left out: only 9 of 400 rows" in str(fusion.ladder_report_)
    assert accuracy(fusion, {"encoder": encoder, "llm": llm}, simulation.gold) > 0.75


def test_a_fusion_that_needs_no_language_model_is_the_one_fitted_without_it(simulate):
    """On all rows, not on those that the language model happened to be asked about."""
    simulation = simulate(400)
    free = {"encoder": simulation.source(1.5), "linear": simulation.source(1.5)}
    fusion = ScoreFusion().fit({**free, "llm": only_some(simulation.source(0.0), 150)}, simulation.gold)
    assert fusion.selected_ == "without_llm"
    assert np.array_equal(
        fusion.predict_scores(free).values, ScoreFusion().fit(free, simulation.gold).predict_scores(free).values
    )


def test_prediction_fits_nothing(monkeypatch):
    """What answers is what was measured, and the first text is as fast as the second."""
    rng = np.random.default_rng(0)
    texts = [f"{word} {number}" for number in range(60) for word in ("invoice", "parcel")]
    labels = ["billing", "delivery"] * 60
    known = {text: [0.6, 0.4] if rng.random() < 0.5 else [0.4, 0.6] for text in texts}
    sources = {
        "linear": LinearClassifier(),
        "other": LinearClassifier(C=0.1),
        "llm": FixedClassifier(known, default=[0.5, 0.5]),
    }
    sources["llm"].labels = ["billing", "delivery"]
    fusion = FusionEnsemble(sources, n_folds=2).fit(texts, labels)
    monkeypatch.setattr(Ladder, "fit", lambda *_: pytest.fail("a ladder was fitted in prediction"))
    assert fusion.predict(["my invoice"]).predictions == ["billing"]


def test_scores_that_nothing_may_be_learned_from_give_prior_weights(simulate):
    simulation = simulate(200)
    fusion = ScoreFusion().fit({"encoder": simulation.source(2.0)}, simulation.gold, learn=False)
    assert fusion.selected_ == "prior_pool"


def test_where_no_row_can_be_held_out_nothing_is_learned_from_training_rows():
    """Two groups, each with labels of its own: a fold would leave a label without a row."""
    texts = [f"invoice {n}" for n in range(20)] + [f"parcel {n}" for n in range(20)]
    data = TrainingData(texts, ["billing"] * 20 + ["delivery"] * 20, groups=[1] * 20 + [2] * 20)
    fusion = FusionEnsemble({"linear": LinearClassifier()}).fit(data)
    assert fusion.selected_ == "prior_pool"
    assert fusion.predict(["invoice"]).predictions == ["billing"]


def test_votes_in_fitting_and_probabilities_in_prediction_are_refused(simulate):
    """They are read differently; in silence the answer would be wrong."""
    simulation = simulate(100)
    fusion = ScoreFusion().fit({"llm": simulation.votes(0.7)}, simulation.gold)
    with pytest.raises(ScoresError, match="'llm' gave vote_share in fitting"):
        fusion.predict({"llm": simulation.source(1.0)})


def test_a_source_that_never_answered_in_fitting_is_ignored_when_it_does(simulate):
    simulation = simulate(100)
    encoder, llm = simulation.source(1.5), simulation.source(1.5)
    fusion = ScoreFusion().fit({"encoder": encoder, "llm": only_some(llm, 0)}, simulation.gold)
    alone = fusion.predict_scores({"encoder": encoder}).values
    assert np.array_equal(fusion.predict_scores({"encoder": encoder, "llm": llm}).values, alone)


def test_the_unit_of_sample_weights_does_not_matter(simulate):
    """Penalties count in rows; weights are brought to mean 1 first."""
    simulation = simulate(150)
    sources = {"encoder": simulation.source(1.0), "llm": simulation.votes(0.6)}
    weight = np.random.default_rng(0).random(150) + 0.5
    rungs = [LogLinearPool]
    small = ScoreFusion(rungs=rungs).fit(sources, simulation.gold, sample_weight=weight / 1000)
    large = ScoreFusion(rungs=rungs).fit(sources, simulation.gold, sample_weight=weight * 1000)
    assert small.weights_ == pytest.approx(large.weights_, rel=1e-3)
    with pytest.raises(ScoresError, match="150 finite numbers"):
        ScoreFusion().fit(sources, simulation.gold, sample_weight=[1.0])


def test_names_of_sources_never_become_paths(tmp_path):
    """A name such as ../../x must stay a name."""
    texts = [f"{word} {number}" for number in range(12) for word in ("invoice", "parcel")]
    fusion = FusionEnsemble({"../../escaped": LinearClassifier()}, n_folds=2).fit(texts, ["billing", "delivery"] * 12)
    fusion.save(tmp_path / "a" / "model")
    assert not (tmp_path / "escaped").exists()
    loaded = FusionEnsemble.load(tmp_path / "a" / "model")
    assert loaded.predict(["invoice"]).predictions == ["billing"]
    assert np.array_equal(loaded.training_row_ids_, fusion.training_row_ids_)


def test_votes_of_trained_models_are_averaged_as_votes():
    """Deployed on the scale that was learned from."""

    class Voting(LinearClassifier):
        def _score(self, texts):
            best = super()._score(texts).values.argmax(axis=1)
            return Scores.from_votes([self.schema_.names[k] for k in best], self.schema_.names)

    texts = [f"{word} {number}" for number in range(30) for word in ("invoice", "parcel")]
    fusion = FusionEnsemble({"votes": Voting()}, n_folds=3).fit(texts, ["billing", "delivery"] * 30)
    result = fusion.predict(["invoice", ""])
    assert result.predictions == ["billing", None]
    assert result.status[1] == Status.INVALID


def test_held_out_scores_stay_with_their_rows_where_only_some_were_asked(simulate):
    """The free fusion is fitted on asked rows first; deferral and cost curves would learn from shuffled rows."""
    rows = simulate(400)
    encoder, llm = rows.source(2.0), rows.votes(0.9)
    asked = np.random.default_rng(0).permutation(rows.n)[:130]
    votes = np.full(llm.values.shape, np.nan)
    votes[asked] = llm.values[asked]
    status = np.full(rows.n, Status.NOT_CALLED)
    status[asked] = Status.OK
    fusion = ScoreFusion().fit({"encoder": encoder, "llm": replace(llm, values=votes, status=status)}, rows.gold)
    held_out = fusion.patterns_.held_out(("encoder",))
    alone = np.mean(encoder.values.argmax(axis=1) == rows.codes)
    assert abs(np.mean(held_out.argmax(axis=1) == rows.codes) - alone) < 0.03
