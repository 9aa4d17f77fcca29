"""Which combiners there are, what of a user's own they take, and what is said of settings that had no effect."""

import numpy as np
import pytest
import torch

from textclassify import FusionEnsemble, FusionMLP, ScoreFusion
from textclassify.ensemble import fusion_sources, fusion_training
from textclassify.ensemble.combining.combiners import Combiner
from textclassify.ensemble.combining.network import NetworkSettings
from textclassify.ensemble.combining.rungs import chosen_rungs, settings_without_effect
from textclassify.ensemble.mlp import EmbeddingsMLP, PublishedMLP, ResidualMLP
from textclassify.ensemble.pooling import LogLinearPool
from textclassify.errors import ConfigError, ScoresError, StorageError
from textclassify.statistics.calibration import TemperatureScaling

GIVEN = {"hidden_dims": [5, 3], "learning_rate": 0.02, "epochs": 2, "batch_size": 16}


@pytest.fixture(scope="module")
def simulation(simulate):
    return simulate(120)


@pytest.fixture(scope="module")
def sources(simulation):
    return {"encoder": simulation.source(1.0), "llm": simulation.votes(0.7)}


class Recorded(FusionMLP):
    """A network that keeps how it was made, and how many rows it was trained on at a time."""

    made, batches = [], []

    def __init__(self, input_dim, output_dim, hidden_dims=(64, 32)):
        super().__init__(input_dim, output_dim, hidden_dims)
        self.made.append((input_dim, output_dim, tuple(hidden_dims)))

    def forward(self, scores):
        if self.training:
            self.batches.append(len(scores))
        return super().forward(scores)


def test_the_published_network_reads_two_times_k_scores_and_uses_exactly_the_settings(simulation, sources):
    """Encoder and language model, K each, side by side; nothing is added and nothing ignored."""
    Recorded.made.clear()
    Recorded.batches.clear()
    fusion = ScoreFusion(combiner="mlp", fusion_mlp=Recorded, **GIVEN).fit(sources, simulation.gold)
    assert fusion.selected_ == "mlp"
    assert set(Recorded.made) == {(8, 4, (5, 3)), (4, 4, (5, 3))}  # and K for texts that were not asked about
    assert max(Recorded.batches) == 16
    combiner = fusion.patterns_.deployed.combiner
    assert combiner.shape_.tolist() == [8, 4, 5, 3]
    wanted = (5, 3), 0.02, 2, 16
    settings = combiner.settings
    assert (settings.hidden_dims, settings.learning_rate, settings.epochs, settings.batch_size) == wanted
    assert fusion.unused_settings_ == []


@pytest.mark.parametrize(("name", "value"), [("learning_rate", 1e-5), ("epochs", 1), ("batch_size", 4)])
def test_each_setting_of_the_network_changes_its_answers(simulation, sources, name, value):
    """One that changed nothing would be a setting in name only."""
    usual = ScoreFusion(combiner="mlp", **GIVEN).fit(sources, simulation.gold).predict_scores(sources)
    other = ScoreFusion(combiner="mlp", **{**GIVEN, name: value}).fit(sources, simulation.gold)
    assert not np.allclose(other.predict_scores(sources).values, usual.values, atol=1e-4)


def test_the_settings_of_a_fusion_of_texts_reach_the_network(messages):
    """Under the names that the configuration has for them."""
    given = {f"fusion_{name}": value for name, value in GIVEN.items() if name != "learning_rate"}
    fusion = messages(60).fusion(combiner="mlp", fusion_lr=0.02, **given)
    combiner = fusion.fusion_.patterns_.deployed.combiner
    assert combiner.shape_.tolist() == [4, 2, 5, 3]
    assert (combiner.settings.learning_rate, combiner.settings.epochs, combiner.settings.batch_size) == (0.02, 2, 16)
    result = fusion.predict(messages(60).texts)
    assert result.metadata["combiner"] == "mlp"
    assert result.metadata["settings_without_effect"] == []


def test_settings_that_had_no_effect_are_named_in_the_result(messages):
    """A user who tunes fusion_lr must learn that no network was deployed."""
    fusion = messages(60).fusion(fusion_lr=0.1, fusion_epochs=3)
    result = fusion.predict(messages(60).texts)
    assert result.metadata["combiner"] in {"pooling", "vector_scaling"}
    assert sorted(result.metadata["settings_without_effect"]) == ["fusion_epochs", "fusion_lr"]


def test_settings_that_had_no_effect_are_named_by_score_fusion(simulation, sources):
    fusion = ScoreFusion(rungs=[LogLinearPool], epochs=3, batch_size=8).fit(sources, simulation.gold)
    assert fusion.predict(sources).metadata["settings_without_effect"] == ["epochs", "batch_size"]
    assert settings_without_effect(LogLinearPool(), {"epochs": 3, "batch_size": None}) == ["epochs"]
    assert settings_without_effect(PublishedMLP(), GIVEN) == []


