"""`estimate_of`: what a question would ask about texts, counted from its own prompts."""

from __future__ import annotations

from collections.abc import Sequence

from textclassify.core.scales import Method
from textclassify.llm.money.estimates import Estimate
from textclassify.llm.money.prices import Price
from textclassify.llm.money.token_counts import Range
from textclassify.llm.questions import Question

_USUAL_LONGEST = 150


def estimate_of(
    question: Question,
    asked: Sequence[str],
    distinct: Sequence[str],
    missing: Sequence[str],
    *,
    price: Price | None,
    provider: str,
    blank: int,
) -> Estimate:
    """Return what asking would send and cost.

    Args:
        question: how the texts are asked about.
        asked: the texts that are not blank, as they leave the process.
        distinct: the different ones among them.
        missing: those of `distinct` whose answers are not kept.
        price: of the model; None = unknown.
        provider: who is asked.
        blank: texts that are not asked about.

    """
    left = set(missing)
    shared = [message.content for message in question.requests([""])[0][0].messages]
    one_prompt = question.prompts.identity == ""
    return Estimate.of(
        missing if one_prompt else [_whole(question, text) for text in missing],
        provider=provider,
        model=question.model,
        method=question.method.name.lower(),
        price=price,
        completion=_completion(question),
        shared="".join(shared) if one_prompt else "",
        messages=len(shared),
        texts_per_request=question.texts_per_request,
        samples=question.n_samples,
        rows=len(asked) + blank,
        blank=blank,
        distinct=len(distinct),
        cached=sum(text not in left for text in asked),
    )


def _whole(question: Question, text: str) -> str:
    return "".join(message.content for message in question.requests([text])[0][0].messages)


def _completion(question: Question) -> Range:
    """Return how many tokens a reply has."""
    longest = float(question.max_tokens or _USUAL_LONGEST)
    if question.method is Method.VERBAL:
        return Range(4.0 * question.n_labels, 8.0 * question.n_labels, longest)
    if question.texts_per_request > 1:
        return Range(4.0 * question.texts_per_request, 7.0 * question.texts_per_request, longest)
    return Range(1.0, 2.0, longest)
