"""The live benchmark's bookkeeping: who was trained on what, and which rows kept scores belong to."""

import sys
from pathlib import Path

import numpy as np
import pytest

from textclassify.core.scales import Method
from textclassify.core.scores import Scores
from textclassify.core.types import TrainingData

FOLDER = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture
def live(monkeypatch):
    """Return a module of the benchmark by name; scripts are no package, so their folder is put on the path."""
    monkeypatch.syspath_prepend(str(FOLDER))
    before = set(sys.modules)
    yield __import__
    for name in set(sys.modules) - before:
        if name == "public_data" or name.startswith("live"):
            del sys.modules[name]


def rows(n, offset=0):
    return TrainingData([f"text {offset + row}" for row in range(n)], ["ab"[row % 2] for row in range(n)])


def test_the_training_sets_of_one_seed_are_nested_and_begin_with_rows_that_models_were_asked_about(live):
    """One set of a language model's answers serves every size and every seed."""
    data = live("live_data").DataSet("made up", rows(600), rows(5, offset=600))

    small, large = (data.train(size, 1)[0] for size in (100, 550))

    assert small.tolist() == large[:100].tolist()
    assert set(large[:500]) == set(range(500))
    assert small.tolist() != data.train(100, 2)[0].tolist()


def test_a_large_training_set_reserves_rows_that_models_were_asked_about(live):
    """Of a random fifth of 4,000 rows only 100 would have answers of a language model."""
    folds = live("live_data").folds_of(rows(2500), 0)

    assert np.flatnonzero(folds == 0).tolist() == list(range(500))
    assert set(folds[500:]) == {-1}


def test_kept_scores_come_back_as_they_were(live, tmp_path):
    """Folds tell out-of-fold from in-sample scores, and methods tell who asks a language model."""
    module = live("live_data")
    data = rows(2)
    scores = Scores.from_probabilities([[0.9, 0.1], [0.2, 0.8]], "ab", fold=[0, 1], method=Method.TRAINED)
    path = module.cell_file(tmp_path, "made up", "encoder", "n2_s0")

    module.write_scores(path, {"train": scores}, rows=np.arange(2))
    found = module.read_scores(path, "train", data.schema, "given")

    assert found.equals(scores)
    assert not list(path.parent.glob("*.tmp"))


def test_an_ablation_to_votes_keeps_the_best_label_and_what_is_missing(live):
    """Otherwise the ablation would compare other answers, not another way to write them down."""
    scores = Scores.from_probabilities([[0.9, 0.1], [np.nan, np.nan], [0.4, 0.6]], "ab")

    votes = live("live_ablations").as_votes(scores)

    assert votes.probabilities.tolist()[::2] == [[1.0, 0.0], [0.0, 1.0]]
    assert votes.answered.tolist() == [True, False, True]


def test_the_lead_over_a_rival_averages_a_row_over_the_seeds_first(live):
    """The seeds answer the same rows: three times the rows would claim a standard error that is too small."""
    module = live("live_table")

    def answers(codes):
        return module.Answers(np.array(codes), np.full((4, 2), 0.5))

    cells = []
    for codes in ([0, 1, 1, 1], [0, 1, 1, 0]):
        cell = module.CellAnswers(_Cell(np.array([0, 1, 1, 1])), np.arange(4))
        cell.systems.update({"fusion": answers(codes), "encoder": answers([0, 1, 0, 0])})
        cells.append(cell)

    mean, error = module.lead(cells, "fusion", "encoder")

    assert mean == pytest.approx((1.0 + 0.5) / 4)
    assert error == pytest.approx(np.std([0, 0, 1, 0.5], ddof=1) / 2)


class _Cell:
    """As much of a cell as its answers need."""

    def __init__(self, test_gold):
        self.test_gold = test_gold
