"""What every classifier does alike: scikit-learn's habits, statuses, metrics, folders."""

import json
import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.metrics import accuracy_score, f1_score
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import Pipeline

import textclassify
from textclassify.core.saved_classifiers import load, read_part
from textclassify.core.scales import Status
from textclassify.core.scores import Scores
from textclassify.core.storage import FromFolder, new_folder, sealed, write_manifest
from textclassify.core.types import TrainingData
from textclassify.errors import ConfigError, DataError, LabelError, NotFittedError, ScoresError, StorageError
from textclassify.ml.linear import LinearClassifier
from textclassify.testing import FixedClassifier

TEXTS = [f"{word} {number}" for number in range(6) for word in ("invoice money", "parcel courier")]
LABELS = ["billing", "delivery"] * 6


class Breaking(FixedClassifier):
    """One whose labels come back in another order."""

    def _score(self, texts):
        return Scores.from_probabilities(np.full((len(texts), 2), 0.5), ["b", "a"])


def with_gap():
    return FixedClassifier({"yes": [0.9, 0.1], "no": [0.2, 0.8], "gap": None})


def test_clone_and_parameters_are_scikit_learns():
    """A clone is unfitted and has the same parameters; setting one changes it."""
    classifier = LinearClassifier(C=2.0).fit(TEXTS, LABELS)

    assert clone(classifier).get_params() == classifier.get_params()
    assert clone(classifier).set_params(C=3.0).C == 3.0
    with pytest.raises(NotFittedError, match=r"call fit\(texts, labels\) first"):
        clone(classifier).predict(TEXTS)


def test_cross_validation_scores_it():
    """With the classifier's own score and with scikit-learn's."""
    assert cross_val_score(LinearClassifier(), TEXTS, LABELS, cv=3).tolist() == [1.0] * 3
    assert cross_val_score(LinearClassifier(), TEXTS, LABELS, cv=3, scoring="f1_macro").tolist() == [1.0] * 3
    assert cross_val_score(LinearClassifier(), TEXTS, LABELS, cv=3, scoring="neg_log_loss").mean() > -0.7


def test_a_pipeline_and_a_grid_search_hold_it():
    """Parameters are reached through the pipeline; the best one is refitted."""
    pipeline = Pipeline([("classify", LinearClassifier())])

    search = GridSearchCV(pipeline, {"classify__C": [0.1, 10.0]}, cv=2).fit(np.array(TEXTS), np.array(LABELS))

    assert search.best_params_["classify__C"] in {0.1, 10.0}
    assert search.predict(["the courier"]).predictions == ["delivery"]


def test_results_go_into_scikit_learns_metrics():
    """They are 1-D labels to numpy."""
    result = LinearClassifier().fit(TEXTS, LABELS).predict(TEXTS)

    assert accuracy_score(LABELS, result) == 1.0
    assert f1_score(LABELS, np.asarray(result), average="macro") == 1.0


@pytest.mark.parametrize("labels", [[3, 7] * 6, [True, False] * 6, LABELS])
def test_the_type_of_labels_is_kept_through_fit_predict_save_and_load(tmp_path, labels):
    """JSON knows all three types."""
    classifier = LinearClassifier().fit(TEXTS, labels)
    classifier.save(tmp_path / "model")

    for one in (classifier, textclassify.load(tmp_path / "model"), pickle.loads(pickle.dumps(classifier))):
        assert one.predict(TEXTS).predictions == labels
        assert one.classes_.tolist() == sorted(set(labels))


def test_a_frame_is_enough_to_fit_and_predict():
    """Text and label columns are recognised, whatever the index."""
    frame = pd.DataFrame({"message": TEXTS, "intent": LABELS}, index=range(100, 112))

    classifier = LinearClassifier().fit(frame)

    assert classifier.predict(frame).predictions == LABELS
    assert classifier.predict(frame.drop(columns="intent")).predictions == LABELS


