"""A language model's checks beside retrieval alone and beside naive prompting, all on the same rows.

Answers are kept piece by piece, without texts: a run that is interrupted goes on where it stopped.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from rac_data import Rows, read_rows
from rac_figures import Figures, compared, figures_of, lead_at_coverage, multi_label, share, single_label, write_figures
from textclassify import LLMClassifier, RACClassifier
from textclassify.core.result import ClassificationResult
from textclassify.rac.verification import DECISIONS

PART = "llm"
RETRIEVAL = "retrieval alone"
NAIVE = "naive prompting: all labels at once"
PIECE = 25
"""Texts that are answered between two writings."""


@dataclass(frozen=True)
class Asked:
    """What is asked, and where answers are kept.

    Attributes:
        model: a `.gguf` file or a folder of a language model, read in this process.
        cache: folder for the library's replies and for answers.
        top_k: candidates per text.
        demonstrations: of `RACClassifier`; None = its default.

    """

    model: str
    cache: Path
    top_k: int = 5
    demonstrations: int | None = None

    def systems(self, test: Rows) -> dict[str, Callable[[], RACClassifier | LLMClassifier]]:
        """Return how each system is made, cheapest first."""
        found: dict[str, Callable[[], RACClassifier | LLMClassifier]] = {RETRIEVAL: lambda: RACClassifier(test.schema)}
        for decision in sorted(DECISIONS, key=("listwise", "pairwise", "first_yes", "best", "both").index):
            found[decision] = lambda decision=decision: RACClassifier(  # type: ignore[misc] # a default binds it
                test.schema,
                self._llm(test),
                top_k=self.top_k,
                decision=decision,
                demonstrations=self.demonstrations,
            )
        return found | {NAIVE: lambda: self._llm(test)}

    def described(self, seed: int) -> Figures:
        """Return what figures are to name."""
        return {"model": Path(self.model).name, "top_k": self.top_k, "seed": seed}

    def _llm(self, test: Rows) -> LLMClassifier:
        return LLMClassifier(test.schema, provider="local", model=self.model, cache_dir=self.cache / "replies")


@dataclass(frozen=True, eq=False)
class Answers:
    """What a system said about n rows.

    Attributes:
        values: (n, K) scores; NaN = none.
        codes: (n,) answers, -1 = none; or (n, K) of 0 and 1.
        calls: (n,) questions asked.
        status: (n,) of the scores.
        seconds: in all; next to nothing where the library knew the replies already.

    """

    values: NDArray[np.float32]
    codes: NDArray[np.int64]
    calls: NDArray[np.int64]
    status: NDArray[np.uint8]
    seconds: float


def measured_llm(
    name: str,
    asked: Asked,
    target: Path,
    *,
    root: str | None = None,
    rows: int = 500,
    seed: int = 0,
    systems: Sequence[str] | None = None,
    say: Callable[[str], None] | None = None,
) -> None:
    """Ask about what is missing of the drawn test rows, and write the figures of what there is.

    Args:
        name: of the data set.
        asked: model and folders.
        target: the file of figures.
        root: the data folder.
        rows: test rows.
        seed: of their draw.
        systems: those to ask, by name or its beginning; None = all. Others are reported where they are complete.
        say: called with a line per piece; None = print it.

    """
    say = say or Console(stderr=True, soft_wrap=True).print
    test = read_rows(name, "test", root, rows=rows, seed=seed)
    shown = "" if asked.demonstrations is None else f", demonstrations={asked.demonstrations}"
    varied = "" if asked.demonstrations is None else f"_d{asked.demonstrations}"
    folder = asked.cache / f"{name}_{len(test)}_s{seed}_k{asked.top_k}{varied}"
    found: dict[str, Answers] = {}
    for system, make in asked.systems(test).items():
        wanted = systems is None or any(system.startswith(one) for one in systems)
        answers = answers_of(test, make if wanted else None, folder / system.split(":")[0].replace(" ", "_"), say)
        if answers is not None:
            found[system] = answers
            figures = report(test, found)
            write_figures(target, PART, {f"{name}, {len(test)} rows{shown}": figures | asked.described(seed)})


def answers_of(test: Rows, make: Callable[[], Any] | None, folder: Path, say: Callable[[str], None]) -> Answers | None:
    """Return a system's answers, asking about what is missing; None where something is, and nobody is to be asked."""
    pieces: list[dict[str, NDArray[Any]]] = []
    classifier = None
    for start in range(0, len(test), PIECE):
        path = folder / f"{start:05d}.npz"
        piece = test.take(np.arange(start, min(start + PIECE, len(test))))
        if not path.is_file():
            if make is None:
                return None
            classifier = classifier or make()
            columns = columns_of(classifier, piece)
            _write(path, columns)
            done = start + len(piece)
            say(f"{folder.name}: {done} of {len(test)}, {_right(columns, piece)}, {float(columns['seconds']):.0f} s")
        with np.load(path) as kept:
            pieces.append(dict(kept))
        if not np.array_equal(pieces[-1]["row_ids"], piece.row_ids):
            raise SystemExit(f"{str(path)!r} holds answers about other texts; remove its folder and ask again")
    joined = {key: np.concatenate([piece[key] for piece in pieces]) for key in ("values", "codes", "calls", "status")}
    return Answers(**joined, seconds=float(sum(piece["seconds"] for piece in pieces)))