def test_a_network_of_the_users_own_that_was_not_deployed_is_named_too(simulation, sources):
    """It is a setting like the others."""
    fusion = ScoreFusion(rungs=[LogLinearPool], fusion_mlp=Recorded).fit(sources, simulation.gold)
    assert "fusion_mlp" in fusion.predict(sources).metadata["settings_without_effect"]


def test_the_ladder_ends_in_networks_with_the_given_settings():
    """From simple to complex, each of them unfitted and seeded."""
    rungs = [make(random_state=5) for make in chosen_rungs("auto", GIVEN, Recorded)]
    assert [rung.rung for rung in rungs] == ["pooling", "vector_scaling", "cross_label", "mlp", "embeddings"]
    assert [type(rung) for rung in rungs[3:]] == [ResidualMLP, EmbeddingsMLP]
    assert all(rung.random_state == 5 for rung in rungs)
    assert rungs[3].settings == NetworkSettings((5, 3), 0.02, 2, 16, network=Recorded)
    assert [make().rung for make in chosen_rungs("embeddings", {})] == ["embeddings"]


def test_embeddings_are_asked_for_where_they_are_needed_and_missing(simulation, sources):
    """In fitting and in prediction."""
    with pytest.raises(ScoresError, match="needs the texts' vectors; pass embeddings="):
        ScoreFusion(combiner="embeddings", epochs=1).fit(sources, simulation.gold)
    vectors = simulation.rng.normal(size=(120, 6))
    fusion = ScoreFusion(combiner="embeddings", epochs=1).fit(sources, simulation.gold, vectors)
    assert "embeddings" in fusion.needs_
    assert fusion.predict(sources, vectors).metadata["combiner"] == "embeddings"
    with pytest.raises(ScoresError, match="embeddings have shape"):
        fusion.predict(sources, vectors[:5])


def test_a_prediction_without_the_vectors_it_was_fitted_with_says_so_or_answers_without_them(simulation, sources):
    vectors = simulation.rng.normal(size=(120, 6))
    fusion = ScoreFusion(combiner="embeddings", epochs=1).fit(sources, simulation.gold, vectors)
    with pytest.raises(ScoresError, match="pass embeddings="):
        fusion.predict(sources)


class OwnCombiner(Combiner):
    """All sources, added up."""

    rung = "sum"

    def _learn(self, evidence, rows):  # noqa: ARG002 - the contract's arguments
        self.share_ = np.array(1.0)

    def _parts(self, evidence):
        return {name: float(self.share_) * values for name, values in evidence.items()}


class OwnCalibrator(TemperatureScaling):
    """A temperature by another name."""

    name = "own"


def test_a_combiner_of_the_users_own_competes_and_answers(simulation, sources):
    fusion = ScoreFusion(rungs=[OwnCombiner]).fit(sources, simulation.gold)
    assert [rung.rung for rung in fusion.ladder_report_.rungs] == ["best_single", "sum"]
    assert fusion.selected_ == "sum"
    assert set(fusion.predict(sources).explain(3)) == {"encoder", "llm"}


@pytest.mark.parametrize("calibrator", [OwnCalibrator, OwnCalibrator(), "temperature"])
def test_a_calibrator_of_the_users_own_reads_the_sources(simulation, sources, calibrator):
    """A class, a model to copy, or a name; votes are read through their confusion all the same."""
    fusion = ScoreFusion(rungs=[LogLinearPool], calibrator=calibrator).fit(sources, simulation.gold)
    readings = fusion.patterns_.deployed.combiner.readings
    assert readings["encoder"].calibrator.name == ("temperature" if calibrator == "temperature" else "own")
    assert not hasattr(readings["llm"], "calibrator")


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"rungs": [OwnCombiner]}, "OwnCombiner"),
        ({"rungs": [LogLinearPool], "calibrator": OwnCalibrator}, "OwnCalibrator"),
        ({"rungs": [LogLinearPool], "calibrator": OwnCalibrator()}, "OwnCalibrator"),
        ({"combiner": "mlp", "fusion_mlp": Recorded, "epochs": 1}, "Recorded"),
        ({"rungs": [LogLinearPool], "fusion_mlp": Recorded}, "Recorded"),
    ],
)
def test_saving_says_what_cannot_be_saved(simulation, sources, tmp_path, options, named):
    """A folder holds no code; a fusion that forgot some would answer otherwise, if not today."""
    fusion = ScoreFusion(**options).fit(sources, simulation.gold)
    with pytest.raises(StorageError, match=named):
        fusion.save(tmp_path / "fusion")
    assert not (tmp_path / "fusion").exists()


@pytest.mark.parametrize("calibrator", ["temperature", "vector", TemperatureScaling])
def test_a_calibrator_of_the_librarys_own_is_saved(simulation, sources, tmp_path, calibrator):
    """By its name or by its class."""
    fusion = ScoreFusion(rungs=[LogLinearPool], calibrator=calibrator).fit(sources, simulation.gold)
    fusion.save(tmp_path / "fusion")
    assert ScoreFusion.load(tmp_path / "fusion").predict_scores(sources).equals(fusion.predict_scores(sources))


