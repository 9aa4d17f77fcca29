"""How long is trained where nothing is said, and options that do not go together."""

import pytest

pytest.importorskip("torch")

from textclassify.ml.fine_tuning_options import usual_epochs


@pytest.mark.parametrize(
    ("n_texts", "n_labels", "epochs"),
    [(20, 2, 10), (400, 4, 3), (2000, 2, 2), (4000, 4, 2), (5452, 6, 2), (18_800, 27, 3), (20_000, 4, 1)],
)
def test_texts_of_many_labels_are_seen_more_often_and_no_text_too_rarely(n_texts, n_labels, epochs):
    """Two labels are learned no worse than before because thirty need longer."""
    assert usual_epochs(n_texts, n_labels) == epochs