def test_the_schemas_order_is_the_order_of_every_matrix():
    """Not the alphabet's."""
    classifier = LinearClassifier(labels=["delivery", "billing"]).fit(TEXTS, LABELS)

    assert classifier.classes_.tolist() == ["delivery", "billing"]
    assert classifier.predict_proba(["courier"]).argmax() == 0


def test_blank_texts_have_no_answer_and_are_not_asked_about():
    """The other rows keep their place."""
    classifier = with_gap()

    result = classifier.predict(["yes", "  ", "no", ""])

    assert result.predictions == ["a", None, "b", None]
    assert result.status.tolist() == [Status.OK, Status.INVALID, Status.OK, Status.INVALID]
    assert classifier.asked == ["yes", "no"]
    assert classifier.predict([" ", ""]).predictions == [None, None]


def test_labels_at_prediction_fill_metrics_and_change_nothing_else():
    """Permuting them changes no prediction."""
    classifier = with_gap()

    right = classifier.predict(["yes", "no", "gap"], ["a", "b", "a"])
    wrong = classifier.predict(["yes", "no", "gap"], ["b", "a", "a"])

    assert right.metadata["metrics"]["accuracy"] == 1.0
    assert wrong.metadata["metrics"]["accuracy"] == 0.0
    assert right.metadata["metrics"]["coverage"] == pytest.approx(2 / 3)
    assert right.predictions == wrong.predictions == classifier.predict(["yes", "no", "gap"]).predictions


def test_multi_label_metrics_are_filled_too():
    """By the same argument."""
    classifier = FixedClassifier({"both": [0.9, 0.8], "none": [0.1, 0.2]}, ["a", "b"], multi_label=True)

    result = classifier.predict(["both", "none"], [["a", "b"], []])

    assert result.metadata["metrics"]["subset_accuracy"] == 1.0
    assert classifier.score(["both", "none"], [["a", "b"], ["a"]]) == 0.5


def test_multi_label_accuracy_is_the_share_of_sets_that_are_exactly_right():
    """Published programs print it for both kinds; here gold is a 0/1 matrix, as they have it."""
    classifier = FixedClassifier({"both": [0.9, 0.8], "none": [0.1, 0.2]}, ["a", "b"], multi_label=True)

    metrics = classifier.predict(["both", "none"], [[1, 1], [1, 0]]).metadata["metrics"]

    assert metrics["accuracy"] == metrics["subset_accuracy"] == 0.5


def test_single_label_gold_may_be_a_matrix():
    assert with_gap().predict(["yes", "no"], [[1, 0], [0, 1]]).metadata["metrics"]["accuracy"] == 1.0


@pytest.mark.parametrize(("several", "kind"), [(True, "multi_class"), (False, "multi_label")])
def test_data_of_the_other_kind_than_the_option_says_are_refused(several, kind):
    """Trained all the same, the option would be a lie."""
    labels = [[1, 0], [0, 1]] * 6

    with pytest.raises(ConfigError, match=f"multi_label={several} of LinearClassifier does not fit .* are {kind}"):
        LinearClassifier(multi_label=several).fit(TrainingData(TEXTS, labels, kind))


def test_one_label_per_text_is_a_list_of_one_where_there_may_be_several():
    assert LinearClassifier(multi_label=True).fit(TEXTS, LABELS).predict(TEXTS[:1]).predictions == [["billing"]]


def test_an_unseen_label_at_evaluation_is_named():
    """It is not counted as a wrong answer."""
    with pytest.raises(LabelError, match="unknown label 'c' in row 0"):
        with_gap().predict(["yes"], ["c"])


def test_scoring_abstentions_needs_a_decision():
    """A row without an answer is neither right nor wrong until somebody says so."""
    texts, labels = ["yes", "no", "gap"], ["a", "a", "a"]

    with pytest.raises(DataError, match="abstentions='wrong'"):
        with_gap().score(texts, labels)
    assert with_gap().score(texts, labels, abstentions="wrong") == pytest.approx(1 / 3)
    assert with_gap().score(texts, labels, abstentions="drop") == pytest.approx(1 / 2)
    with pytest.raises(ConfigError, match="abstentions='maybe' is unknown"):
        with_gap().score(texts, labels, abstentions="maybe")


