"""Speed of a local model's exact likelihoods, beside forward passes that share nothing between texts.

    python benchmarks/local_llm.py --data FOLDER [--llm FILE.gguf] [--texts 200] [--naive-texts 40]

AG News, one demonstration per label: some 400 tokens that all prompts begin with. All systems read the same tokens in
the same number format and return log P(answer, end of turn | prompt):

- `ours`: `LocalScorer.log_likelihoods`, tokenisation included, which the others have had done before the clock starts;
- `batched`: for each text one forward pass over a batch of its labels, each behind the whole prompt;
- `naive`: one forward pass for each text and label, on the first texts only;
- `prompt_once`: for each text its prompt once, then a batch of its labels behind it; on the same first texts.

The three others compute logits only where answers are predicted, and no more than ours. Figures are added to
`results/local.json`.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import DynamicCache

from public_data import data_folder, schema_of, seeded_part
from rac_figures import Figures, write_figures
from textclassify.llm.in_process.chat_tokens import ChatTokenizer
from textclassify.llm.in_process.loaded_models import loaded_once
from textclassify.llm.in_process.local import LocalScorer
from textclassify.llm.prompting.demonstrations import Demonstration
from textclassify.llm.prompting.prompts import Prompt, statement_prompt
from textclassify.models.devices import has_fast_bf16, pick_dtype
from textclassify.models.loading import load_causal_lm, load_tokenizer
from textclassify.models.sources import resolve

PART = "local_llm"
GOALS = {"batched": 1.5, "naive": 5.0}
TURNS = 5
FP32_TEXTS = 20

Tokens = tuple[int, ...]
Scores = NDArray[np.float64]


@dataclass(frozen=True)
class Job:
    """The texts, what is asked about them, and the tokens of both."""

    texts: list[str]
    prompt: Prompt
    prompts: list[Tokens]
    answers: list[Tokens]

    def rows(self, start: int, stop: int) -> list[Tokens]:
        """Return the prompts of some texts."""
        return self.prompts[start:stop]


def measured_llm_speed(
    target: Path, root: str | None, *, texts: int = 200, naive_texts: int = 40, llm: str | None = None
) -> None:
    """Write texts per second of all systems, their ratios, and how far their scores lie apart.

    Args:
        target: the file.
        root: the folder of the data sets.
        texts: that ours and `batched` read.
        naive_texts: that `naive` and `prompt_once` read.
        llm: a model's file or folder; None = the embedded one.

    """
    scorer = LocalScorer(llm)
    job = _job(scorer, root, texts)
    model, _ = load_causal_lm(resolve(llm, "causal"), dtype=pick_dtype("auto", torch.device("cpu")))
    figures = _speeds(scorer, model, job, naive_texts) | _bare_share(scorer, job)
    scores = figures.pop("scores")
    name = scorer.source.name if llm is None else Path(llm).name
    key = f"{name} {os.environ['OMP_NUM_THREADS']} threads"
    write_figures(target, PART, {key: figures})
    for rival, goal in GOALS.items():
        _say(f"{rival}: {figures['ratio_to'][rival]:.2f} times as fast (goal {goal})")
    write_figures(target, PART, {key: figures | _beside_fp32(scorer, llm, job, scores)})


def _job(scorer: LocalScorer, root: str | None, n: int) -> Job:
    folder = data_folder(root, "ag_news")
    schema = schema_of(folder)
    part = seeded_part(folder, "train", n + 50, seed=0)
    spare = dict(zip(reversed(part.labels[n:]), reversed(part.texts[n:]), strict=True))
    prompt = statement_prompt(schema, [Demonstration(spare[str(name)], name) for name in schema.names])
    chat = ChatTokenizer(load_tokenizer(scorer.source))
    prompts = [one.ids for one in chat.prompts(prompt.messages, part.texts[:n], max_tokens=4096)]
    return Job(part.texts[:n], prompt, prompts, [chat.answer(answer) for answer in prompt.answers])


def _speeds(scorer: LocalScorer, model: Any, job: Job, naive_texts: int) -> Figures:
    """Return texts per second by turns: each turn all texts for ours, a part of them for the slow systems."""
    n, k = len(job.texts), len(job.answers)
    slow: dict[str, tuple[Callable[[Any, Tokens, Sequence[Tokens]], list[float]], int]] = {
        "batched": (batched_scores, n),
        "naive": (naive_scores, min(n, naive_texts)),
        "prompt_once": (prompt_once_scores, min(n, naive_texts)),
    }
    scores: dict[str, Scores] = {name: np.empty((count, k)) for name, (_, count) in slow.items()}
    seconds: dict[str, list[float]] = {name: [] for name in ["ours", *slow]}
    used: dict[str, list[float]] = {name: [] for name in seconds}
    scorer.log_likelihoods(job.prompt.messages, job.texts[:4], job.prompt.answers)
    for turn in range(TURNS):
        with _timed(seconds["ours"], used["ours"]):
            found = scorer.log_likelihoods(job.prompt.messages, job.texts, job.prompt.answers)
        scores["ours"] = found.values.astype(np.float64)
        for name, (system, count) in slow.items():
            rows = range(turn * count // TURNS, (turn + 1) * count // TURNS)
            with _timed(seconds[name], used[name]):
                for row in rows:
                    scores[name][row] = system(model, job.prompts[row], job.answers)
        _say(f"turn {turn + 1} of {TURNS}")
    counts = {"ours": TURNS * n} | {name: count for name, (_, count) in slow.items()}
    speeds = {name: counts[name] / sum(turns) for name, turns in seconds.items()}
    cpu = {name: counts[name] / sum(turns) for name, turns in used.items()}
    return {
        "dtype": str(model.dtype),
        "fast_bf16": has_fast_bf16(torch.device("cpu")),
        "texts": n,
        "texts_read": counts,
        "labels": k,
        "prompt_tokens": float(np.mean([len(prompt) for prompt in job.prompts])),
        "texts_per_second": speeds,
        "texts_per_cpu_second": cpu,
        "ratio_to": {name: speeds["ours"] / speeds[name] for name in slow},
        "cpu_ratio_to": {name: cpu["ours"] / cpu[name] for name in slow},
        "goals": GOALS,
        "apart_from": {name: _apart(scores["ours"], scores[name]) for name in slow},
        "scores": scores,
    }


def _bare_share(scorer: LocalScorer, job: Job) -> Figures:
    """Return which share of our time the model's forward passes take; the rest is Python, masks and tokenisation."""
    model = loaded_once(scorer.source, scorer.device, scorer.precision).model
    inside: list[float] = []
    hooks = [
        model.register_forward_pre_hook(lambda *_: inside.append(-time.process_time())),
        model.register_forward_hook(lambda *_: inside.append(time.process_time())),
    ]
    started = time.process_time()
    scorer.log_likelihoods(job.prompt.messages, job.texts, job.prompt.answers)
    whole = time.process_time() - started
    for hook in hooks:
        hook.remove()
    return {"share_of_forward_passes": sum(inside) / whole, "forward_passes": len(inside) // 2}


def _beside_fp32(scorer: LocalScorer, llm: str | None, job: Job, scores: dict[str, Scores]) -> Figures:
    """Return how far ours is from naive forward passes in float32, ours in float32 and ours as it is by default."""
    n = min(FP32_TEXTS, len(job.texts))
    some = job.texts[:n]
    exact = LocalScorer(llm, precision="fp32").log_likelihoods(job.prompt.messages, some, job.prompt.answers)
    model, _ = load_causal_lm(scorer.source, dtype=torch.float32)
    slow = np.array([naive_scores(model, prompt, job.answers) for prompt in job.rows(0, n)])
    reference = exact.values.astype(np.float64)
    return {
        "fp32_texts": n,
        "ours_fp32_apart_from_naive_fp32": _apart(reference, slow),
        "apart_from_fp32": {name: _apart(reference, mine[:n]) for name, mine in scores.items()},
    }


def batched_scores(model: Any, prompt: Tokens, answers: Sequence[Tokens]) -> list[float]:
    """Return the score of each answer from one forward pass over a batch of all, padded on the right."""
    longest = max(map(len, answers))
    ids = torch.zeros((len(answers), len(prompt) + longest - 1), dtype=torch.long)
    mask = torch.zeros_like(ids)
    for row, answer in enumerate(answers):
        whole = torch.tensor([*prompt, *answer[:-1]])
        ids[row, : len(whole)], mask[row, : len(whole)] = whole, 1
    with torch.inference_mode():
        logits = model(input_ids=ids, attention_mask=mask, use_cache=False, logits_to_keep=longest).logits.float()
    return [_sum(logits[row], answer) for row, answer in enumerate(answers)]


def naive_scores(model: Any, prompt: Tokens, answers: Sequence[Tokens]) -> list[float]:
    """Return the score of each answer from a forward pass of its own."""
    scores = []
    for answer in answers:
        ids = torch.tensor([[*prompt, *answer[:-1]]])
        with torch.inference_mode():
            logits = model(input_ids=ids, use_cache=False, logits_to_keep=len(answer)).logits[0].float()
        scores.append(_sum(logits, answer))
    return scores


def prompt_once_scores(model: Any, prompt: Tokens, answers: Sequence[Tokens]) -> list[float]:
    """Return the score of each answer: the prompt is read once, then a batch of all answers behind it."""
    cache = DynamicCache()
    ids = torch.zeros((len(answers), max(map(len, answers)) - 1), dtype=torch.long)
    for row, answer in enumerate(answers):
        ids[row, : len(answer) - 1] = torch.tensor(answer[:-1])
    with torch.inference_mode():
        first = model(input_ids=torch.tensor([prompt]), past_key_values=cache, use_cache=True, logits_to_keep=1).logits
        cache.batch_repeat_interleave(len(answers))
        rest = model(input_ids=ids, past_key_values=cache, use_cache=True).logits
    logits = torch.cat([first.expand(len(answers), -1, -1), rest], dim=1).float()
    return [_sum(logits[row], answer) for row, answer in enumerate(answers)]


def _sum(logits: torch.Tensor, answer: Tokens) -> float:
    steps = logits[: len(answer)].log_softmax(-1)[torch.arange(len(answer)), torch.tensor(answer)]
    return float(steps.sum())


def _apart(one: Scores, other: Scores) -> Figures:
    """Return the largest difference of scores and the share of texts with the same best label; the shorter counts."""
    n = min(len(one), len(other))
    agree = one[:n].argmax(axis=1) == other[:n].argmax(axis=1)
    return {"texts": n, "largest": float(np.abs(one[:n] - other[:n]).max()), "label_agreement": float(agree.mean())}


@contextmanager
def _timed(seconds: list[float], used: list[float]) -> Iterator[None]:
    started, cpu = time.perf_counter(), time.process_time()
    yield
    seconds.append(time.perf_counter() - started)
    used.append(time.process_time() - cpu)


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def main() -> None:
    """Measure, and add the figures to the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="the folder of the data sets")
    parser.add_argument("--llm", help="a model's GGUF file or folder; the embedded one if not given")
    parser.add_argument("--texts", type=int, default=200)
    parser.add_argument("--naive-texts", type=int, default=40)
    parser.add_argument("--out", default=str(Path(__file__).parent / "results" / "local.json"))
    given = parser.parse_args()
    measured_llm_speed(Path(given.out), given.data, texts=given.texts, naive_texts=given.naive_texts, llm=given.llm)


if __name__ == "__main__":
    main()
