"""One honest paragraph about a fusion: was it worth it, compared with what could be had for less?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from textclassify.runs.systems import System

SIGNIFICANT = 0.05
"""Adjusted p value below which a difference is called significant."""
FEW_TEXTS = 100
"""Texts below which only large differences can show."""


def verdict_on(
    systems: Sequence[System], n_texts: int, selected: str, llm_sources: Sequence[str], without_llm: str
) -> str:
    """Return what the figures say of the fusion, the first system, against the best single source and without an LLM.

    Args:
        systems: the fusion first, then what it was compared with.
        n_texts: on how many texts.
        selected: the rung that answers.
        llm_sources: names of the sources that ask a language model.
        without_llm: name of the system that is the fusion without these.

    """
    fusion = systems[0]
    by_name = {system.name: system for system in systems[1:]}
    n_sources = len(by_name) - (without_llm in by_name)
    best = next((system for system in systems if system.best_single), None)
    sentences = [_of_single(fusion, best, n_texts, selected, n_sources)]
    if llm_sources:
        sentences.append(_of_llm(fusion, by_name.get(without_llm), llm_sources))
    if n_texts < FEW_TEXTS:
        sentences.append(f"With {n_texts} texts only large differences can show.")
    return " ".join(sentence for sentence in sentences if sentence)


def _of_single(fusion: System, best: System | None, n_texts: int, selected: str, n_sources: int) -> str:
    if best is None:
        return (
            "There were too few training rows to learn how to combine the sources or to say which is best: "
            "they share the weight by a fixed rule."
        )
    if selected == "best_single" and n_sources == 1:
        return f"There is one source, {best.name!r}, and nothing to fuse ({_metric(fusion)} on these {n_texts} texts)."
    if selected == "best_single":
        return (
            f"The fusion answers with {best.name!r} alone: on the training rows no combination was clearly better "
            f"({_metric(fusion)} on these {n_texts} texts)."
        )
    return (
        f"The fusion is {_compared(best)} {best.name!r} alone, its best single source, on these {n_texts} texts "
        f"({_figures(best)})."
    )


def _of_llm(fusion: System, without: System | None, llm_sources: Sequence[str]) -> str:
    named = " and ".join(repr(name) for name in llm_sources)
    if without is None:
        return ""
    if not fusion.asks_llm:
        return f"It does not ask {named}: on the training rows that did not pay, so predicting costs no call."
    if _is_significant(without) and _difference(without) > 0:
        return f"Asking {named} was worth it: significantly better than without ({_figures(without)})."
    if _is_significant(without):
        return f"Asking {named} did harm here: significantly worse than without ({_figures(without)})."
    return (
        f"Whether asking {named} is worth it does not show here: not significantly different from going without "
        f"({_figures(without)})."
    )


def _compared(other: System) -> str:
    if not _is_significant(other):
        return "not significantly better than" if _difference(other) >= 0 else "not significantly different from"
    return "significantly better than" if _difference(other) > 0 else "significantly worse than"


def _is_significant(other: System) -> bool:
    return other.comparison is not None and other.comparison.p_adjusted < SIGNIFICANT


def _difference(other: System) -> float:
    return 0.0 if other.comparison is None else other.comparison.difference


def _figures(other: System) -> str:
    if other.comparison is None:
        return "not compared"
    against = other.comparison
    p = "p < 0.001" if against.p_adjusted < 0.001 else f"p = {against.p_adjusted:.2g}"
    return f"{against.difference:+.3f} {against.metric.replace('_', '-')}, {p}"


def _metric(system: System) -> str:
    name = "micro_f1" if "micro_f1" in system.metrics else "accuracy"
    return f"{name.replace('_', '-')} {system.metrics[name]:.3f}"