def test_scores_are_weighted():
    """Dropped rows take their weight along."""
    texts, labels = ["yes", "no", "gap"], ["a", "a", "a"]

    assert with_gap().score(texts[:2], labels[:2], sample_weight=[3, 1]) == pytest.approx(3 / 4)
    assert with_gap().score(texts, labels, sample_weight=[3, 1, 9], abstentions="drop") == pytest.approx(3 / 4)


def test_a_classifier_that_learns_nothing_predicts_unfitted():
    """Given its labels, a prompted model needs no fit."""
    assert FixedClassifier({"t": [0.1, 0.9]}, labels=["x", "y"]).predict(["t"]).predictions == ["y"]


def test_scores_in_another_label_order_never_leave_a_classifier():
    """The contract asserts the order wherever scores meet."""
    with pytest.raises(ScoresError, match="in this order"):
        Breaking({"t": [0.5, 0.5]}).predict(["t"])


def test_scores_carry_the_hash_of_their_texts():
    """It aligns two sources."""
    scores = with_gap().predict_scores(["yes", "no", " "])

    assert scores.row_ids.tolist() == with_gap().predict_scores(["no", "yes", " "]).row_ids[[1, 0, 2]].tolist()


def test_loading_checks_the_class(tmp_path):
    """`textclassify.load` opens any; a class opens its own kind only."""
    with_gap().save(tmp_path / "model")

    assert isinstance(textclassify.load(tmp_path / "model"), FixedClassifier)
    with pytest.raises(StorageError, match=r"holds a FixedClassifier, not a LinearClassifier; use textclassify\.load"):
        LinearClassifier.load(tmp_path / "model")


@pytest.mark.parametrize("key", ["parameters", "schema", "learned"])
def test_a_manifest_that_describes_no_classifier_is_refused(tmp_path, key):
    """One written by hand, or by another program."""
    with_gap().save(tmp_path / "model")
    manifest = json.loads((tmp_path / "model" / "textclassify.json").read_text())
    del manifest["state"][key]
    (tmp_path / "model" / "textclassify.json").write_text(json.dumps(sealed(manifest)))

    with pytest.raises(StorageError, match="does not describe a fixed"):
        textclassify.load(tmp_path / "model")


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"schema": {"labels": [{"name": "a"}, {"name": "a"}]}}, "does not describe a fixed"),
        ({"schema": 5}, "does not describe a fixed"),
        ({"parameters": ["answers"]}, "does not describe a fixed"),
        ({"parameters": {"answers": {}, "wrong": 1}}, "does not describe a fixed"),
    ],
)
def test_a_manifest_with_nonsense_in_it_is_a_storage_error(tmp_path, state, message):
    """Whatever is wrong in the folder, the remedy concerns the folder."""
    with_gap().save(tmp_path / "model")
    path = tmp_path / "model" / "textclassify.json"
    manifest = json.loads(path.read_text())
    manifest["state"] |= state
    path.write_text(json.dumps(sealed(manifest)))

    with pytest.raises(StorageError, match=f"{message} .*save the model again"):
        textclassify.load(tmp_path / "model")


def test_a_part_of_an_unknown_kind_is_a_storage_error(tmp_path):
    with new_folder(tmp_path / "model") as folder:
        write_manifest(folder, "liner", {"parameters": {}, "schema": {}, "learned": {}})

    with pytest.raises(StorageError, match="unknown kind of classifier 'liner'; did you mean 'linear'"):
        read_part(tmp_path / "model")


