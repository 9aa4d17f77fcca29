"""A fusion by its published settings: an `EnsembleConfig` is the same as native options, and no member is changed."""

import numpy as np
import pytest
from sklearn.base import clone

from textclassify import FusionEnsemble, LinearClassifier, TrainingData
from textclassify.core.storage import replies_folder
from textclassify.core.types import ClassificationType, EnsembleConfig
from textclassify.errors import ConfigError, LabelError
from textclassify.testing import FixedClassifier

LABELS = ["billing", "delivery"]
WORDS = {"billing": "invoice charged twice", "delivery": "parcel never came"}


class PaidClassifier(FixedClassifier):
    """A given source that counts as a language model, and keeps where its answers would be kept."""

    asks_llm = True
    kept_in: tuple = ()

    def _score(self, texts):
        self.kept_in = (*self.kept_in, str(replies_folder()))
        return super()._score(texts)


class Rated(LinearClassifier):
    """A linear classifier that claims to have a learning rate; it keeps the one it was fitted with."""

    seen: list = []  # noqa: RUF012 - all copies share it

    def __init__(self, labels=None, *, learning_rate=None, random_state=0):
        super().__init__(labels=labels, random_state=random_state)
        self.learning_rate = learning_rate

    def _fit(self, data):
        self.seen.append(self.learning_rate)
        super()._fit(data)


@pytest.fixture
def data():
    gold = LABELS * 12
    return TrainingData([f"{WORDS[label]} {row}" for row, label in enumerate(gold)], gold)


def llm(labels=None):
    return PaidClassifier({}, labels or LABELS, default=[0.6, 0.4])


def config(models, **parameters):
    return EnsembleConfig("fusion", models, parameters)


def test_published_parameters_are_native_options():
    settings = {"fusion_hidden_dims": [64, 32], "ml_lr": 1e-5, "fusion_lr": 1e-3, "num_epochs": 10, "batch_size": 16}
    fusion = FusionEnsemble(config([LinearClassifier()], **settings, calibrator="temperature", n_folds=3))

    assert (fusion.fusion_hidden_dims, fusion.ml_lr, fusion.fusion_lr) == ([64, 32], 1e-5, 1e-3)
    assert (fusion.fusion_epochs, fusion.fusion_batch_size) == (10, 16)
    assert (fusion.calibrator, fusion.n_folds) == ("temperature", 3)


def test_a_clone_has_the_native_parameters():
    fusion = FusionEnsemble(config([LinearClassifier(), llm()], num_epochs=3))

    copied = clone(fusion)

    assert list(copied.sources) == ["linear", "fixed"]
    assert copied.fusion_epochs == 3


def test_configured_and_native_answer_alike(data):
    """It is a translation: equal settings give equal scores."""
    native = FusionEnsemble({"linear": LinearClassifier()}, n_folds=2, calibrator="temperature").fit(data)
    configured = FusionEnsemble(config([LinearClassifier()], n_folds=2, calibrator="temperature")).fit(data)

    assert configured.predict_scores(data.texts).equals(native.predict_scores(data.texts))


def test_a_model_that_is_added_again_is_there_once(data):
    """The published example names its models in the settings, and adds them afterwards as well."""
    linear, asked, second = LinearClassifier(), llm(), llm()
    fusion = FusionEnsemble(config([linear, asked]))

    fusion.add_ml_model(linear).add_llm_model(asked).add_llm_model(second)

    assert list(fusion.sources.values()) == [linear, asked, second]
    assert list(fusion.fit(data).sources_) == ["linear", "fixed", "fixed_2"]


def test_models_may_all_be_added_later(data):
    fusion = FusionEnsemble(config([], n_folds=2)).add_ml_model(LinearClassifier()).fit(data)

    assert fusion.predict(["a parcel"]).predictions == ["delivery"]


def test_a_language_model_is_no_ml_model():
    with pytest.raises(ConfigError, match="add it by add_llm_model"):
        FusionEnsemble(config([])).add_ml_model(llm())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (EnsembleConfig("voting", [LinearClassifier()]), "pass it to VotingEnsemble"),
        (config([LinearClassifier()], fusion_lrr=1e-3), "'fusion_lrr' of FusionEnsemble; did you mean 'fusion_lr'"),
        (config([LinearClassifier()], num_epochs=3, fusion_epochs=4), "'fusion_epochs' .* has two values, 3 and 4"),
        (EnsembleConfig("fusion", [LinearClassifier()], weights=[1.0]), "unknown option 'weights' of FusionEnsemble"),
        (config(["linear"]), "'linear'.*not a TextClassifier"),
    ],
)
def test_a_mistake_names_the_value_and_the_remedy(settings, message):
    with pytest.raises(ConfigError, match=message):
        FusionEnsemble(settings)


def test_the_learning_rate_is_set_on_copies(data):
    """The user's object may serve elsewhere, too."""
    encoder = Rated()
    Rated.seen.clear()
    fusion = FusionEnsemble(config([encoder, llm()], ml_lr=0.5, n_folds=2)).fit(data)

    assert set(Rated.seen) == {0.5}
    assert encoder.learning_rate is None
    assert "ml_lr" not in fusion.predict(["a parcel"]).metadata["settings_without_effect"]


