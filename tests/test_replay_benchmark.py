"""The replay's loader and statistics, on files made up here; the recorded predictions are no part of the repository."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pandas as pd
import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
SINGLE = {"rb_p1": [0.7, 0.2, 0.6], "rb_p2": [0.3, 0.8, 0.4], "rb_pred": [0, 1, 0], "llm_pred": [0, 1, 1]}


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch):
    """Return a reader of the benchmark's parts: scripts are no package, so they are found through their folder."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module


@pytest.fixture
def statistics(benchmark) -> ModuleType:
    return benchmark("replay_statistics")


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    """Return a folder of three rows per part: AG News with two labels, Reuters with two labels."""
    folder = tmp_path / "recorded"
    folder.mkdir()
    for part, ids in (("val", [3, 1, 2]), ("test", [6, 4, 5])):
        rows = {"row": [0, 1, 2], "id": ids, "gold": [0, 1, 1]} | SINGLE | {"upstream_fusion_pred": [1, 1, 1]}
        rows |= {"llm_pred_misaligned": [1, 0, 0]} if part == "val" else {}
        _write(folder / f"agnews_{part}_train005pct.csv.gz", rows)
        bits = {name: ["10", "01", "00"] for name in ("gold", "rb_pred", "llm_pred", "upstream_fusion_pred")}
        odds = {"rb_p0": [0.4, 0.1, 0.2], "rb_p1": [0.2, 0.6, 0.1]}
        _write(folder / f"reuters_{part}_train100pct.csv.gz", {"row": [0, 1, 2]} | bits | odds)
    texts = {"id": [1, 2, 3, 4, 5, 6], "title": list("aabcde"), "description": [None] * 6, "split": _parts()}
    _write(folder / "agnews_texts.csv.gz", texts)
    _write(folder / "reuters_texts.csv.gz", {"row": [0, 1, 2] * 2, "text": ["A b", "a  B", "c"] * 2, "split": _parts()})
    return folder


def test_the_llm_votes_of_validation_rows_are_the_aligned_ones(benchmark, recorded: Path):
    """The misaligned column answers other texts: a fusion learned from it would distrust a good source."""
    data = benchmark("replay_data")

    cell = data.read_cell(recorded, data.TASKS[0], 5)

    assert cell.validation.votes.tolist() == [0, 1, 1]
    assert cell.validation.sources["llm"].probabilities.tolist() == [[1, 0], [0, 1], [0, 1]]
    assert cell.validation.sources["encoder"].probabilities.argmax(axis=1).tolist() == [0, 1, 0]


def test_rows_of_equal_text_are_one_cluster(benchmark, recorded: Path):
    """They are resampled together; texts are found by id in AG News and by row elsewhere, whatever their case."""
    data = benchmark("replay_data")

    news = data.read_cell(recorded, data.TASKS[0], 5).validation.clusters
    reuters = data.read_cell(recorded, data.TASKS[1], 100).test.clusters

    assert news[1] == news[2] != news[0]
    assert reuters[0] == reuters[1] != reuters[2]


def test_bit_strings_become_indicators_and_lists_of_votes(benchmark, recorded: Path):
    """Leading zeros must survive, and a row without any label is an answer, not a missing one."""
    data = benchmark("replay_data")

    part = data.read_cell(recorded, data.TASKS[1], 100).test

    assert part.gold.tolist() == [[1, 0], [0, 1], [0, 0]]
    assert part.sources["llm"].answered.all()
    assert part.sources["llm"].multi_label


def test_every_recorded_share_is_found(benchmark, recorded: Path):
    """All sizes of a task are replayed, in order."""
    data = benchmark("replay_data")
    (recorded / "agnews_val_train100pct.csv.gz").touch()

    assert data.recorded_shares(recorded, data.TASKS[0]) == [5, 100]
    assert data.recorded_shares(recorded, data.TASKS[2]) == []


def test_the_encoder_meets_the_fusion_with_the_better_of_two_rules(benchmark, recorded: Path):
    """A threshold of 0.5 leaves a weak encoder without answers, which would be an easy reference."""
    data, cell = benchmark("replay_data"), benchmark("replay_cell")

    answers = cell.single_answers(data.read_cell(recorded, data.TASKS[1], 100).test)

    assert answers["encoder"].tolist() == [[0, 0], [0, 1], [0, 0]]
    assert answers["encoder_rule"].tolist() == [[1, 0], [0, 1], [1, 0]]


def test_the_best_single_source_is_chosen_by_the_metric(benchmark, recorded: Path):
    """It is called with validation rows only, so the test rows have no say."""
    data, cell = benchmark("replay_data"), benchmark("replay_cell")

    assert cell.best_single(data.read_cell(recorded, data.TASKS[0], 5).validation, "accuracy") == "llm"


def test_micro_f1_is_the_ratio_of_its_rows(statistics: ModuleType):
    """What is resampled must be the metric of the library."""
    rng = np.random.default_rng(0)
    gold, codes = rng.integers(0, 2, (2, 40, 3))

    for metric in ("micro_f1", "subset_accuracy"):
        rows = statistics.ratio_rows(metric, gold, codes)
        assert statistics.ratio(rows) == pytest.approx(statistics.value_of(metric, gold, codes))


