"""Rows of a file that a person should look at, written to a file to fill in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from textclassify.apps.asked_models import asks_remotely, resumable
from textclassify.apps.configured import configured_limits
from textclassify.apps.estimating import texts_in
from textclassify.apps.models import load_model
from textclassify.apps.predicting import check_output, format_for
from textclassify.core import dataset
from textclassify.core.contract import TextClassifier
from textclassify.core.labels import LabelSchema
from textclassify.core.result import ClassificationResult
from textclassify.core.scores import Scores
from textclassify.core.selection import CHOSEN_BY, RANDOM
from textclassify.core.texts import blank_rows, hash_wordings
from textclassify.core.types import TrainingData
from textclassify.ensemble.fusion import FusionEnsemble
from textclassify.ensemble.review import label_errors, rows_to_label
from textclassify.ensemble.reviewing.honest_scores import honest_scores
from textclassify.ensemble.reviewing.label_value import word_vectors
from textclassify.ensemble.reviewing.review_files import write_review_file
from textclassify.errors import ConfigError, DataError
from textclassify.statistics.label_errors import conflicting

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd


@dataclass(frozen=True)
class Review:
    """Rows that were written to a file for a person, and what to know about them, in sentences."""

    table: pd.DataFrame
    out: Path
    notes: tuple[str, ...]


def write_rows_to_label(
    model: Path,
    file: str,
    out: Path,
    *,
    n: int,
    random_share: float,
    text_column: str | None = None,
    lines: bool = False,
    llm: bool = True,
    seed: int = 0,
    overwrite: bool = False,
    escape_formulas: bool = False,
) -> Review:
    """Write the unlabelled texts of a file whose labels a model would learn most from.

    Args:
        model: folder of the model.
        file: texts; those that the model was trained on are left out.
        out: file to write.
        n: rows to write, those without an answer not counted; of these at most as many again.
        random_share: share of them drawn at random.
        text_column: None = as in training, else recognised.
        lines: every line is a text by itself.
        llm: whether to ask language models.
        seed: of the draw.
        overwrite: whether an existing file is replaced.
        escape_formulas: as for `write_review_file`.

    Raises:
        DataError: the texts cannot be used, or none is left.
        StorageError: the model cannot be read, or the file not be written.
        BudgetError: the money is spent that the model's configuration, or a limit around the call, allows.

    """
    _check_review_file(out, file, overwrite=overwrite)
    classifier = load_model(model)
    trained = getattr(getattr(classifier, "config_", None), "text_column", None)
    texts = texts_in(file, text_column=text_column or trained, lines=lines)
    kept, notes = _unlabelled(classifier, texts)
    chosen = [texts[row] for row in kept]
    with _asking(classifier, llm=llm):
        result, sources = _answers(classifier, chosen, llm=llm)
    table = rows_to_label(
        result, chosen, word_vectors(chosen), n=n, sources=sources, random_share=random_share, random_state=seed
    )
    table, failed = _without_most_failed(table, n)
    notes += failed
    table["row"] = kept[table["row"].to_numpy()]
    schema = LabelSchema(result.classes, multi_label=result.multi_label)
    write_review_file(table, out, labels=schema, overwrite=overwrite, escape_formulas=escape_formulas)
    drawn = int((table[CHOSEN_BY] == RANDOM).sum())
    ranked = len(table) - drawn - int((table["score"].isna() & (table[CHOSEN_BY] != RANDOM)).sum())
    first = (
        f"{len(texts):,} texts; {ranked:,} are ranked by what a label is worth, {drawn:,} drawn at random to measure on"
    )
    return Review(table, out, (first, *notes))


def write_label_errors(
    model: Path,
    file: str,
    out: Path,
    *,
    n: int | None = None,
    text_column: str | None = None,
    label_columns: Sequence[str] | None = None,
    llm: bool = True,
    overwrite: bool = False,
    escape_formulas: bool = False,
) -> Review:
    """Write the rows of a labelled file whose label is probably wrong.

    Args:
        model: folder of a model; its training rows are judged by scores that were held out in training.
        file: labelled texts, such as the training file.
        out: file to write.
        n: rows to write at most; None = all that are suspect.
        text_column: None = as in training, else recognised.
        label_columns: None = as in training, else recognised.
        llm: whether to ask language models about rows that the model was not trained on.
        overwrite: whether an existing file is replaced.
        escape_formulas: as for `write_review_file`.

    Raises:
        DataError: the texts or labels cannot be used; the message names the file and the row.
        StorageError: the model cannot be read, or the file not be written.
        BudgetError: the money is spent that the model's configuration, or a limit around the call, allows.

    """
    _check_review_file(out, file, overwrite=overwrite)
    classifier = load_model(model)
    data = labelled_by(classifier, file, text_column=text_column, label_columns=label_columns)
    with _asking(classifier, llm=llm):
        honest = honest_scores(classifier, data, llm=llm)
    table = label_errors(honest.scores, data, judged_by=honest.judged_by.tolist())
    written = table[:n]
    write_review_file(written, out, labels=data.schema, overwrite=overwrite, escape_formulas=escape_formulas)
    judged = ", ".join(f"{count:,} {_HOW[way]}" for way, count in Counter(honest.judged_by.tolist()).items())
    conflicts = int(conflicting(data.wording_ids, data.gold).sum())
    notes = [
        f"{len(data):,} rows: {judged}",
        f"{len(table):,} rows are suspect, {conflicts:,} of them because equal texts have different labels",
    ]
    if len(written) < len(table):
        notes.append(f"the {len(written):,} most suspect ones are in the file")
    return Review(written, out, tuple(notes))


_HOW = {
    "held out in training": "judged by scores that were held out in training",
    "never trained on": "judged by the model, which was not trained on them",
    "a linear model": "judged by linear models trained on the others, because no held-out scores are kept",
    "": "could not be judged",
}


def labelled_by(
    classifier: TextClassifier, file: str, *, text_column: str | None, label_columns: Sequence[str] | None
) -> TrainingData:
    """Return the labelled texts of a file, read as the classifier's configuration says.

    Raises:
        DataError: they cannot be used; the message names the file.

    """
    config = getattr(classifier, "config_", None)
    schema = classifier._require_schema()  # noqa: SLF001 - those that need no training have no `schema_`
    try:
        return dataset.labelled_data(
            file,
            schema=schema,
            text_column=text_column or getattr(config, "text_column", None),
            label_columns=label_columns or getattr(config, "label_columns", None),
            multi_label=schema.multi_label,
            group_column=getattr(config, "group_column", None),
        )
    except DataError as error:
        raise type(error)(str(error) if file in str(error) else f"{file}: {error}") from error


def _check_review_file(out: Path, source: str, *, overwrite: bool) -> None:
    """Refuse, before anything is computed, what could not be written in the end."""
    format_for(out, None)
    check_output(out, source, overwrite=overwrite)


@contextmanager
def _asking(classifier: TextClassifier, *, llm: bool) -> Iterator[None]:
    asks = llm and asks_remotely(classifier)
    with resumable(asks, "run the same command again to go on"), configured_limits(classifier):
        yield


def _unlabelled(classifier: TextClassifier, texts: list[str]) -> tuple[Any, list[str]]:
    """Return the rows of texts that are not blank and that the model was not trained on, and what was left out."""
    seen = np.asarray(getattr(getattr(classifier, "ensemble_", classifier), "training_row_ids_", ()), dtype=np.uint64)
    known, blank = np.isin(hash_wordings(texts), seen), blank_rows(texts)
    notes = [f"{int(known.sum()):,} texts are left out: the model was trained on them"] if known.any() else []
    notes += [f"{int(blank.sum()):,} blank texts are left out"] if blank.any() else []
    kept = np.flatnonzero(~known & ~blank)
    if not len(kept):
        raise DataError("no text is left to label: the model was trained on all that are not blank; name other texts")
    return kept, notes


def _answers(
    classifier: TextClassifier, texts: list[str], *, llm: bool
) -> tuple[ClassificationResult, dict[str, Scores] | None]:
    """Return the answers, and of a fusion what each of its sources alone would answer, calibrated."""
    model: Any = getattr(classifier, "ensemble_", classifier)
    if not isinstance(model, FusionEnsemble):
        if not llm and model.asks_llm:
            raise ConfigError("the model is a language model; leave --no-llm out")
        return classifier.predict(texts), None
    fusion = model.fusion_
    free = list(fusion.patterns_.free_names)
    names = sorted({*free, *fusion.needs_} & set(model.sources_)) if llm else free
    if not names:
        raise ConfigError("every source of the model asks a language model; leave --no-llm out")
    scores = model.source_scores(texts, names)
    alone = {name: fusion.predict_scores({name: one}) for name, one in scores.items()}
    return model.fusion_result(scores, model.embeddings_for(texts)), alone


def _without_most_failed(table: pd.DataFrame, n: int) -> tuple[pd.DataFrame, list[str]]:
    """Return the table with at most n rows that have no answer, and a sentence about these."""
    failed = table.index[table["score"].isna() & (table[CHOSEN_BY] != RANDOM)]
    if not len(failed):
        return table, []
    reasons = ", ".join(
        f"{name.replace('_', ' ')} {count:,}" for name, count in table.loc[failed, "status"].value_counts().items()
    )
    shown = f"; the first {n:,} are in the file" if len(failed) > n else ""
    note = f"{len(failed):,} texts have no answer ({reasons}) and are at the end of the file{shown}"
    return table.drop(index=failed[n:]), [note]
