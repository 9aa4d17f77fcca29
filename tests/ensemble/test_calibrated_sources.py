"""Several language models at once, each calibrated by itself, and on rows that it was not trained on."""

import copy
from functools import cache

import numpy as np
import pytest

from textclassify import FusionEnsemble, LinearClassifier, TrainingData, load
from textclassify.core.scales import Scale, Status
from textclassify.core.types import EnsembleConfig
from textclassify.statistics.calibration import TemperatureScaling
from textclassify.testing import FixedClassifier

LABELS = ("a", "b", "c")
N = 150


class Asked(FixedClassifier):
    """A given source that counts as a language model."""

    asks_llm = True


class Voting(Asked):
    """One whose answers are votes."""

    def _score(self, texts):
        from textclassify import Scores

        named = [LABELS[int(np.argmax(self.answers[text]))] for text in texts]
        return Scores.from_votes(named, LABELS, source="votes")


def rows(*, multi_label, seed=0):
    """Texts, gold, and how probable each label truly is: (n, K)."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(N, 3)) * 1.5
    texts = [f"text {row}" for row in range(N)]
    if multi_label:
        truth = 1 / (1 + np.exp(-logits))
        return TrainingData(texts, (rng.random((N, 3)) < truth).astype(int), "multi_label"), truth
    truth = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return TrainingData(texts, [LABELS[rng.choice(3, p=row)] for row in truth]), truth


def overconfident(data, truth, times, *, multi_label, kind=Asked):
    """A language model whose log-odds, or log-probabilities, are so many times too large."""
    if multi_label:
        said = 1 / (1 + ((1 - truth) / truth) ** times)
    else:
        said = truth**times / (truth**times).sum(axis=1, keepdims=True)
    return kind(dict(zip(data.texts, said, strict=True)), LABELS, multi_label=multi_label)


@cache
def fitted(calibrator, *, multi_label, linear=False):
    """Return a fusion, its data and the truth; nobody may change them."""
    data, truth = rows(multi_label=multi_label)
    models = [overconfident(data, truth, times, multi_label=multi_label) for times in (3.0, 6.0)]
    more = [LinearClassifier()] if linear else []
    fusion = FusionEnsemble(EnsembleConfig("fusion", [*models, *more], {"calibrator": calibrator}))
    return fusion.fit(data), data, truth


@pytest.mark.parametrize(("calibrator", "multi_label"), [("temperature", False), ("isotonic", True)])
def test_each_language_model_is_calibrated_by_itself(calibrator, multi_label):
    """What they say of a text comes near to the truth, although one exaggerates twice as much as the other."""
    fusion, data, truth = fitted(calibrator, multi_label=multi_label)
    raw, found = fusion.source_scores(data.texts, ["fixed", "fixed_2"]), fusion.calibrated_scores(data.texts)

    assert list(found) == ["fixed", "fixed_2"]
    for name, scores in found.items():
        before, after = (np.abs(each.probabilities - truth).mean() for each in (raw[name], scores))
        assert after < before / 2
        assert scores.calibration == f"{calibrator} on {N} rows"
        assert scores.scale is (Scale.LOG_ODDS if multi_label else Scale.LOG_PROBABILITY)


@pytest.mark.parametrize(("calibrator", "multi_label"), [("temperature", False), ("isotonic", True)])
def test_only_rows_that_were_held_out_calibrate(calibrator, multi_label):
    """A calibrator that learned from rows its source was trained on would find nothing to correct."""
    fusion, data, _ = fitted(calibrator, multi_label=multi_label, linear=True)
    honest, again = fusion.training_scores_["linear"], LinearClassifier().fit(data).predict_scores(data.texts)

    assert (honest.fold >= 0).all()
    assert np.abs(honest.probabilities - again.probabilities).mean() > 0.05
    used = fusion.fusion_.rows_.sources["linear"]
    assert np.array_equal(used.values, honest.values)


def test_the_temperature_is_that_of_the_rows_that_were_held_out():
    """Learned once more from the same scores and gold, the calibrator says the same."""
    fusion, data, _ = fitted("temperature", multi_label=False)
    raw = fusion.source_scores(data.texts, ["fixed"])["fixed"]
    expected = TemperatureScaling().fit(raw.values.astype(float), data.gold).transform(raw.values.astype(float))

    found = fusion.calibrated_scores(data.texts, ["fixed"])["fixed"]

    np.testing.assert_allclose(found.values, expected, atol=1e-4)


def test_a_saved_fusion_calibrates_alike(tmp_path):
    data, truth = rows(multi_label=True)
    models = {name: overconfident(data, truth, 3.0, multi_label=True, kind=FixedClassifier) for name in ("one", "two")}
    fusion = FusionEnsemble(models, calibrator="isotonic").fit(data)
    fusion.save(tmp_path / "model")

    found = load(tmp_path / "model").calibrated_scores(data.texts)

    assert all(found[name].equals(scores) for name, scores in fusion.calibrated_scores(data.texts).items())


def test_votes_are_read_by_what_they_were_worth():
    """They are no probabilities, so that no temperature makes any of them."""
    data, truth = rows(multi_label=False)
    voting = overconfident(data, truth, 1.0, multi_label=False, kind=Voting)
    fusion = FusionEnsemble({"votes": voting}, calibrator="temperature").fit(data)

    found = fusion.calibrated_scores(data.texts)["votes"]

    right = np.asarray([LABELS[code] for code in found.values.argmax(axis=1)]) == np.asarray(data.labels)
    assert found.calibration == f"confusion of votes on {N} rows"
    assert found.probabilities.max(axis=1).mean() == pytest.approx(right.mean(), abs=0.05)


def test_a_text_without_scores_has_none_after_calibration_either():
    fusion, data, _ = fitted("temperature", multi_label=False)
    asked = copy.deepcopy(fusion)
    asked.sources_["fixed"].answers["lost"] = None

    found = asked.calibrated_scores([data.texts[0], "lost", ""], ["fixed"])["fixed"]

    assert found.status.tolist() == [Status.OK, Status.FAILED, Status.INVALID]
    assert np.isnan(found.values[1:]).all()


def test_with_too_few_rows_to_learn_from_the_scores_stay_as_they_are():
    """And say so: they have no calibration."""
    zero_shot = FixedClassifier({}, LABELS, default=[0.2, 0.7, 0.1])
    fusion = FusionEnsemble({"llm": zero_shot}).fit(["s", "t", "u"], list(LABELS))

    found = fusion.calibrated_scores(["anything"])["llm"]

    assert found.calibration is None
    np.testing.assert_allclose(found.probabilities, [[0.2, 0.7, 0.1]], atol=1e-6)
