"""Speed of a fine-tuned encoder's scores, beside transformers' pipeline and beside nothing but its forward passes.

    python benchmarks/local_encoder.py --data FOLDER [--rows 7600] [--sample 1000] [--threads 2]

AG News test, and an encoder that was fine-tuned on rows of the train part. All systems compute the same function with
the same weights:

- `ours`: `TransformerClassifier.predict_scores`, from texts to scores;
- `pipeline`: `transformers.pipeline("text-classification", batch_size=32)` in its default precision, float32;
- `bare`: the forward passes alone, over the batches that ours makes, tokenised and padded before the clock starts.

They take turns on a sample; then each reads all rows once. Figures are added to `results/local.json`.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import softmax
from transformers import BertConfig, BertForSequenceClassification, pipeline
from transformers.modeling_outputs import SequenceClassifierOutput

from public_data import data_folder, schema_of, seeded_part
from rac_figures import Figures, write_figures
from textclassify import TransformerClassifier
from textclassify.models.devices import has_fast_bf16, pick_dtype, quiet_transformers
from textclassify.models.inference import computed_batches, read_ahead

PART = "encoder"
TURNS = 3
BATCH = 32
CPU = torch.device("cpu")
GOALS = {"pipeline": 2.5 if has_fast_bf16(CPU) else 1.3, "bare": 0.85}

Probabilities = NDArray[np.float64]
System = Callable[[Sequence[str]], Probabilities]


def measured_encoder(
    target: Path, root: str | None, *, rows: int = 7600, sample: int = 1000, training_rows: int = 400
) -> None:
    """Write texts per second of all systems, their ratios, and how far the scores lie apart.

    Args:
        target: the file.
        root: the folder of the data sets.
        rows: of the test part, read once by every system.
        sample: the first of them, read by turns.
        training_rows: of the train part.

    """
    folder = data_folder(root, "ag_news")
    classifier = TransformerClassifier("minilm", schema_of(folder), device="cpu")
    train = seeded_part(folder, "train", training_rows, seed=0)
    classifier.fit(train.texts, train.labels)
    texts = seeded_part(folder, "test", rows, seed=0).texts
    name = f"minilm {torch.get_num_threads()} threads"
    figures: Figures = {"bf16": has_fast_bf16(CPU), "goals": GOALS}
    for case, some, turns in (("sample", texts[:sample], TURNS), ("all", texts, 1)):
        figures[case] = speeds(classifier, some, turns)
        write_figures(target, PART, {name: figures})
        _say(f"{case}: {figures[case]['ratio_to']}")


def speeds(classifier: TransformerClassifier, texts: list[str], turns: int) -> Figures:
    """Return the median seconds of the systems' turns, texts per second, and the differences of their scores."""
    few = texts[: 2 * BATCH]
    bare = Bare(classifier, texts)
    systems: dict[str, System] = {"ours": ours(classifier), "pipeline": peer(classifier)}
    for system in systems.values():
        system(few)
    bare()
    jobs: dict[str, Callable[[], Any]] = {"bare": bare}
    jobs |= {name: partial(system, texts) for name, system in systems.items()}
    wall: dict[str, list[float]] = {name: [] for name in jobs}
    processor: dict[str, list[float]] = {name: [] for name in jobs}
    scores: dict[str, Probabilities] = {}
    for turn in range(turns):
        for name, job in jobs.items():
            started, used = time.perf_counter(), time.process_time()
            scores[name] = job()
            wall[name].append(time.perf_counter() - started)
            processor[name].append(time.process_time() - used)
            _say(f"turn {turn + 1}, {name}: {wall[name][-1]:.1f} s, of the processor {processor[name][-1]:.1f} s")
    precision, classifier.precision = classifier.precision, "fp32"
    exact = ours(classifier)(texts)
    classifier.precision = precision
    return {
        "texts": len(texts),
        "texts_per_second": {name: len(texts) / np.median(seconds) for name, seconds in wall.items()},
        "ratio_to": _ratios(wall),
        "processor_ratio_to": _ratios(processor),
        "seconds": wall,
        "processor_seconds": processor,
        "beside_fp32": beside(scores["ours"], exact),
        "beside_pipeline": beside(scores["ours"], scores["pipeline"]),
    }


