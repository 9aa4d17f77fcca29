"""`requests_left` and `estimate_of`: what a question would ask about texts, counted from its own prompts."""

from __future__ import annotations

from collections.abc import Callable, Collection, Container, Mapping, Sequence
from itertools import chain

from textclassify.core.scales import Method
from textclassify.llm.chat import ChatRequest
from textclassify.llm.money.estimates import Estimate
from textclassify.llm.money.prices import Price
from textclassify.llm.money.token_counts import Range
from textclassify.llm.questions import Question

_USUAL_LONGEST = 150


def requests_left(
    question: Question,
    texts: Sequence[str],
    key: Callable[[ChatRequest], bytes],
    kept: Callable[[Collection[bytes]], Container[bytes]],
) -> dict[str, int]:
    """Return how many requests are still to be sent about each text, less the texts about which there are none.

    Args:
        question: how the texts are asked about.
        texts: distinct ones without scores, as they leave the process; those that may share a request do so in this
            order, as in a run that is given them together.
        key: the cache's key of a request.
        kept: which of some keys have a reply.

    """
    together = [text for text in texts if not question.goes_alone(text)]
    groups = [[text] for text in texts if question.goes_alone(text)]
    requests = question.requests([text for (text,) in groups])
    for start in range(0, len(together), question.texts_per_request):
        groups.append(together[start : start + question.texts_per_request])
        requests.append(question.pack_requests(groups[-1]))
    keys = [[key(request) for request in several] for several in requests]
    replied = kept(list(chain.from_iterable(keys)))
    missing = [sum(one not in replied for one in several) for several in keys]
    return {text: number for group, number in zip(groups, missing, strict=True) for text in group if number}


def estimate_of(
    question: Question,
    asked: Sequence[str],
    distinct: Sequence[str],
    left: Mapping[str, int],
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
        left: those of `distinct` whose answers are not all kept, with the number of requests that are still to be sent
            about each of them, or about the pack that it is in: of all its samples those without a kept reply.
        price: of the model; None = unknown.
        provider: who is asked.
        blank: texts that are not asked about.

    """
    shared = [message.content for message in question.requests([""])[0][0].messages]
    one_prompt = question.prompts.identity == ""
    return Estimate.of(
        list(left) if one_prompt else [_whole(question, text) for text in left],
        provider=provider,
        model=question.model,
        method=question.method.name.lower(),
        price=price,
        completion=_completion(question),
        shared="".join(shared) if one_prompt else "",
        messages=len(shared),
        texts_per_request=question.texts_per_request,
        samples=list(left.values()),
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
