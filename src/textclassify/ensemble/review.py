"""Which texts a person should look at: whose gold label would teach most, and whose label is probably wrong.

Both kinds are hard by design. They carry `chosen_by="ranking"`, so that they train and nothing is calibrated, guarded
or measured on them; a share of the first kind is drawn at random instead, which makes it fit for that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from textclassify.core.labels import LabelSchema
from textclassify.core.result import ClassificationResult, decide, gold_for
from textclassify.core.scales import IN_SAMPLE, Status
from textclassify.core.scores import Scores
from textclassify.core.seeds import check_seed
from textclassify.core.selection import CHOSEN_BY, RANDOM, RANKING
from textclassify.core.texts import as_texts, blank_rows, hash_wordings
from textclassify.core.types import TrainingData
from textclassify.ensemble.combining.rows import complete
from textclassify.ensemble.reviewing.label_value import LabelValue, label_value, spread_out, unit_vectors
from textclassify.ensemble.reviewing.review_words import why_random, why_ranked
from textclassify.ensemble.reviewing.suspects import Suspects
from textclassify.errors import ConfigError, DataError, ScoresError

if TYPE_CHECKING:
    import pandas as pd

LABELS, SEVERAL = "labels", "multi_label"
"""`attrs` of the tables: the label names in their order, and whether a text may have several."""


def rows_to_label(
    answers: ClassificationResult | Scores,
    texts: Any = None,
    vectors: ArrayLike | None = None,
    *,
    n: int | None = None,
    sources: Mapping[str, Scores] | None = None,
    random_share: float = 0.1,
    random_state: int = 0,
) -> pd.DataFrame:
    """Return the rows of an unlabelled corpus whose gold labels are worth most, best first, with the reason.

    A row is worth more the less sure its answer is, the more its sources contradict each other, and the more texts are
    like it; one that is like a row before it is worth less, and near-duplicates are left out. A share is drawn at
    random from all rows, before anything is ranked, and mixed in evenly: whoever stops half-way has labelled some of
    them, too. Rows without scores follow at the end, with the reason.

    Args:
        answers: a classifier's result for the N texts, or the scores alone.
        texts: the N texts; they are shown, and rows of one wording are listed once.
        vectors: (N, d) of the texts, from a frozen encoder; None = how typical a text is, is not known.
        n: rows to return, the random ones among them and those without scores not counted; None = all.
        sources: each source's scores, calibrated; None = as they are in the result. A lone source contradicts nobody.
        random_share: share of the n rows that is drawn at random, for honest evaluation.
        random_state: seeds the draw.

    Returns:
        Columns row, text, prediction, confidence, answer_<source>, uncertainty, disagreement, density, score, why,
        status and chosen_by ("ranking" or "random").

    Raises:
        ConfigError: `n` or `random_share` is out of range.
        DataError: texts or vectors do not fit the answers.

    """
    result = decide(answers) if isinstance(answers, Scores) else answers
    n_rows = len(result)
    _check_numbers(n, random_share, random_state)
    wordings = None if texts is None else as_texts(texts)
    if wordings is not None and len(wordings) != n_rows:
        raise DataError(f"{n_rows} answers but {len(wordings)} texts; pass the texts that were answered")
    unit = None if vectors is None else unit_vectors(vectors, n_rows)
    sources = result.sources if sources is None else sources
    value = label_value(result.scores, sources, unit)
    blank = np.zeros(n_rows, dtype=bool) if wordings is None else blank_rows(wordings)
    drawn = _drawn(np.flatnonzero(~blank), n_rows if n is None else n, random_share, random_state)
    failed = np.setdiff1d(np.flatnonzero(~complete(result.scores)), drawn)
    total = value.total
    total[failed] = np.nan
    if wordings is not None:
        total[_repeats(wordings, drawn)] = np.nan
    ranked = spread_out(total, unit, drawn, (n_rows if n is None else n) - len(drawn))
    rows = np.concatenate([_mixed(ranked, drawn), failed])
    return _table(result, wordings, sources, value, rows, drawn)


def _check_numbers(n: int | None, random_share: float, random_state: int) -> None:
    if n is not None and n < 1:
        raise ConfigError(f"n={n} is too few rows; pass at least 1, or None for all")
    if not 0 <= random_share <= 1:
        raise ConfigError(f"random_share={random_share} is no share; pass 0 (none at random) to 1, such as 0.1")
    check_seed(random_state)


def _drawn(rows: NDArray[np.intp], n: int, share: float, random_state: int) -> NDArray[np.intp]:
    """Return the rows of the random slice, in random order: the first of them are a random slice as well."""
    size = min(round(share * min(n, len(rows))), len(rows))
    return np.random.default_rng(random_state).permutation(rows)[:size]


def _repeats(texts: Sequence[str], drawn: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Return which rows repeat the wording of one before them, or of a drawn one; (n,)."""
    ids = hash_wordings(texts)
    first = np.zeros(len(ids), dtype=bool)
    first[np.unique(ids, return_index=True)[1]] = True
    return np.asarray(~first | np.isin(ids, ids[drawn]))


