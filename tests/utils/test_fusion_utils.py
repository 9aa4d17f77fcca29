"""`FusionUtils`: the published helpers, around a fusion whose sources are given."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from textclassify.errors import DataError, StorageError
from textclassify.runs.results import ResultsManager
from textclassify.utils.fusion_utils import FusionUtils

from ..asking import TEST, TEST_GOLD, asking_classifier, asking_fusion  # noqa: TID252 - a helper of several folders of tests


@pytest.fixture
def frame() -> pd.DataFrame:
    """Return 40 rows with an index of their own and a column that is neither text nor label."""
    rows = range(40)
    columns = {"text": [f"text number {row}" for row in rows], "label": ["pos", "neg"] * 20, "source": ["web"] * 40}
    return pd.DataFrame(columns, index=range(100, 140))


def test_both_frames_keep_the_columns_and_the_index(frame):
    """What else is known about a row is found again by it."""
    train, test = FusionUtils.prepare_data_for_fusion(frame, text_column="text", label_columns=["label"])

    assert len(train) == 32
    assert list(test.columns) == ["text", "label", "source"]
    pd.testing.assert_frame_equal(pd.concat([train, test]).sort_index(), frame)
    assert test["label"].value_counts().to_dict() == {"pos": 4, "neg": 4}


def test_equal_texts_and_groups_are_on_one_side(frame):
    """A model that has learned a text knows its copy, and figures on it are too good."""
    frame["customer"] = [row // 4 for row in range(40)]
    frame["text"] = frame["text"].where(frame.index < 120, "the same text")

    train, test = FusionUtils.prepare_data_for_fusion(frame, group_column="customer", test_size=0.3, random_state=1)

    assert len(test) > 0
    assert not set(train["text"]) & set(test["text"])
    assert not set(train["customer"]) & set(test["customer"])


def test_the_seed_decides_the_split(frame):
    first, again, other = (
        FusionUtils.prepare_data_for_fusion(frame, random_state=seed)[1].index.tolist() for seed in (3, 3, 4)
    )
    assert first == again != other


def test_multi_label_columns_are_split_as_they_stand(frame):
    frame = frame.drop(columns="label").assign(comedy=[1, 0] * 20, horror=[1, 1, 0, 0] * 10)
    train, test = FusionUtils.prepare_data_for_fusion(frame, "text", ["comedy", "horror"], multi_label=True)
    assert len(train) + len(test) == 40
    assert test["horror"].sum() == 4


def test_good_data_are_valid_and_described(frame):
    stats = FusionUtils.validate_fusion_data(frame, "text", ["label"])
    assert stats["valid"]
    assert stats["errors"] == stats["warnings"] == []
    assert stats["statistics"]["text"]["rows"] == stats["statistics"]["text"]["unique"] == 40
    assert stats["statistics"]["text"]["words"]["max"] == 3
    assert stats["statistics"]["labels"]["rows_per_label"] == {"neg": 20, "pos": 20}


def test_a_wrong_text_does_not_hide_a_wrong_label(frame):
    """Both are told in one go, each with its row."""
    frame.loc[103, "text"] = frame.loc[105, "label"] = None
    stats = FusionUtils.validate_fusion_data(frame, "text", ["label"])
    assert not stats["valid"]
    assert [("row 3" in error, "row 5" in error) for error in stats["errors"]] == [(True, False), (False, True)]
    assert stats["statistics"]["text"]["missing"] == 1


def test_what_is_worth_a_look_is_a_warning(frame):
    frame.loc[101, "text"] = frame.loc[100, "text"]
    stats = FusionUtils.validate_fusion_data(frame, "text", ["label"])
    assert stats["valid"]
    assert "another answer" in stats["warnings"][0]


def test_an_unknown_column_is_told_and_not_raised(frame):
    stats = FusionUtils.validate_fusion_data(frame, "txt", ["label"])
    assert "did you mean 'text'" in stats["errors"][0]
    assert stats["statistics"] == {"text": {}, "labels": {}}
    with pytest.raises(DataError, match="pass a DataFrame"):
        FusionUtils.validate_fusion_data(3, "text", ["label"])


def test_an_empty_table_is_told_and_not_raised(frame):
    stats = FusionUtils.validate_fusion_data(frame.iloc[:0], "text", ["label"])
    assert not stats["valid"]
    assert stats["statistics"]["text"] == {"rows": 0, "missing": 0}


def test_a_saved_model_answers_as_before(tmp_path):
    FusionUtils.save_fusion_model(asking_fusion(), f"{tmp_path}/models/fusion_v1/")
    loaded = FusionUtils.load_fusion_model(f"{tmp_path}/models/fusion_v1/")
    assert loaded.predict_scores(TEST).equals(asking_fusion().predict_scores(TEST))
    with pytest.raises(StorageError, match="no saved classifier"):
        FusionUtils.load_fusion_model(tmp_path / "elsewhere")


def test_an_evaluation_is_only_written_where_that_is_wished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    evaluation = FusionUtils.evaluate_fusion_model(asking_fusion(), TEST, TEST_GOLD, save_results=False)
    assert evaluation["fusion"].metrics["accuracy"] > 0.8
    assert list(tmp_path.iterdir()) == []


def test_a_kept_evaluation_is_a_run_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Two evaluations in one folder can be compared later; nothing is replaced."""
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        evaluation = FusionUtils.evaluate_fusion_model(asking_fusion(), TEST[:60], TEST_GOLD[:60])
    first, second = ResultsManager("fusion_results").runs()
    assert first.metrics["accuracy"]["value"] == evaluation["fusion"].metrics["accuracy"]
    assert second.predictions["text"].tolist() == TEST[:60]
    assert (second.folder / "report.md").is_file()


def test_a_configured_model_is_evaluated_as_it_was_configured():
    """Its label column and its budget are known already."""
    classifier = asking_classifier(llm_budget="20 calls", label_columns=["right"])
    table = pd.DataFrame({"text": TEST, "label": "something else", "right": TEST_GOLD})
    evaluation = FusionUtils.evaluate_fusion_model(classifier, table, save_results=False)
    assert any(note.startswith("llm_budget 20 calls") for note in evaluation.notes)


def test_plots_are_written_as_pictures(tmp_path: Path):
    evaluation = FusionUtils.evaluate_fusion_model(asking_fusion(), TEST[:60], TEST_GOLD[:60], save_results=False)
    written = FusionUtils.plot_fusion_results(evaluation, save_path=f"{tmp_path}/plots/")
    assert {path.suffix for path in written} == {".png", ".svg"}
    assert all(path.stat().st_size > 1000 for path in written)
