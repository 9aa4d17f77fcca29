"""Answers as a table with one row per text: what `predictions.parquet` in a run's folder holds, there and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from textclassify.core import dataset
from textclassify.core.labels import LabelSchema
from textclassify.core.result import NO_LABEL, ClassificationResult, decide, gold_for
from textclassify.core.scales import LLM_METHODS, Status
from textclassify.core.scores import Scores
from textclassify.core.texts import hash_texts, listed
from textclassify.core.types import TrainingData
from textclassify.errors import DataError, LabelError
from textclassify.runs.comparing import Answers
from textclassify.runs.recording.run_facts import texts_hash
from textclassify.runs.systems import Evaluation

if TYPE_CHECKING:
    import pandas as pd

PROBABILITY = "p_"
"""Beginning of the column of a label's probability."""
ANSWER, CONFIDENCE = "answer:", "confidence:"
"""Beginnings of the columns of another system."""


def text_ids(texts: Sequence[str]) -> list[str]:
    """Return the hash of each text as 16 hexadecimal digits, equal on every machine."""
    return [f"{number:016x}" for number in hash_texts(texts).tolist()]


@dataclass(frozen=True, eq=False)
class SavedRows:
    """What is kept of answers: their table, the labels, what tells the data from others, and the data if labelled."""

    table: pd.DataFrame
    schema: LabelSchema
    hashes: dict[str, Any]
    data: TrainingData | None


def saved_rows(result: ClassificationResult | Evaluation, texts: Any, gold: Any, *, keep_texts: bool) -> SavedRows:
    """Return what is kept of answers.

    Args:
        result: answers to n texts, or an evaluation.
        texts: the n texts; None with an evaluation.
        gold: n gold answers; None = unknown.
        keep_texts: whether the texts are kept.

    Raises:
        DataError: there are no texts, or not as many as answers.
        LabelError: a gold label is missing or unknown.

    """
    if isinstance(result, Evaluation):
        table = table_of_evaluation(result, keep_texts=keep_texts)
        return SavedRows(table, result.data.schema, hashes_of(result.data), result.data)
    if not isinstance(result, ClassificationResult):
        raise DataError(f"the answers are {result!r:.60}; pass what classifier.predict gave, or an Evaluation")
    if texts is None:
        raise DataError("no texts given; pass the texts that were answered: save_predictions(result, texts)")
    texts = dataset.texts_of(texts)
    if len(texts) != len(result):
        raise DataError(f"{len(result)} answers but {len(texts)} texts; pass the texts that were answered, in order")
    schema = LabelSchema(result.classes, multi_label=result.multi_label, parents=result.parents)
    if gold is None:
        hashes = {"rows": len(texts), "sha256": None, "texts_sha256": texts_hash(texts)}
        return SavedRows(table_of_result(result, texts, keep_texts=keep_texts), schema, hashes, None)
    codes = gold_for(gold, schema, len(texts))
    data = TrainingData(texts, codes if schema.multi_label else schema.decode(codes), schema=schema)
    table = table_of_result(result, texts, schema.decode(codes), keep_texts=keep_texts)
    return SavedRows(table, schema, hashes_of(data), data)


def hashes_of(data: TrainingData) -> dict[str, Any]:
    """Return the number of rows and the content hashes of labelled texts."""
    return {"rows": len(data), "sha256": dataset.content_hash(data), "texts_sha256": texts_hash(data.texts)}


def table_of_evaluation(evaluation: Evaluation, *, keep_texts: bool = True) -> pd.DataFrame:
    """Return the answers of an evaluation's first system, row by row, with those of every other system beside them.

    Args:
        evaluation: with its data.
        keep_texts: whether the texts stand in the table; else their hashes alone do.

    """
    first, *others = evaluation.systems
    schema = evaluation.data.schema
    result = evaluation.result or result_of(first.answers, schema, source=first.name)
    gold = schema.decode(evaluation.data.gold)
    table = table_of_result(result, evaluation.data.texts, gold, keep_texts=keep_texts)
    for system in others:
        table[f"{ANSWER}{system.name}"] = _column(_answers(system.answers, schema))
        table[f"{CONFIDENCE}{system.name}"] = _confidence(system.answers).astype(np.float32)
    return table


