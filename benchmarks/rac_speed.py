"""Speed: retrieval beside bare numpy, encoding beside the bare encoder, checks beside the ideal time of their calls."""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

import llm_client_texts
import rac_texts
from rac_algorithm import loopback_model
from rac_figures import Figures, write_figures
from rac_loopback import Rates, running
from rac_peers import ENCODER, frozen_encoder
from textclassify import RACClassifier, SimilarityClassifier
from textclassify.core.labels import LabelSchema
from textclassify.models.devices import has_fast_bf16
from textclassify.models.sources import resolve

PART = "speed"
TURNS = 5
TOP = 10
DIMENSIONS = 384
BLOCK = 250
"""Texts that bare numpy compares with all labels at a time: ten megabytes of scores, which is fastest here."""
BATCH = 64
LATENCY_SECONDS = 0.2
CONCURRENCY = 64
GOALS = {"retrieval": 1.3, "encoding": 0.8, "best": 1.15, "first_yes": 1.15}

Vectors = NDArray[np.float32]


def measured_speed(target: Path, *, labels: int = 10_000, encoded: int = 400, checked: int = 1000) -> None:
    """Write all ratios.

    Args:
        target: the file.
        labels: of retrieval, and texts.
        encoded: texts of the encoding case.
        checked: texts of the latency case.

    """
    console = Console(stderr=True, soft_wrap=True)
    cases: dict[str, Callable[[], Figures]] = {
        "retrieval": lambda: retrieval_speed(labels),
        "encoding": lambda: encoding_speed(encoded),
        "best": lambda: checking_speed("best", checked),
        "first_yes": lambda: checking_speed("first_yes", checked),
    }
    for name, case in cases.items():
        figures = case() | {"goal": GOALS[name]}
        write_figures(target, PART, {name: figures})
        console.print(f"{name}: {figures['ratio']:.3f}")


def retrieval_speed(n: int) -> Figures:
    """Return how long the classifier takes to find ten of n labels for n texts, by the time of bare numpy.

    Text vectors are random and known beforehand, so that nothing is encoded; label vectors are made before the clock
    starts, as they are once for all texts.
    """
    rng = np.random.default_rng(0)
    texts, names = [f"text {row}" for row in range(n)], [f"label {row}" for row in range(n)]
    of_texts, of_labels = _unit(rng.normal(size=(n, DIMENSIONS))), _unit(rng.normal(size=(n, DIMENSIONS)))
    with known_vectors(texts + names, np.concatenate([of_texts, of_labels])):
        classifier = SimilarityClassifier(LabelSchema(tuple(names)))
        found = classifier.top_labels(texts, TOP)
        nearest = bare_top(of_texts, of_labels)
        assert np.array_equal(np.sort(found.codes, axis=1), np.sort(nearest, axis=1)), "not the same labels"
        rac = RACClassifier(LabelSchema(tuple(names)))
        rac.rank_labels(texts[:1], TOP)
        times = interleaved(
            {
                "ours": lambda: classifier.top_labels(texts, TOP),
                "bare": lambda: bare_top(of_texts, of_labels),
                "rank_labels": lambda: rac.rank_labels(texts, TOP),
            }
        )
    figures = beside_bare(times)
    return {"texts": n, "labels": n, "ratio": figures["ours_s"] / figures["bare_s"], **figures}


def bare_top(texts: Vectors, labels: Vectors) -> NDArray[np.intp]:
    """Return the ten nearest labels of each text, (n, 10), in no order: a matrix product and a partition."""
    found = []
    for start in range(0, len(texts), BLOCK):
        products = texts[start : start + BLOCK] @ labels.T
        found.append(np.argpartition(products, -TOP, axis=1)[:, -TOP:])
    return np.concatenate(found)


def encoding_speed(n: int) -> Figures:
    """Return how many texts per second the classifier labels, by the texts that the bare encoder reads."""
    vars(frozen_encoder()).pop("encode", None)  # vectors that an earlier part remembered
    texts = [llm_client_texts.text_of(number) for number in range(n)]
    classifier = SimilarityClassifier(rac_texts.schema())
    bare = bare_encoder()
    reference, own = bare(texts[:BATCH]), frozen_encoder().encode(texts[:BATCH])
    assert (reference * own).sum(axis=1).min() > 0.98, "not the same vectors"
    classifier.predict_scores(texts[:1])
    times = interleaved({"ours": lambda: classifier.predict_scores(texts), "bare": lambda: bare(texts)})
    figures = beside_bare(times)
    ours, floor = figures["ours_s"], figures["bare_s"]
    speeds = {"ours_texts_per_second": n / ours, "bare_texts_per_second": n / floor}
    return {"texts": n, "ratio": floor / ours, **figures, **speeds}