def ours(classifier: TransformerClassifier) -> System:
    """Return what makes probabilities (n, K) of texts with the classifier."""
    return lambda texts: np.asarray(classifier.predict_scores(list(texts)).probabilities, dtype=np.float64)


def peer(classifier: TransformerClassifier) -> System:
    """Return what makes probabilities (n, K) of texts with the pipeline, over the same weights in float32."""
    network = classifier.network_
    names = classifier.schema_.names
    make: Any = pipeline  # its declared types refuse a tokenizer of type Any
    with quiet_transformers():
        model = same_network(network, len(names)).train(mode=False)
        pipe = make("text-classification", model=model, tokenizer=classifier.tokenizer_, batch_size=BATCH, device=CPU)
    assert pipe.model.dtype is torch.float32, "not the default precision"
    place = {f"LABEL_{number}": number for number in range(len(names))}

    def read(texts: Sequence[str]) -> Probabilities:
        found = np.empty((len(texts), len(names)))
        options: dict[str, Any] = {"top_k": None, "truncation": True, "max_length": classifier.max_tokens_}
        for row, answers in enumerate(pipe(list(texts), **options)):
            for answer in answers:
                found[row, place[answer["label"]]] = answer["score"]
        return found

    return read


def same_network(network: Any, n_labels: int) -> BertForSequenceClassification:
    """Return the classifier's network as the pipeline wants it."""
    model = BertForSequenceClassification(BertConfig(**(network.encoder.config.to_dict() | {"num_labels": n_labels})))

    def forward(input_ids: torch.Tensor, attention_mask: torch.Tensor, **_: Any) -> SequenceClassifierOutput:
        return SequenceClassifierOutput(logits=network(input_ids, attention_mask))

    vars(model)["forward"] = forward
    return model


class Bare:
    """The forward passes over the batches that the classifier makes of the texts, and nothing around them."""

    def __init__(self, classifier: TransformerClassifier, texts: list[str]) -> None:
        self.network = classifier.network_
        self.dtype = pick_dtype(classifier.precision, CPU)
        self.batches: list[tuple[torch.Tensor, torch.Tensor]] = []
        padding = classifier.tokenizer_.pad_token_id
        for _, encoded in read_ahead(texts, classifier._encode):  # noqa: SLF001
            for _ in computed_batches(self._keep, encoded.pieces, device=CPU, dtype=self.dtype, pad_token_id=padding):
                pass

    def _keep(self, input_ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        self.batches.append((input_ids, mask))
        return torch.zeros(len(input_ids), 1)

    def __call__(self) -> Probabilities:
        """Compute; the result is of no use but that it was made."""
        half = self.dtype is not torch.float32
        with torch.inference_mode(), torch.autocast("cpu", dtype=self.dtype, enabled=half):
            logits = [self.network(input_ids, mask) for input_ids, mask in self.batches]
        return np.asarray(softmax(torch.cat(logits).numpy(), axis=1), dtype=np.float64)


def beside(scores: Probabilities, reference: Probabilities) -> Figures:
    """Return how far probabilities lie from those of a slower way, row by row."""
    difference = np.abs(scores - reference)
    return {
        "largest_difference": float(difference.max()),
        "mean_difference": float(difference.mean()),
        "label_agreement": float((scores.argmax(axis=1) == reference.argmax(axis=1)).mean()),
    }


def _ratios(seconds: dict[str, list[float]]) -> dict[str, float]:
    """Return how many times as fast ours is as the others."""
    own = float(np.median(seconds["ours"]))
    return {name: float(np.median(seconds[name])) / own for name in ("pipeline", "bare")}


def _say(what: str) -> None:
    print(what, file=sys.stderr, flush=True)


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="folder of the data sets")
    parser.add_argument("--rows", type=int, default=7600)
    parser.add_argument("--sample", type=int, default=1000)
    parser.add_argument("--training-rows", type=int, default=400)
    parser.add_argument("--threads", type=int, default=int(os.environ["OMP_NUM_THREADS"]))
    parser.add_argument("--out", default=str(Path(__file__).parent / "results" / "local.json"))
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    measured_encoder(
        Path(options.out),
        options.data,
        rows=options.rows,
        sample=options.sample,
        training_rows=options.training_rows,
    )


if __name__ == "__main__":
    main()
