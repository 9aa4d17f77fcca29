"""Stage 1 of the live benchmark: scores of a language model in this process, written in chunks as they come.

Every model is asked zero-shot, once for all training sets and seeds, which label fits best: about the first 1,000 test
rows and the 500 rows of the pool that every training set holds or is drawn from. Where a text may have several labels,
it is still read once, and each label's share of the likelihood stands for its probability; a question per label would
read it once per label.
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
from rich.console import Console

from live_data import ASKED_POOL_ROWS, ASKED_TEST_ROWS, DataSet, cell_file, load_data, write_scores
from textclassify import LLMClassifier, Scores
from textclassify.core.labels import LabelSchema
from textclassify.core.texts import hash_texts

CHUNK = 50


def asked_about(
    dataset: str,
    model: str,
    name: str,
    cache_folder: Path,
    *,
    data_root: str | None = None,
    test_rows: int = ASKED_TEST_ROWS,
    max_characters: int | None = None,
) -> None:
    """Ask a model about what is missing, test and pool rows in turn.

    Args:
        dataset: its name.
        model: "smollm2", or a `.gguf` file or folder.
        name: what to call the model.
        cache_folder: where scores are kept.
        data_root: folder of the public data sets.
        test_rows: how many, the first ones.
        max_characters: ask about the beginning of each text only.

    """
    data = load_data(dataset, data_root)
    described = [{"name": label, "description": data.schema.descriptions.get(label, "")} for label in data.schema.names]
    classifier = LLMClassifier(LabelSchema.of(described), model=None if model == "smollm2" else model)
    for part, start in in_turn(test_rows):
        path = cell_file(cache_folder, data.name, name, f"{part}_{start:05d}")
        if not path.is_file():
            asked(classifier, data, part, start, path, max_characters)


def in_turn(test_rows: int) -> list[tuple[str, int]]:
    """Return all chunks, part and first row, mixed so that both parts are done to the same share at any time."""
    chunks = [("test", start, start / test_rows) for start in range(0, test_rows, CHUNK)]
    chunks += [("pool", start, start / ASKED_POOL_ROWS) for start in range(0, ASKED_POOL_ROWS, CHUNK)]
    return [(part, start) for part, start, _ in sorted(chunks, key=lambda chunk: chunk[2])]


def asked(
    classifier: LLMClassifier, data: DataSet, part: str, start: int, path: Path, max_characters: int | None
) -> None:
    """Write the scores of one chunk of texts."""
    started = time.perf_counter()
    texts = getattr(data, part).texts[start : start + CHUNK]
    scores = classifier.predict_scores([text[:max_characters] for text in texts])
    seconds = time.perf_counter() - started
    kept = Scores.build(
        scores.values, scores.labels, scores.scale, source="llm", method=scores.method, row_ids=hash_texts(texts)
    )
    write_scores(path, {part: kept}, seconds=seconds)
    gold = getattr(data, part).gold[start : start + CHUNK]
    best = scores.probabilities.argmax(axis=1)
    right = gold[np.arange(len(best)), best].mean() if data.schema.multi_label else np.mean(best == gold)
    Console(soft_wrap=True).print(f"{path.parent.name} {data.name} {path.stem}: {seconds:.0f} s, right {right:.3f}")