def table_of_result(
    result: ClassificationResult,
    texts: Sequence[str],
    gold: Sequence[Any] | None = None,
    *,
    keep_texts: bool = True,
) -> pd.DataFrame:
    """Return a result as a table of n rows.

    Columns: `row`, `text` (empty where texts are not kept), `text_id`, `gold` where it is known, `label`, `confidence`,
    `status`, `asked` (whether a language model has answered), `cost` in US dollars, `p_<label>` for each label. Labels
    are text or lists of text, None where there is no answer.

    Args:
        result: n answers.
        texts: the n texts.
        gold: n labels, or lists of labels; None = unknown.
        keep_texts: whether the texts stand in the table.

    """
    import pandas as pd

    columns: dict[str, Any] = {
        "row": np.arange(len(result), dtype=np.int64),
        "text": pd.Series([_storable(text) if keep_texts else None for text in texts], dtype=object),
        "text_id": pd.Series(text_ids(texts), dtype=object),
    }
    if gold is not None:
        columns["gold"] = _column(list(gold))
    columns |= {
        "label": _column(result.predictions),
        "confidence": result.confidence.astype(np.float32),
        "status": pd.Series([Status(code).name.lower() for code in result.status], dtype=object),
        "asked": _asked(result),
        "cost": np.asarray(result.scores.cost, dtype=np.float64),
    }
    probabilities = result.probabilities.astype(np.float32)
    columns |= {f"{PROBABILITY}{label}": probabilities[:, k] for k, label in enumerate(result.classes)}
    return pd.DataFrame(columns)


def result_of_table(table: pd.DataFrame, schema: LabelSchema, source: str) -> ClassificationResult:
    """Return the answers in a table as a result; what each source said of a text is not in it.

    Args:
        table: as `table_of_result` makes it.
        schema: the labels, in the order of their columns.
        source: what the scores are said to come from.

    Raises:
        LabelError: the table was made with other labels.

    """
    codes = codes_of(table["label"].tolist(), schema)
    probabilities = np.full((len(table), len(schema)), np.nan)
    for k, name in enumerate(schema.names):
        if f"{PROBABILITY}{name}" not in table:
            raise LabelError(f"the predictions have no probabilities of label {str(name)!r}; restore the run's files")
        probabilities[:, k] = table[f"{PROBABILITY}{name}"]
    status = np.array([Status[name.upper()] for name in table["status"]], dtype=np.uint8)
    answers = Answers(codes, probabilities)
    result = result_of(answers, schema, source=source, status=status, cost=table["cost"].to_numpy(dtype=np.float64))
    return replace(result, details={"confidence": table["confidence"].to_numpy(dtype=np.float64)})


def result_of(
    answers: Answers,
    schema: LabelSchema,
    *,
    source: str,
    status: NDArray[np.uint8] | None = None,
    cost: NDArray[np.float64] | None = None,
) -> ClassificationResult:
    """Return a result that gives these answers.

    Args:
        answers: n of them.
        schema: the labels.
        source: what the scores are said to come from.
        status: (n,); None = OK where there is an answer, else ABSTAINED.
        cost: (n,) in US dollars; None = nothing.

    """
    if status is None:
        status = np.where(answers.answered, np.uint8(Status.OK), np.uint8(Status.ABSTAINED))
    scored = np.asarray(~np.isnan(answers.probabilities).any(axis=1))
    declined = scored & (status != Status.OK)
    scores = Scores.from_probabilities(
        answers.probabilities,
        schema.names,
        source=source,
        multi_label=schema.multi_label,
        status=np.where(scored, np.uint8(Status.OK), status),
        cost=np.zeros(len(scored)) if cost is None else cost,
    )
    codes = np.where(answers.codes == NO_LABEL, 0, answers.codes) if schema.multi_label else answers.codes
    decided = decide(scores, codes=codes)
    return replace(decided, declined=declined if declined.any() else None, parents=schema.parents)


