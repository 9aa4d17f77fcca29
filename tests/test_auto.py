"""AutoFusionClassifier: a few keys in, a fitted fusion out; here with the sources that need no weights."""

import numpy as np
import pandas as pd
import pytest

from textclassify import AutoFusionClassifier, load
from textclassify.core.scales import Status
from textclassify.errors import ConfigError, DataError, NotFittedError
from textclassify.testing import check_classifier

from .asking import TEST, TEST_GOLD, asking_classifier

SMALL = {"llm_provider": None, "encoder": False, "similarity": False}
WORDS = {"billing": "invoice charged twice", "delivery": "parcel never came", "login": "password does not work"}


def frame(rows=60):
    labels = [list(WORDS)[row % 3] for row in range(rows)]
    return pd.DataFrame({"text": [f"{WORDS[label]} {row}" for row, label in enumerate(labels)], "label": labels})


def test_fit_predict_and_evaluate_on_a_frame():
    classifier = AutoFusionClassifier(SMALL).fit(frame())
    assert classifier.predict(["my parcel"]).predictions == ["delivery"]
    assert classifier.evaluate(frame(30))["fusion"].metrics["accuracy"] == 1.0


def test_the_published_example_with_a_column_name():
    """`label_columns` names the column that holds the labels."""
    data = frame().rename(columns={"label": "sentiment"})
    classifier = AutoFusionClassifier({**SMALL, "label_columns": ["sentiment"]}).fit(data)
    assert classifier.predict(["password"])[0] == "login"


@pytest.mark.parametrize("as_columns", [True, False])
def test_the_published_example_with_class_names(as_columns):
    """As 0/1 columns, or as names beside a label column: the answer is a name, and the order is the given one."""
    data, names = frame(), [*WORDS][::-1]
    if as_columns:
        data = data.assign(**{name: (data["label"] == name).astype(int) for name in names}).drop(columns="label")

    classifier = AutoFusionClassifier({**SMALL, "label_columns": names}).fit(data)

    assert classifier.predict(["password"]).predictions == ["login"]
    assert classifier.schema_.names == tuple(names)


def test_a_repeated_label_column_counts_once_and_is_told_once():
    with pytest.warns(UserWarning, match="label_columns repeats 'login'") as told:
        classifier = AutoFusionClassifier({**SMALL, "label_columns": [*WORDS, "login"]}).fit(frame())

    assert [one.filename for one in told] == [__file__]  # the line of whoever can mend it
    assert classifier.schema_.names == tuple(WORDS)


def test_multi_label_from_columns_of_zeros_and_ones():
    data = pd.DataFrame({"text": [f"{word} {n}" for n in range(20) for word in ("funny", "scary", "funny scary")]})
    data["comedy"], data["horror"] = [1, 0, 1] * 20, [0, 1, 1] * 20
    config = {**SMALL, "label_columns": ["comedy", "horror"], "multi_label": True}
    assert AutoFusionClassifier(config).fit(data).predict(["a scary one"])[0] == ["horror"]


def test_saved_and_loaded_it_answers_bit_for_bit_without_its_data_paths(tmp_path):
    """The model folder tells nobody where the data lay."""
    classifier = AutoFusionClassifier({**SMALL, "output_dir": "secret/place"}).fit(frame())
    classifier.save(tmp_path / "model")
    loaded = load(tmp_path / "model")
    assert loaded.predict_scores(frame()["text"]).equals(classifier.predict_scores(frame()["text"]))
    assert loaded.findings_ == classifier.findings_
    assert "secret" not in (tmp_path / "model" / "textclassify.json").read_text(encoding="utf-8")