def columns_of(classifier: Any, piece: Rows) -> dict[str, NDArray[Any]]:
    """Return a classifier's answers about some rows, as they are kept."""
    started = time.perf_counter()
    result: ClassificationResult = classifier.predict(piece.texts)
    seconds = time.perf_counter() - started
    readings = (len(piece.schema) if piece.schema.multi_label else 1) if isinstance(classifier, LLMClassifier) else 0
    return {
        "values": result.scores.values,
        "codes": np.asarray(result.codes, dtype=np.int64),
        "calls": np.asarray(result.details.get("calls", np.full(len(piece), readings)), dtype=np.int64),
        "status": result.scores.status,
        "seconds": np.array(seconds),
        "row_ids": piece.row_ids,
    }


def report(test: Rows, found: Mapping[str, Answers]) -> Figures:
    """Return the figures of all systems, and how each differs from retrieval alone; Holm is over the decisions."""
    systems: Figures = {}
    right: dict[str, NDArray[np.bool_]] = {}
    for name, answers in found.items():
        if test.schema.multi_label:
            figures = multi_label(test.gold, answers.values, answers.codes, test.groups)
            right[name] = np.asarray((answers.codes == test.gold).all(axis=1))
        else:
            figures = _single_label(test, answers)
            right[name] = np.asarray(answers.codes == test.gold)
        calls, failed = float(answers.calls.mean()), int((answers.status != 0).sum())
        systems[name] = figures | {"calls_per_text": calls, "seconds": answers.seconds, "not_scored": failed}
    against: Figures = {}
    if RETRIEVAL in right:
        decisions = {name: column for name, column in right.items() if name != NAIVE}
        against = compared(decisions, RETRIEVAL, test.groups)
        if NAIVE in right:
            pair = {name: right[name] for name in (RETRIEVAL, NAIVE)}
            against |= compared(pair, RETRIEVAL, test.groups)
        if not test.schema.multi_label:
            columns = {name: _rows_of(test, answers)[2] for name, answers in found.items()}
            for name, lead in against.items():
                lead["difference_at_coverage"] = lead_at_coverage(columns[name], columns[RETRIEVAL], test.groups)
    return {"systems": systems, f"against {RETRIEVAL}": against}


def _single_label(test: Rows, answers: Answers) -> Figures:
    """Return figures with rows without an answer counted as wrong, and beside them those of the best label by force."""
    scored, filled, rows = _rows_of(test, answers)
    labelled = np.asarray(answers.codes >= 0)
    return figures_of([rows], test.groups) | {
        "coverage": share(labelled, test.groups),
        "precision": share(rows["right"][labelled], test.groups[labelled]),
        "accuracy_without_abstention": share(scored & (filled.argmax(axis=1) == test.gold), test.groups),
    }


def _rows_of(test: Rows, answers: Answers) -> tuple[NDArray[np.bool_], NDArray[np.float32], dict[str, NDArray[Any]]]:
    """Return which rows have scores, scores with -inf where there are none, and what each row adds to the figures."""
    scored = np.asarray(~np.isnan(answers.values).any(axis=1))
    filled = np.where(scored[:, None], answers.values, -np.inf)
    certainty = np.where(scored, filled.max(axis=1), np.nan)
    return scored, filled, single_label(test.gold, filled, certainty, answers.codes)


def _right(columns: Mapping[str, NDArray[Any]], piece: Rows) -> str:
    right = np.asarray(columns["codes"] == piece.gold).reshape(len(piece), -1).all(axis=1)
    return f"right {right.mean():.3f}"


def _write(path: Path, columns: Mapping[str, NDArray[Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    with temporary.open("wb") as file:
        np.savez(file, allow_pickle=False, **columns)
    temporary.replace(path)