def codes_of(labels: Sequence[Any], schema: LabelSchema) -> NDArray[np.int64]:
    """Return a column of labels as codes: (n,), -1 = no answer; multi-label (n, K), a row of -1 = no answer.

    Raises:
        LabelError: one of them is none of the schema's.

    """
    given = {one for label in labels if label is not None for one in ([label] if isinstance(label, str) else label)}
    unknown = min(given - {str(name) for name in schema.names}, default=None)
    if unknown is not None:
        known = listed(map(repr, schema.names), 12)
        raise LabelError(f"the predictions hold label {unknown!r}, and the run's labels are {known}; restore its files")
    if schema.multi_label and any(isinstance(label, str) for label in labels):
        raise LabelError("the predictions hold one label per text, and the run's labels say several; restore its files")
    code = {str(name): k for k, name in enumerate(schema.names)}
    if not schema.multi_label:
        return np.array([NO_LABEL if label is None else code[label] for label in labels], dtype=np.int64)
    codes = np.zeros((len(labels), len(schema)), dtype=np.int64)
    for row, several in enumerate(labels):
        if several is None:
            codes[row] = NO_LABEL
        else:
            codes[row, [code[name] for name in several]] = 1
    return codes


def as_parquet(table: pd.DataFrame, *, multi_label: bool) -> Any:
    """Return a table for Parquet, its types fixed whatever its rows hold."""
    import pyarrow as pa

    labels = pa.list_(pa.string()) if multi_label else pa.string()
    types: Mapping[str, Any] = {
        "row": pa.int64(),
        "text": pa.string(),
        "text_id": pa.string(),
        "gold": labels,
        "label": labels,
        "status": pa.string(),
        "asked": pa.bool_(),
        "cost": pa.float64(),
    }

    def type_of(name: str) -> Any:
        return types.get(name, labels if name.startswith(ANSWER) else pa.float32())

    columns = {name: pa.array(table[name].tolist(), type=type_of(name)) for name in table.columns}
    return pa.table(columns)


def from_parquet(table: Any) -> pd.DataFrame:
    """Return a table that was read from Parquet, with lists for several labels and None for no answer."""
    from textclassify.core.tables import from_arrow

    frame = from_arrow(table)
    for name in frame.columns:
        if name in {"text", "text_id", "gold", "label", "status"} or name.startswith(ANSWER):
            frame[name] = _column(table.column(name).to_pylist(), as_text=False)
    return frame


def _storable(text: str) -> str:
    """Return a text without lone surrogates, which no file of UTF-8 holds; its hash is of the text as it came."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def _asked(result: ClassificationResult) -> NDArray[np.bool_]:
    """Return in which rows a language model has answered, (n,)."""
    scores = list(result.sources.values()) or [result.scores]
    methods = [int(method) for method in LLM_METHODS]
    return np.asarray(np.any([np.isin(one.method, methods) & (one.status == Status.OK) for one in scores], axis=0))


def _answers(answers: Answers, schema: LabelSchema) -> list[Any]:
    """Return the labels of each row; None = no answer."""
    if not schema.multi_label:
        return [None if code == NO_LABEL else schema.names[code] for code in answers.codes]
    decoded = schema.decode(np.where(answers.codes == NO_LABEL, 0, answers.codes).astype(np.uint8))
    return [names if ok else None for names, ok in zip(decoded, answers.answered, strict=True)]


def _confidence(answers: Answers) -> NDArray[np.float64]:
    """Return the probability of each row's answer, (n,), as results do; NaN where there is none."""
    codes, probabilities = answers.codes, answers.probabilities
    if codes.ndim == 2:
        chosen = np.where(codes == 1, probabilities, 1 - probabilities)
        return np.where(answers.answered, chosen.min(axis=1), np.nan)
    return np.where(answers.answered, probabilities[np.arange(len(codes)), codes], np.nan)


def _column(values: Sequence[Any], *, as_text: bool = True) -> pd.Series[Any]:
    """Return labels as a column of objects, their names as text."""
    import pandas as pd

    return pd.Series([_as_text(value) for value in values] if as_text else list(values), dtype=object)


def _as_text(value: Any) -> Any:
    if value is None:
        return None
    return [str(one) for one in value] if isinstance(value, list | tuple | set | np.ndarray) else str(value)