def test_the_label_schema_is_stored_with_its_descriptions(tmp_path):
    """A refit of a loaded model knows the same labels, also one without a row; the file that named them may be gone."""
    file = tmp_path / "labels.yaml"
    file.write_text("labels: {login: access, delivery: parcels, billing: money, other: the rest}\n", encoding="utf-8")
    AutoFusionClassifier({**SMALL, "labels": str(file)}).fit(frame()).save(tmp_path / "model")
    file.unlink()

    loaded = load(tmp_path / "model")

    assert loaded.schema_.names == ("login", "delivery", "billing", "other")
    refitted = AutoFusionClassifier(**loaded.get_params()).fit(frame())
    assert refitted.schema_ == loaded.schema_
    assert refitted.schema_.descriptions["billing"] == "money"
    assert str(tmp_path) not in (tmp_path / "model" / "textclassify.json").read_text(encoding="utf-8")


def test_the_group_column_clusters_the_intervals():
    """Ten rows of one customer tell one story; `groups` by hand take the column's place."""
    train = frame().assign(customer=range(60))
    test = frame(30).assign(customer=[row // 10 for row in range(30)])
    test["label"] = ["billing"] * 10 + test["label"].tolist()[10:]
    classifier = AutoFusionClassifier({**SMALL, "group_column": "customer"}).fit(train)

    evaluation = classifier.evaluate(test)

    assert len(set(evaluation.data.clusters.tolist())) == 3
    assert len(set(classifier.evaluate(test, groups=range(30)).data.clusters.tolist())) == 30
    one_by_one = classifier.evaluate(test, groups=range(30))["fusion"].intervals["accuracy"]
    by_customer = evaluation["fusion"].intervals["accuracy"]
    assert by_customer.high - by_customer.low > one_by_one.high - one_by_one.low


def test_it_keeps_the_contract_of_every_classifier():
    data = frame(30)
    check_classifier(lambda: AutoFusionClassifier(SMALL), data["text"].tolist(), data["label"].tolist())


def test_a_table_is_read_as_in_training():
    """Another column of text in the new table must not be taken for the one that was learned from."""
    data = frame().rename(columns={"text": "body"})
    classifier = AutoFusionClassifier(SMALL).fit(data)
    new = pd.DataFrame({"text": ["parcel"], "body": ["password"]})
    assert classifier.predict(new).predictions == ["login"]
    assert classifier.predict_proba(new).argmax() == 2
    with pytest.raises(DataError, match="body"):
        classifier.predict(new[["text"]])


def test_the_type_of_labels_is_kept():
    data = frame().assign(label=[row % 3 for row in range(60)])
    answers = AutoFusionClassifier(SMALL).fit(data).predict(["parcel never"])
    assert answers.predictions == [1]
    assert np.asarray(answers).dtype.kind == "i"


def test_errors_name_the_remedy():
    with pytest.raises(NotFittedError, match="call fit"):
        AutoFusionClassifier(SMALL).predict(["text"])
    with pytest.raises(DataError, match="nothing to learn"):
        AutoFusionClassifier(SMALL).fit(["a", "b"], ["x", "x"])


def asked_about(classifier):
    """Return the language model's texts, and forget them."""
    asked = list(classifier.ensemble_.sources_["llm"].asked)
    classifier.ensemble_.sources_["llm"].asked.clear()
    return asked


def test_a_budget_is_passed_on_to_the_fusion():
    classifier = asking_classifier()
    asked_about(classifier)
    result = classifier.predict(TEST, llm_budget="20 calls")
    assert len(asked_about(classifier)) == result.metadata["asked"] == 20
    assert all(text.startswith("hard") for text in TEST if result.sources["llm"].answered[TEST.index(text)])


def test_a_configured_budget_holds_where_none_is_named():
    """Also for probabilities: who sets a budget does not expect a bill for them."""
    classifier = asking_classifier(llm_budget="20 calls")
    asked_about(classifier)
    classifier.predict(TEST)
    assert len(asked_about(classifier)) == 20
    scores = classifier.predict_scores(TEST)
    assert len(asked_about(classifier)) == 20
    np.testing.assert_array_equal(scores.values, classifier.predict(TEST).scores.values)
    asked_about(classifier)
    classifier.predict(TEST, llm_budget=1.0)
    assert len(asked_about(classifier)) == len(TEST)


def test_a_bounded_risk_withholds_answers_and_one_lifts_it():
    """Few hard texts are asked about, so that the others cannot be sure enough."""
    classifier = asking_classifier(llm_budget=0.05, max_risk=0.05)
    result = classifier.predict(TEST)
    kept = result.status == Status.OK
    assert 0.5 < kept.mean() < 0.95
    every = classifier.predict(TEST, max_risk=1)
    assert (every.status == Status.OK).all()
    right = np.array(every.predictions) == np.array(TEST_GOLD)
    assert right.mean() < 0.9
    assert right[kept].mean() > 0.95


def test_the_confidence_of_the_bound_is_passed_on():
    classifier = asking_classifier(llm_budget=0.05)
    result = classifier.predict(TEST, max_risk=0.05, confidence=0.8)
    assert "promised with 80% confidence" in result.metadata["guarantee"]


def test_label_shift_is_passed_on():
    classifier = asking_classifier()
    skewed = [text for text in TEST if "billing" in text]
    assert "label shares" in classifier.predict(skewed, label_shift=True).metadata["label_shift"]


def test_what_excludes_each_other_is_refused_before_anything_is_asked():
    classifier = asking_classifier(max_risk=0.05)
    asked_about(classifier)
    with pytest.raises(ConfigError, match="give llm_budget as a share"):
        classifier.predict(TEST, llm_budget="20 calls")
    assert asked_about(classifier) == []


def test_prediction_sets_hold_the_label_as_often_as_promised():
    sets = asking_classifier(llm_budget="30%").predict_set(TEST, alpha=0.1)
    assert np.mean([label in held for label, held in zip(TEST_GOLD, sets, strict=True)]) > 0.87
    assert sets.alpha == 0.1


def test_prediction_sets_keep_the_configured_budget():
    classifier = asking_classifier(llm_budget="30%")
    asked_about(classifier)
    classifier.predict_set(TEST[:50])
    assert 0 < len(asked_about(classifier)) < 30
    classifier.predict_set(TEST[:50], llm_budget=1.0)
    assert len(asked_about(classifier)) == 50


def test_the_cost_curve_of_a_table():
    """The gold labels stand in it, as for `evaluate`."""
    table = pd.DataFrame({"text": TEST, "label": TEST_GOLD})
    curve = asking_classifier(label_columns="label").cost_curve(table)
    assert curve["share"].iloc[[0, -1]].tolist() == [0, 1]
    assert curve["quality"].iloc[-1] > curve["quality"].iloc[0] + 0.05
    pd.testing.assert_frame_equal(curve, asking_classifier().cost_curve(TEST, TEST_GOLD))


def test_evaluation_is_of_what_the_configuration_deploys():
    evaluation = asking_classifier(llm_budget="20%", max_risk=0.1).evaluate(TEST, TEST_GOLD)
    assert any(note.startswith("llm_budget 20%: the fusion asked about") for note in evaluation.notes)
    assert evaluation.risk.max_risk == 0.1


def test_a_saved_model_keeps_its_budget_and_its_bound(tmp_path):
    asking_classifier(llm_budget="20 calls").save(tmp_path / "model")
    loaded = load(tmp_path / "model")
    assert loaded.config_.llm_budget == "20 calls"
    assert loaded.predict(TEST).metadata["asked"] == 20


@pytest.mark.slow
def test_three_rows_with_the_embedded_models(tmp_path):
    """The smallest published example, offline: prior weights over the zero-shot sources."""
    data = pd.DataFrame(
        {
            "text": ["I love this!", "This is terrible", "It's okay"],
            "sentiment": ["positive", "negative", "neutral"],
        }
    )
    classifier = AutoFusionClassifier({"label_columns": ["sentiment"], "ml_model": "minilm", "cache_dir": tmp_path})
    result = classifier.fit(data).predict(["This is amazing!"])
    assert result.predictions == ["positive"]
    assert classifier.ensemble_.selected_ == "prior_pool"