def bare_encoder() -> Callable[[Sequence[str]], Vectors]:
    """Return the encoder as people use it: transformers, batches of like length, bf16 where the processor has it."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    folder = resolve(ENCODER, "encoder").location
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()
    fast = has_fast_bf16(torch.device("cpu"))

    def encode(texts: Sequence[str]) -> Vectors:
        order = np.argsort([len(text) for text in texts])
        vectors = np.empty((len(texts), model.config.hidden_size), dtype=np.float32)
        with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16, enabled=fast):
            for start in range(0, len(texts), BATCH):
                rows = order[start : start + BATCH]
                options: dict[str, Any] = {"padding": True, "truncation": True, "max_length": 256}
                read = tokenizer([texts[row] for row in rows], return_tensors="pt", **options)
                mask = read["attention_mask"].unsqueeze(-1).float()
                hidden = model(**read).last_hidden_state.float()
                mean = (hidden * mask).sum(1) / mask.sum(1)
                vectors[rows] = torch.nn.functional.normalize(mean, dim=-1).numpy()
        return vectors

    return encode


def checking_speed(decision: str, n: int) -> Figures:
    """Return how long labelling n texts takes at a latency of 200 ms, 64 at a time, by the ideal time of its calls.

    Retrieval has read the texts before the clock starts, and what is only slow the first time has been done with two
    others; what reading the texts takes stands beside it.
    """
    others, texts = ([rac_texts.text_of(number) for number in numbers] for numbers in (range(n, n + 2), range(n)))
    vars(frozen_encoder()).pop("encode", None)
    started = time.perf_counter()
    vectors = frozen_encoder().encode(texts)
    encoding = time.perf_counter() - started
    more = others + [rac_texts.schema().card(name) for name in rac_texts.NAMES]
    with (
        known_vectors(texts + more, np.concatenate([vectors, frozen_encoder().encode(more)])),
        running(Rates(0.9, 0.05), latency_ms=1000 * LATENCY_SECONDS) as server,
        tempfile.TemporaryDirectory() as cache,
    ):
        model = loopback_model(server, cache, concurrency=CONCURRENCY)
        classifier = RACClassifier(rac_texts.schema(), model, top_k=5, decision=decision)
        classifier.predict(others)
        server.requests()
        started = time.perf_counter()
        result = classifier.predict(texts)
        seconds = time.perf_counter() - started
        requests = server.requests()
    ideal = requests / CONCURRENCY * LATENCY_SECONDS
    calls = result.details["calls"]
    in_waves = [math.ceil((calls >= wave).sum() / CONCURRENCY) for wave in range(1, int(calls.max()) + 1)]
    return {
        "texts": n,
        "requests": requests,
        "calls_per_text": float(calls.mean()),
        "ideal_of_one_question_after_the_other_s": sum(in_waves) * LATENCY_SECONDS,
        "ratio": seconds / ideal,
        "ours_s": seconds,
        "bare_s": ideal,
        "encoding_s": encoding,
        "ratio_with_encoding": (seconds + encoding) / ideal,
    }


def interleaved(systems: dict[str, Callable[[], Any]]) -> dict[str, list[float]]:
    """Return the seconds of each system's turns, taken by turns so that what else the machine does hits them alike.

    Those of the processor stand beside those of the clock, under the name and " cpu".
    """
    times: dict[str, list[float]] = {name + clock: [] for name in systems for clock in ("", " cpu")}
    for _ in range(TURNS):
        for name, run in systems.items():
            started, used = time.perf_counter(), time.process_time()
            run()
            times[name].append(time.perf_counter() - started)
            times[f"{name} cpu"].append(time.process_time() - used)
    return times


def beside_bare(times: dict[str, list[float]]) -> Figures:
    """Return the best turns of ours and of the bare system."""
    found = {"ours_s": min(times["ours"]), "bare_s": min(times["bare"]), "turns_s": times}
    return found | {"cpu_ratio": min(times["ours cpu"]) / min(times["bare cpu"])}


@contextmanager
def known_vectors(texts: Sequence[str], vectors: Vectors) -> Iterator[None]:
    """Let the shared encoder know these texts' vectors; it computes none meanwhile."""
    encoder = frozen_encoder()
    place = {text: row for row, text in enumerate(texts)}

    def encode(asked: Sequence[str], **_: Any) -> Vectors:
        return vectors[[place[text] for text in asked]]

    vars(encoder)["encode"] = encode
    try:
        yield
    finally:
        del vars(encoder)["encode"]


def _unit(vectors: NDArray[Any]) -> Vectors:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float32)
