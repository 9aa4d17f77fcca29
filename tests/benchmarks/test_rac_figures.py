"""Figures of the benchmark of retrieval-augmented classification: each is what its name says."""

import json

import numpy as np
import pytest


def test_the_most_certain_share_leaves_rows_without_scores_to_the_last(rac):
    """A row that nobody scored is not among the certain ones while others are there."""
    chosen = rac("rac_figures").most_certain([0.2, np.nan, 0.9, 0.5], coverage=0.5)

    assert chosen.tolist() == [False, False, True, True]


def test_ranks_of_equal_scores_are_those_of_a_stable_sort(rac):
    """Otherwise a classifier that knows nothing would have a recall of 1 at rank 1."""
    values = np.array([[0.5, 0.5, 0.5], [0.1, 0.2, 0.7], [np.nan, 0.2, 0.1]])

    ranks = rac("rac_figures").gold_ranks(values, np.array([2, 1, 0]))

    assert ranks.tolist() == [2, 1, 2]


def test_accuracy_at_coverage_looks_at_the_certain_rows_only(rac):
    """The paper's figure: quality among what is labelled, not among all."""
    module = rac("rac_figures")
    gold = np.arange(10) % 2
    codes = np.where(np.arange(10) < 7, gold, 1 - gold)
    certainty = np.linspace(1, 0.6, 10)
    values = np.eye(2)[codes]

    figures = module.figures_of([module.single_label(gold, values, certainty, codes)], np.arange(10))

    assert figures["accuracy"][0] == pytest.approx(0.7)
    assert figures["accuracy_at_coverage"][0] == 1.0


def test_several_seeds_count_a_row_once(rac):
    """Five seeds on the same rows are not five times the rows: the interval would be too narrow."""
    module = rac("rac_figures")
    gold = np.zeros(200, dtype=int)
    codes = (np.random.default_rng(0).random(200) < 0.3).astype(int)
    one = module.single_label(gold, np.eye(2)[codes], np.ones(200), codes)

    alone, five = (module.figures_of([one] * n, np.arange(200)) for n in (1, 5))

    assert five["accuracy"] == pytest.approx(alone["accuracy"])
    assert five["accuracy_sd"] == 0.0


def test_auroc_counts_ties_half(rac):
    """A certainty that is the same everywhere tells nothing."""
    auroc = rac("rac_figures").auroc

    assert auroc([1, 1], [1, 1, 1]) == 0.5
    assert auroc([3, 2], [1, 2]) == pytest.approx(3.5 / 4)


def test_paired_comparisons_are_corrected_for_their_number(rac):
    """Four decisions against retrieval alone are four chances of a lucky one."""
    rng = np.random.default_rng(0)
    reference = rng.random(300) < 0.6
    right = {"reference": reference, "same": reference.copy(), "better": reference | (rng.random(300) < 0.2)}

    found = rac("rac_figures").compared(right, "reference", np.arange(300))

    assert set(found) == {"same", "better"}
    assert found["better"]["difference"][1] > 0
    assert found["better"]["mid_p_holm"] == pytest.approx(min(1.0, 2 * found["better"]["mid_p"]))
    assert found["same"]["mid_p"] == 1.0


def test_the_lead_at_coverage_compares_each_system_on_its_own_certain_rows(rac):
    """A system may be right more often where it is sure without being right more often in all."""
    module = rac("rac_figures")
    right = np.array([1, 1, 0, 0], dtype=bool)
    mine = {"right": right, "certain": np.array([1, 1, 0, 0], dtype=bool)}
    other = {"right": right, "certain": np.array([0, 1, 1, 0], dtype=bool)}

    assert module.lead_at_coverage(mine, other, np.arange(4))[0] == pytest.approx(0.5)


def test_figures_of_one_part_leave_the_others_in_the_file(rac, tmp_path):
    """Parts are measured on different days."""
    module = rac("rac_figures")
    target = tmp_path / "results" / "rac.json"

    module.write_figures(target, "speed", {"a": 0.123456789})
    module.write_figures(target, "retrieval", {"b": [1.0]})
    module.write_figures(target, "speed", {"c": 2})
    found = json.loads(target.read_text())
    module.forget(target, "retrieval")

    assert found["speed"] == {"a": 0.12346, "c": 2}
    assert "retrieval" in found
    assert "retrieval" not in module.kept_figures(target)
    assert not list(target.parent.glob("*.tmp"))


def test_tables_are_printed_from_the_file_alone(rac, tmp_path, capsys):
    """The figures of a run of hours are looked at again without running anything."""
    figures, report = rac("rac_figures"), rac("rac_report")
    target = tmp_path / "rac.json"
    shares = {name: [0.5, 0.4, 0.6] for name in ("accuracy", "accuracy_at_coverage")}
    entry = {"ours": {"rows": 1200, **shares, "recall": {"1": [0.5, 0.4, 0.6], "3": [0.7, 0.6, 0.8]}}}
    figures.write_figures(target, "retrieval", {"made up": entry})
    figures.write_figures(target, "speed", {"best": {"goal": 1.15, "ratio": 1.1, "ours_s": 11, "bare_s": 10}})

    report.printed(target, ["retrieval", "llm", "speed"], markdown=True)
    printed = capsys.readouterr().out

    assert "### made up: 1,200 rows" in printed
    assert "| ours | 0.500 [0.400, 0.600] | 0.500 [0.400, 0.600] | 0.700 |" in printed
    assert "| best | at most 1.15 | 1.100 |" in printed