def _mixed(ranked: NDArray[np.intp], drawn: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return the ranked rows with the drawn ones between them, evenly."""
    places = np.concatenate([(np.arange(len(rows)) + 0.5) / max(len(rows), 1) for rows in (ranked, drawn)])
    return np.concatenate([ranked, drawn])[np.argsort(places, kind="stable")]


def _table(
    result: ClassificationResult,
    texts: list[str] | None,
    sources: Mapping[str, Scores],
    value: LabelValue,
    rows: NDArray[np.intp],
    drawn: NDArray[np.intp],
) -> pd.DataFrame:
    import pandas as pd

    columns: dict[str, Any] = {"row": rows}
    if texts is not None:
        columns["text"] = [texts[row] for row in rows]
    columns["prediction"] = pd.Series([result.predictions[row] for row in rows], dtype=object)
    columns["confidence"] = result.confidence[rows]
    said = {name: decide(scores).predictions for name, scores in sources.items()}
    columns |= {f"answer_{name}": pd.Series([them[row] for row in rows], dtype=object) for name, them in said.items()}
    scored = complete(result.scores)
    parts = {name: getattr(value, name) for name in ("uncertainty", "disagreement", "density")} | {"score": value.total}
    columns |= {name: np.where(scored, part, np.nan)[rows] for name, part in parts.items()}
    at_random = np.isin(rows, drawn)
    columns["why"] = [
        why_random(result, int(row)) if random else why_ranked(result, said, value, int(row))
        for row, random in zip(rows, at_random, strict=True)
    ]
    columns["status"] = [Status(code).name.lower() for code in result.status[rows]]
    columns[CHOSEN_BY] = np.where(at_random, RANDOM, RANKING)
    return _described(pd.DataFrame(columns), LabelSchema(result.classes, multi_label=result.multi_label))


def _described(table: pd.DataFrame, schema: LabelSchema) -> pd.DataFrame:
    table.attrs |= {LABELS: list(schema.names), SEVERAL: schema.multi_label}
    return table


def label_errors(
    scores: Scores,
    gold: Any,
    texts: Any = None,
    *,
    n: int | None = None,
    judged_by: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Return the rows whose gold label is probably wrong: equal texts with different labels, then the least plausible.

    Confident learning (Northcutt et al. 2021) decides how many rows are suspect, see `find_label_errors`; those whose
    gold answer is least probable come first.

    Args:
        scores: of N labelled texts, by models that were not trained on the text that they score, such as
            `FoldAverage.out_of_fold_scores_`.
        gold: N gold labels, or `TrainingData`.
        texts: the N texts; None = those of the `TrainingData`. Without any, texts are equal where `scores.row_ids` are.
        n: rows to return at most; None = all that are suspect.
        judged_by: (N,) what scored each row, where that differs; rows are compared with others of the same.

    Returns:
        Columns row, text, gold, suggested, p_gold, p_suggested, judged_by, why and chosen_by ("ranking").

    Raises:
        ScoresError: a source was trained on a row that it scored.
        DataError: gold, texts and scores do not fit together.

    """
    if isinstance(gold, TrainingData):
        texts, gold = gold.texts if texts is None else texts, gold.schema.decode(gold.gold)
    schema = LabelSchema(scores.labels, multi_label=scores.multi_label)
    codes = gold_for(gold, schema, len(scores))
    ways = np.array([""] * len(scores) if judged_by is None else list(judged_by), dtype=object)
    wordings = None if texts is None else as_texts(texts)
    for what, there in (("texts", wordings), ("values of judged_by", ways)):
        if there is not None and len(there) != len(scores):
            raise DataError(f"{len(scores)} rows are scored but there are {len(there)} {what}; pass one per row")
    _refuse_in_sample(scores)
    shares = np.where(complete(scores)[:, None], scores.probabilities, np.nan)
    ids = scores.row_ids if wordings is None else hash_wordings(wordings)
    found = Suspects.of(codes, shares, ways, ids)
    return _described(found.table(schema, wordings, ways)[:n], schema)


def _refuse_in_sample(scores: Scores) -> None:
    seen = scores.answered & (scores.fold == IN_SAMPLE) if scores.fold is not None else np.zeros(0, dtype=bool)
    if seen.any():
        raise ScoresError(
            f"source {scores.source!r} was trained on row {int(np.flatnonzero(seen)[0])} and believes its label; pass "
            "out-of-fold scores (FoldAverage.out_of_fold_scores_)"
        )