class StoredAsLinear(Rated):
    """One whose folder is that of a linear classifier."""

    def _stored_parameters(self):
        parameters = super()._stored_parameters()
        del parameters["learning_rate"]
        return parameters


def test_a_learning_rate_that_was_used_is_not_called_useless_after_loading(data, tmp_path):
    """The sources that had it are in the folder, not among the parameters."""
    FusionEnsemble(config([StoredAsLinear()], ml_lr=0.5, n_folds=2)).fit(data).save(tmp_path / "saved")
    loaded = FusionEnsemble.load(tmp_path / "saved")

    assert "ml_lr" not in loaded.predict(["a parcel"]).metadata["settings_without_effect"]


def test_a_learning_rate_that_nobody_has_is_named_in_the_result(data):
    fusion = FusionEnsemble(config([LinearClassifier()], ml_lr=0.5, n_folds=2)).fit(data)

    assert "ml_lr" in fusion.predict(["a parcel"]).metadata["settings_without_effect"]


@pytest.mark.parametrize("rate", [0, -1e-3, "fast", True])
def test_a_learning_rate_out_of_range_is_refused(data, rate):
    with pytest.raises(ConfigError, match=r"ml_lr is .*; pass a number above 0"):
        FusionEnsemble(config([Rated()], ml_lr=rate)).fit(data)


@pytest.mark.parametrize(
    ("paths", "training", "prediction"),
    [
        ({"cache_dir": "all"}, "all", "all"),
        ({"train_llm_cache_path": "a", "val_llm_cache_path": "b", "test_llm_cache_path": "c"}, "a", "c"),
        ({"val_llm_cache_path": "b", "cache_dir": "all"}, "b", "all"),
    ],
)
def test_answers_in_training_and_prediction_are_kept_where_the_settings_say(data, paths, training, prediction):
    """A language model that has no folder of its own keeps them there."""
    gold = np.eye(2)[data.gold] * 0.9 + 0.05
    oracle = PaidClassifier(dict(zip(data.texts, gold, strict=True)), LABELS, default=[0.5, 0.5])
    fusion = FusionEnsemble(config([oracle], **paths)).fit(data)
    fusion.predict(["a parcel"])

    kept_in = fusion.sources_["fixed"].kept_in
    assert set(kept_in[:-1]) == {training}
    assert kept_in[-1] == prediction


def test_paths_of_this_machine_are_not_saved(data, tmp_path):
    fusion = FusionEnsemble(config([LinearClassifier()], cache_dir=str(tmp_path / "private"), n_folds=2)).fit(data)
    fusion.save(tmp_path / "model")

    assert "private" not in (tmp_path / "model" / "textclassify.json").read_text()


@pytest.mark.parametrize("kind", list(ClassificationType))
@pytest.mark.parametrize("named_by", ["the settings", "a member"])
def test_a_matrix_takes_its_names_from_the_settings_or_a_member(data, kind, named_by):
    """The published multi-label example hands over 0/1 rows and nothing that names them."""
    names = ["money", "arrival"]
    matrix = [[int(label == "billing"), int(label == "delivery")] for label in data.labels]
    columns = {"label_columns": names} if named_by == "the settings" else {}
    members = [LinearClassifier()] if columns else [LinearClassifier(), PaidClassifier({}, names, default=[0.6, 0.4])]
    fusion = FusionEnsemble(config(members, n_folds=2, **columns)).fit(TrainingData(data.texts, matrix, kind))

    result = fusion.predict(data.texts[:2], matrix[:2])

    assert fusion.schema_.names == ("money", "arrival")
    assert result.predictions == ([["money"], ["arrival"]] if kind == "multi_label" else ["money", "arrival"])
    assert result.metadata["metrics"]["accuracy"] == 1.0


def test_labels_that_no_member_knows_are_refused(data):
    with pytest.raises(LabelError, match="unknown label 'billing' in row 0; known labels: 'money', 'delivery'"):
        FusionEnsemble(config([LinearClassifier(), llm(["money", "delivery"])])).fit(data)


def test_label_columns_that_repeat_count_once_with_a_warning():
    with pytest.warns(UserWarning, match="label_columns repeats 'billing'"):
        settings = config([LinearClassifier()], label_columns=["billing", "delivery", "billing"])

    assert FusionEnsemble(settings).labels == ["billing", "delivery"]


def test_the_networks_are_where_the_published_interface_has_them():
    pytest.importorskip("torch")
    from textclassify.ensemble.fusion import FusionMLP, FusionWrapper
    from textclassify.ensemble.mlp import FusionMLP as made  # noqa: N813

    assert FusionMLP is made
    assert FusionWrapper.__name__ == "FusionWrapper"
    with pytest.raises(ImportError, match="FusionNet"):
        from textclassify.ensemble.fusion import FusionNet  # noqa: F401


def test_a_loaded_fusion_says_that_it_cannot_be_fitted_again(data, tmp_path):
    """Its sources are in the folder, fitted; one added to it would take the place of them all."""
    FusionEnsemble([LinearClassifier()]).fit(data).save(tmp_path / "saved")
    loaded = FusionEnsemble.load(tmp_path / "saved")

    for again in (lambda: loaded.fit(data), lambda: loaded.add_ml_model(LinearClassifier())):
        with pytest.raises(ConfigError, match=r"this FusionEnsemble was loaded.*make a new one"):
            again()