def test_a_clear_difference_in_micro_f1_is_significant_and_none_is_not(statistics: ModuleType):
    """The p value of a paired bootstrap says what the interval says."""
    gold = np.random.default_rng(0).integers(0, 2, (200, 3))
    worse = np.where(np.arange(200)[:, None] % 4 == 0, 1 - gold, gold)
    resamples = statistics.Resamples(np.arange(200), n_resamples=500)

    clear = statistics.compared("micro_f1", gold, gold, worse, resamples)
    none = statistics.compared("micro_f1", gold, worse, worse, resamples)

    assert clear["p"] < 0.01
    assert 0 < clear["low"] < clear["difference"] < clear["high"]
    assert (none["p"], none["difference"]) == (1.0, 0.0)


def test_rows_of_one_cluster_are_drawn_together(statistics: ModuleType):
    """With one cluster alone nothing varies; counted by row there would be a spread that is not there."""
    rows = np.column_stack([np.arange(10) % 2, np.ones(10)])

    drawn = statistics.Resamples(np.zeros(10, dtype=np.int64), n_resamples=50).ratios(rows)

    assert drawn.tolist() == [0.5] * 50


def test_losses_are_listed_with_and_without_correction(statistics: ModuleType):
    """An exception that the correction forgives is still shown."""
    tests = [{"cell": str(number), "difference": -0.01, "p": p} for number, p in enumerate([0.001, 0.04, 0.5])]

    family = statistics.corrected([*tests, {"cell": "up", "difference": 0.1, "p": 0.0001}])

    assert family["losses"] == ["0"]
    assert [test["cell"] for test in family["uncorrected_losses"]] == ["0", "1"]
    assert (family["gains"], family["below"], family["tests"]) == (["up"], 3, 4)


def test_the_oracle_is_right_where_any_source_is(statistics: ModuleType):
    """Per row with one label, per label with several; where all are wrong it must stay wrong."""
    one = statistics.label_wise_oracle(np.array([0, 1, 2]), [np.array([0, 0, 0]), np.array([1, 1, 1])])
    several = statistics.label_wise_oracle(np.array([[1, 1, 1]]), [np.array([[1, 0, 0]]), np.array([[0, 1, 0]])])

    assert one.tolist() == [0, 1, 0]
    assert several.tolist() == [[1, 1, 0]]


def test_a_budget_is_measured_against_random_and_entropy_at_the_same_number_of_calls(benchmark):
    """Asking about the two rows that gain keeps all of the gain; entropy picks others here, random half of them."""
    curve, statistics = benchmark("replay_curve"), benchmark("replay_statistics")
    free, full = (statistics.ratio_rows("accuracy", np.zeros(4), np.array(codes)) for codes in ([1, 1, 0, 0], [0] * 4))
    asked = {0.5: np.array([True, True, False, False])}

    figures = curve._curve(free, full, asked, np.array([0.1, 0.2, 0.3, 0.4]), statistics.Resamples(np.arange(4), 50))

    point = figures["at"]["50%"]
    assert (figures["gain"], point["asked"]) == (0.5, 0.5)
    assert (point["deferral_kept"], point["random_kept"], point["entropy_kept"]) == (1.0, 0.5, 0.0)


def test_the_fusions_own_curve_is_read_at_the_budgets(benchmark):
    """Its points need not be the budgets; a fusion without curves is replayed all the same."""
    curve = benchmark("replay_curve")
    points = pd.DataFrame({"share": [0.1, 0.31, 1.0], "kept": [0.4, 0.9, 1.0], "kept_low": 0.1, "kept_high": 1.2})
    cell = SimpleNamespace(test=SimpleNamespace(sources={}, gold=[]))
    fusion = SimpleNamespace(cost_curve=lambda _sources, _gold: points)

    assert curve.reported_curve(fusion, cell)["30%"] == [0.9, 0.1, 1.2]
    assert curve.reported_curve(SimpleNamespace(), cell) is None


def test_entropy_finds_the_row_that_could_go_either_way(benchmark):
    """The policy beside ours must be a real one."""
    curve = benchmark("replay_curve")
    rows = np.array([[0.9, 0.1], [0.5, 0.5], [1.0, 0.0]])

    assert curve.entropy(rows, multi_label=False) == pytest.approx([0.3251, 0.6931, 0], abs=1e-4)
    assert curve.entropy(rows, multi_label=True) == pytest.approx([0.6502, 1.3863, 0], abs=1e-4)


def test_a_target_is_reached_by_its_first_three_digits(benchmark):
    """They were given to three; a cell that was not replayed has no say."""
    tables = benchmark("replay_tables")
    cells = {name: {"systems": {"fusion": {"accuracy": [value, 0.8, 0.9]}}} for name, value in _reached().items()}

    assert [row["reached"] for row in tables.targets(cells)] == [True, False]


def test_the_file_can_be_read_and_holds_null_for_what_is_not_defined(benchmark):
    """Other scripts read it; NaN is no JSON."""
    replay = benchmark("replay")

    text = replay.written({"random_state": 0, "cells": {"agnews 1%": {"gain": float("nan"), "p": 1 / 3}}})

    assert json.loads(text) == {"random_state": 0, "cells": {"agnews 1%": {"gain": None, "p": 0.3333}}}


def _reached() -> dict[str, float]:
    return {"agnews 5%": 0.8756, "agnews 10%": 0.8934}


def _parts() -> list[str]:
    return ["val"] * 3 + ["test"] * 3


def _write(path: Path, columns: dict[str, list]) -> None:
    pd.DataFrame(columns).to_csv(path, index=False)