@pytest.mark.parametrize("calibrator", ["platt", "beta", "isotonic", None])
def test_calibrators_of_several_labels_are_saved(simulate_multi_label, tmp_path, calibrator):
    """With the thresholds that were tuned on what they made."""
    simulation = simulate_multi_label(120)
    sources = {"encoder": simulation.source(1.0), "llm": simulation.votes(0.8)}
    fusion = ScoreFusion(rungs=[LogLinearPool], calibrator=calibrator).fit(sources, simulation.gold)
    fusion.save(tmp_path / "fusion")
    loaded = ScoreFusion.load(tmp_path / "fusion")
    for fresh in (sources, {"encoder": sources["encoder"]}):
        assert loaded.predict_scores(fresh).equals(fusion.predict_scores(fresh))
        assert np.array_equal(loaded.predict(fresh).codes, fusion.predict(fresh).codes)


@pytest.mark.parametrize("combiner", ["auto", "mlp", "embeddings"])
def test_every_combiner_is_saved_with_guard_and_deferral(simulate, tmp_path, combiner):
    """Bit for bit: answers, sets, who is asked; also of a pattern that nobody asked for before."""
    simulation = simulate(220)
    sources = {"encoder": simulation.source(1.0), "llm": simulation.source(1.5)}
    vectors = simulation.rng.normal(size=(220, 4)).astype(np.float32) if combiner == "embeddings" else None
    fusion = ScoreFusion(combiner=combiner, epochs=1).fit(sources, simulation.gold, vectors)
    fusion.guard_with(sources, simulation.gold, vectors)
    fusion.save(tmp_path / "fusion")
    loaded = ScoreFusion.load(tmp_path / "fusion")
    for fresh in (sources, {"encoder": sources["encoder"]}, {"llm": sources["llm"]}):
        assert loaded.predict_scores(fresh, vectors).equals(fusion.predict_scores(fresh, vectors))
    assert np.array_equal(loaded.rows_to_ask(sources, 0.3, vectors), fusion.rows_to_ask(sources, 0.3, vectors))
    assert list(loaded.predict_set(sources, embeddings=vectors)) == list(
        fusion.predict_set(sources, embeddings=vectors)
    )
    risk = {"max_risk": 0.6, "confidence": 0.9}
    assert np.array_equal(
        loaded.predict(sources, vectors, **risk).status, fusion.predict(sources, vectors, **risk).status
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"combiner": "joined"}, "unknown combiner 'joined'"),
        ({"combiner": "mlp", "fusion_mlp": dict}, "no class derived from torch.nn.Module"),
        ({"combiner": "mlp", "hidden_dims": [8, 0]}, "widths of at least 1"),
        ({"combiner": "mlp", "learning_rate": -1.0}, "learning_rate"),
        ({"combiner": "mlp", "epochs": 0}, "epochs"),
        ({"combiner": "mlp", "batch_size": 0}, "batch_size"),
        ({"rungs": [LogLinearPool()]}, "pass classes"),
        ({"combiner": "mlp", "rungs": [LogLinearPool]}, "rungs"),
        ({"calibrator": "hot"}, "unknown calibrator 'hot'"),
        ({"calibrator": dict}, "no Calibrator class"),
        ({"llm_sources": ["gpt"]}, "gpt"),
        ({"llm_sources": "llm"}, "llm_sources"),
        ({"guard": None}, "guard=None"),
    ],
)
def test_options_that_no_fusion_can_be_made_of_are_refused(simulation, sources, options, message):
    """Each message names the value; nothing is trained before."""
    with pytest.raises(ConfigError, match=message):
        ScoreFusion(**options).fit(sources, simulation.gold)


def test_a_fusion_of_texts_with_embeddings_is_saved_and_loaded(messages, tmp_path, monkeypatch):
    """Vectors are no source, and must not be looked for among the sources' folders."""
    new = messages(20, seed=1)
    fixed = dict(zip((*messages(60).texts, *new.texts), np.random.default_rng(0).normal(size=(80, 4)), strict=True))
    for module in (fusion_sources, fusion_training):
        monkeypatch.setattr(module, "text_vectors", lambda texts: np.float32([fixed[text] for text in texts]))
    fusion = messages(60).fusion(new, combiner="embeddings", fusion_epochs=1)
    fusion.save(tmp_path / "model")
    again = FusionEnsemble.load(tmp_path / "model").predict_scores(new.texts)
    assert np.array_equal(again.values, fusion.predict_scores(new.texts).values)


def test_the_same_seed_gives_the_same_network_and_another_another(simulation, sources):
    """And the caller's own random numbers stay where they were."""
    torch.manual_seed(3)
    before = torch.random.get_rng_state()
    first, again, other = (
        ScoreFusion(combiner="mlp", epochs=1, random_state=seed).fit(sources, simulation.gold) for seed in (1, 1, 2)
    )
    assert torch.equal(before, torch.random.get_rng_state())
    assert first.predict_scores(sources).equals(again.predict_scores(sources))
    assert not first.predict_scores(sources).equals(other.predict_scores(sources))
