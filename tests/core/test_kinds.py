"""The one table that configuration and loading use."""

import pytest

import textclassify
from textclassify import LinearClassifier, ScoreFusion, Scores
from textclassify.core.contract import TextClassifier
from textclassify.core.kinds import KINDS, class_of
from textclassify.core.storage import new_folder, write_manifest
from textclassify.errors import ConfigError, StorageError


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_names_a_classifier_of_that_kind(kind):
    """A folder says its kind; loading finds the class by it."""
    assert issubclass(class_of(kind), TextClassifier)
    assert class_of(kind).kind == kind


def test_an_unknown_kind_suggests_the_nearest():
    """Typing errors in a configuration end here."""
    with pytest.raises(ConfigError, match="unknown kind of classifier 'liner'; did you mean 'linear'"):
        class_of("liner")


def test_load_opens_score_fusions_too(tmp_path):
    """They are saved like classifiers, but take scores; who needs a classifier is told."""
    scores = Scores.from_probabilities([[0.9, 0.1], [0.2, 0.8]], ["ham", "spam"])
    fusion = ScoreFusion().fit({"encoder": scores}, ["ham", "spam"])
    fusion.save(tmp_path / "fusion")

    found = textclassify.load(tmp_path / "fusion")

    assert type(found) is ScoreFusion
    assert found.predict({"encoder": scores}).predictions == fusion.predict({"encoder": scores}).predictions
    with pytest.raises(StorageError, match=r"holds a score_fusion, which takes scores.*textclassify\.load"):
        LinearClassifier.load(tmp_path / "fusion")


def test_a_folder_of_an_unknown_kind_is_from_another_version(tmp_path):
    with new_folder(tmp_path / "model") as folder:
        write_manifest(folder, "oracle", {})

    with pytest.raises(StorageError, match="holds a 'oracle', which is not known here: it was written by textclassify"):
        textclassify.load(tmp_path / "model")