def test_addresses_in_a_folder_are_marked_wherever_they_stand(tmp_path):
    """An automatic fusion that is loaded and fitted again asks the address that its folder names."""
    config = {"llm_provider": "openai", "llm_base_url": "https://evil.example/v1", "encoder": False}
    with new_folder(tmp_path / "model") as folder:
        FixedClassifier({}, default=[0.5, 0.5]).write_into(folder)
    path = tmp_path / "model" / "textclassify.json"
    manifest = json.loads(path.read_text())
    manifest["state"]["parameters"]["source"] = config
    path.write_text(json.dumps(sealed(manifest)))

    found = load(tmp_path / "model").source

    assert found == config
    assert type(found["llm_base_url"]) is FromFolder
    assert type(found["llm_provider"]) is str


@pytest.mark.parametrize(
    "state", [{"schema": "/etc/passwd"}, {"parameters": {"answers": {}, "source": {"labels": "/etc/passwd"}}}]
)
def test_a_stored_schema_is_never_read_as_a_path(tmp_path, state, monkeypatch):
    """A stranger's folder may not have files of this machine read, now or when the classifier is fitted again."""
    with_gap().save(tmp_path / "model")
    path = tmp_path / "model" / "textclassify.json"
    manifest = json.loads(path.read_text())
    path.write_text(json.dumps(sealed(manifest | {"state": manifest["state"] | state})))
    monkeypatch.setattr("textclassify.core.labels.read_label_file", lambda path: pytest.fail(f"reads {path}"))

    with pytest.raises(StorageError, match="labels are '/etc/passwd'"):
        load(tmp_path / "model")


def test_swapped_labels_in_a_manifest_are_found(tmp_path):
    """Every prediction would be another label, and no file beside the manifest tells."""
    LinearClassifier().fit(["fine day", "bad day"], ["good", "poor"]).save(tmp_path / "model")
    path = tmp_path / "model" / "textclassify.json"
    manifest = json.loads(path.read_text())
    manifest["state"]["schema"]["labels"].reverse()
    path.write_text(json.dumps(manifest))

    with pytest.raises(StorageError, match="was changed after it was saved"):
        textclassify.load(tmp_path / "model")


def test_a_key_of_a_later_version_names_both_versions(tmp_path):
    with_gap().save(tmp_path / "model")
    path = tmp_path / "model" / "textclassify.json"
    manifest = json.loads(path.read_text()) | {"textclassify": "9.9"}
    manifest["state"]["parameters"]["newkey"] = 1
    path.write_text(json.dumps(sealed(manifest)))

    with pytest.raises(
        StorageError, match=rf"newkey.*written by textclassify 9\.9, this is {textclassify.__version__}"
    ):
        textclassify.load(tmp_path / "model")


@pytest.mark.parametrize("folder", [None, 5])
def test_what_is_no_folder_is_refused(folder):
    classifier = LinearClassifier().fit(["fine day", "bad day"], ["good", "poor"])
    for opened in (load, textclassify.load, LinearClassifier.load, classifier.save):
        with pytest.raises(StorageError, match="is no folder"):
            opened(folder)


@pytest.mark.parametrize("seed", [-1, 2**32, 0.5, "x", None, True])
def test_a_seed_out_of_range_is_refused_before_anything_is_read(seed):
    """Libraries find it after minutes of training, each with other words."""
    with pytest.raises(ConfigError, match=r"random_state is .*from 0 to 4294967295"):
        LinearClassifier(random_state=seed).fit([], [])


@pytest.mark.parametrize(
    ("weight", "message"),
    [([1.0], "2 texts but sample_weight of shape"), ([0, 0], "not all 0"), (["a", "b"], "numbers")],
)
def test_weights_that_do_not_fit_are_refused_where_a_score_is_weighted(weight, message):
    classifier = LinearClassifier().fit(["fine day", "bad day"], ["good", "poor"])

    with pytest.raises(DataError, match=message):
        classifier.score(["fine", "bad"], ["good", "poor"], sample_weight=weight)


def test_saving_unfitted_is_refused(tmp_path):
    """There is nothing to save, and the folder is not made."""
    with pytest.raises(NotFittedError):
        LinearClassifier().save(tmp_path / "model")
    assert not (tmp_path / "model").exists()
