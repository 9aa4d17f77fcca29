"""What an open chat repeats, what that costs, and what it gives up."""

import asyncio
from dataclasses import replace

import pytest

from textclassify.core.scales import Status
from textclassify.errors import BudgetError, ConfigError
from textclassify.llm.chat import ChatFailure, Usage
from textclassify.llm.http.providers import resolve_endpoint
from textclassify.llm.http.retries import RetryPolicy
from textclassify.llm.http.transport import HttpChat

ONE = Usage(7, 1)  # of each completion of the server
REFUSALS = ("max_tokens", "max_completion_tokens")


async def nothing(_):
    """Stands for somebody who counts money."""


def ask(chat, request, before_retry=None):
    """The reply, and how many HTTP requests it took."""

    async def once():
        async with chat.connected() as connected:
            connected.before_retry = before_retry
            return await connected.complete(request), connected.tries

    return asyncio.run(once())


def will_refuse(server, name):
    server.will_answer(400, {"error": {"message": f"Unsupported parameter: '{name}'", "param": name}})


def test_an_empty_reply_is_asked_for_once_more_and_both_are_counted(server, chat, asking, complete):
    """Servers stumble; what the first one cost is on the bill as well."""
    server.will_answer(200, complete(""))
    reply, tries = ask(chat, asking("hi"))

    assert (reply.content, tries) == ("HI", 2)
    assert (reply.usage, reply.discarded) == (ONE + ONE, ONE)
    assert ask(chat, asking("hi"))[0].discarded == Usage()


def test_a_reply_that_stays_empty_is_paid_for_twice_and_no_more(server, chat, asking, complete):
    """A model that has nothing to say to a text says nothing the third time, too."""
    for _ in range(5):
        server.will_answer(200, complete(""))
    reply, tries = ask(chat, asking("hi"))

    assert (reply.status, reply.usage, tries) == (Status.INVALID, ONE + ONE, 2)
    once = HttpChat(chat.endpoint, "m", retries=RetryPolicy(1))
    assert ask(once, asking("hi"))[1] == 1


def test_an_empty_reply_is_better_than_none(server, chat, asking, complete):
    """It was paid for; a failure would leave its tokens out of every sum."""
    server.will_answer(200, complete(""))
    for _ in range(3):
        server.will_answer(500, {})
    reply, _ = ask(chat, asking("hi"))
    assert (reply.content, reply.usage, reply.discarded) == ("", ONE, ONE)

    async def broke(_):
        raise BudgetError("nothing is left")

    server.will_answer(200, complete(""))
    assert ask(chat, asking("hi"), broke)[0].usage == ONE


def test_money_is_reserved_before_an_empty_reply_is_asked_for_again(server, chat, asking, complete):
    """The second try costs as much as the first."""
    asked = []

    async def reserve(request):
        asked.append((request, len(server.asked)))

    server.will_answer(200, complete(""))
    ask(chat, asking("hi"), reserve)
    assert asked == [(asking("hi"), 1)]


@pytest.mark.parametrize("empty_first", [False, True])
@pytest.mark.parametrize(("fault", "billed"), [("timeout", 1), ("break", 1), ("unreadable", 1), ("500", 0), ("400", 0)])
def test_a_failure_says_whether_it_may_be_billed(fault, billed, empty_first, server, chat, asking, complete):
    """A refusal costs nothing; of a reply that was lost on its way nobody knows."""
    chat = HttpChat(chat.endpoint, "m", timeout_seconds=0.1, retries=RetryPolicy(2, 0.001))
    if empty_first:
        server.will_answer(200, complete(""))
    for _ in range(2):
        if fault == "timeout":
            server.will_drip(b" " * 100)
        elif fault == "break":
            server.will_break()
        else:
            server.will_answer(int(fault) if fault.isdigit() else 200, b"no")

    if empty_first and not billed:
        assert ask(chat, asking("hi"))[0].usage == ONE
        return
    with pytest.raises(ChatFailure) as caught:
        ask(chat, asking("hi"))
    assert (caught.value.status, caught.value.may_be_billed) == (Status.FAILED, bool(billed))


def test_a_reply_that_is_too_long_was_billed(server, asking):
    """Every byte of it was generated."""
    server.will_answer(200, b" " * 5000)
    chat = HttpChat(resolve_endpoint("vllm", server.url), "m", max_reply_bytes=1000)
    with pytest.raises(ChatFailure) as caught:
        ask(chat, asking("hi"))
    assert caught.value.may_be_billed


def test_nothing_without_a_bound_is_sent_while_money_is_counted(server, chat, asking):
    """A cap that rests on the longest answer is none when the answer may be of any length."""
    for name in REFUSALS:
        will_refuse(server, name)
    with pytest.raises(ConfigError, match=r"max_cost cannot be kept.*'m'.*neither max_tokens nor.*leave max_cost out"):
        ask(chat, asking("hi"), nothing)
    assert len(server.asked) == 2


def test_what_was_learned_without_a_budget_does_not_break_one(server, chat, asking):
    """Where nobody counts, an answer without a bound is better than none; the next run may count."""
    for name in REFUSALS:
        will_refuse(server, name)
    assert ask(chat, asking("hi"))[0].content == "HI"
    assert server.asked[-1].keys().isdisjoint(REFUSALS)

    with pytest.raises(ConfigError, match="max_cost"):
        ask(chat, asking("hi"), nothing)
    assert len(server.asked) == 3
    assert ask(chat, replace(asking("hi"), max_tokens=None), nothing)[0].content == "HI"
