"""AutoFusionClassifier: a few keys in, a fitted fusion out; here with the sources that need no weights."""

import numpy as np
import pandas as pd
import pytest

from textclassify import AutoFusionClassifier, load
from textclassify.errors import DataError, NotFittedError
from textclassify.testing import check_classifier

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
