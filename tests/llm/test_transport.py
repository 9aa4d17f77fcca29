import asyncio
import logging
import pickle
import socket
import time

import pytest

from textclassify.core.scales import Status
from textclassify.errors import AuthenticationError, ProviderError, QuotaError, UnreachableError
from textclassify.llm.chat import Chat, ChatFailure, ConnectedChat
from textclassify.llm.providers import resolve_endpoint
from textclassify.llm.retries import RetryPolicy
from textclassify.llm.transport import HttpChat, proxy_for

KEY = "sk-secret-0123456789"


def ask(chat, request):
    return asyncio.run(chat.complete(request))


def test_a_request_is_sent_in_the_protocols_words(server, chat, asking):
    """One body is what every OpenAI-compatible server understands."""
    reply = ask(chat, asking("hi", top_logprobs=5, response_schema={"type": "object"}, seed=3, extra={"top_p": 0.9}))

    (body,) = server.asked
    assert reply.content == "HI"
    assert body["response_format"]["json_schema"]["schema"] == {"type": "object"}
    assert {name: body[name] for name in ("model", "max_tokens", "logprobs", "top_logprobs", "seed", "top_p")} == {
        "model": "m",
        "max_tokens": 16,
        "logprobs": True,
        "top_logprobs": 5,
        "seed": 3,
        "top_p": 0.9,
    }
    assert server.headers[0]["Authorization"] == f"Bearer {KEY}"


def test_openai_is_asked_under_its_own_name_for_the_longest_answer(server, asking):
    """Its newer models refuse max_tokens; its own parameters are part of the cache's key."""
    chat = HttpChat(resolve_endpoint("openai", server.url, KEY), "m")
    ask(chat, asking("hi"))

    assert server.asked[0]["max_completion_tokens"] == 16
    assert server.asked[0]["reasoning_effort"] == "none"
    assert chat.key(asking("hi")) != asking("hi").key("openai", server.url)


@pytest.mark.parametrize("fault", ["500", "reset", "truncated", "html", "no choices", "invalid utf-8", "error in 200"])
def test_a_passing_fault_is_retried(fault, server, chat, asking):
    """One row lost to a hiccup is one too many."""
    bodies = {
        "truncated": b'{"choices": [{"mess',
        "html": b"<html>",
        "no choices": b"{}",
        "invalid utf-8": b"\xff\xfe{",
    }
    if fault == "500":
        server.will_answer(500, {"error": {"message": "oops"}})
    elif fault == "reset":
        server.will_break()
    else:
        server.will_answer(200, bodies.get(fault, b'{"error": {"code": 502, "message": "upstream"}}'))

    assert ask(chat, asking("hi")).content == "HI"
    assert len(server.asked) == 2


def test_a_slow_server_is_given_up_and_asked_again(server, asking):
    """A request that hangs must not hold a worker for ever."""
    chat = HttpChat(resolve_endpoint("vllm", server.url), "m", timeout_seconds=0.1, retries=RetryPolicy(2, 0.001))
    server.delay_seconds = lambda _: 0.0 if len(server.asked) > 1 else 5.0

    assert ask(chat, asking("hi")).content == "HI"


def test_the_wait_that_a_rate_limit_asks_for_is_kept(server, chat, asking):
    """Earlier is a broken promise, and much later is lost time."""
    server.will_answer(429, {"error": {"message": "slow down"}}, {"retry-after-ms": "200"})
    started = time.monotonic()

    ask(chat, asking("hi"))

    assert 0.2 <= time.monotonic() - started < 2.0
    assert len(server.asked) == 2


def test_a_limit_of_hours_stops_the_run(server, chat, asking):
    """Nobody wants a process that sleeps until tomorrow."""
    server.will_answer(429, {"error": {"message": "daily limit"}}, {"Retry-After": "80000"})
    with pytest.raises(QuotaError, match="daily limit"):
        ask(chat, asking("hi"))


@pytest.mark.parametrize(
    ("status", "error", "kind"),
    [
        (401, {"message": f"Incorrect API key provided: {KEY}"}, AuthenticationError),
        (429, {"message": "You exceeded your current quota", "code": "insufficient_quota"}, QuotaError),
        (404, {"message": "The model m does not exist"}, ProviderError),
    ],
)
def test_what_no_retry_mends_stops_at_once_without_showing_the_key(status, error, kind, server, chat, asking, caplog):
    """Each retry would cost time and get the same answer."""
    caplog.set_level(logging.DEBUG)
    server.will_answer(status, {"error": error})

    with pytest.raises(kind) as caught:
        ask(chat, asking("hi"))

    assert len(server.asked) == 1
    assert KEY not in f"{caught.value!r} {caught.value.__context__!r} {caplog.text}"


def test_a_refused_parameter_is_learned_once(server, chat, asking, caplog):
    """The first request pays one extra round trip; all others are right at once."""
    server.will_answer(400, {"error": {"message": "Unsupported value", "param": "temperature"}})

    ask(chat, asking("one"))
    ask(chat, asking("two"))

    assert ["temperature" in body for body in server.asked] == [True, False, False]
    assert "refuses 'temperature'" in caplog.text


def test_the_other_name_for_the_longest_answer_is_tried(server, chat, asking):
    """Without any limit a model may talk for pages, at the user's cost."""
    server.will_answer(400, {"error": {"message": "'max_tokens' is not supported, use 'max_completion_tokens'"}})

    ask(chat, asking("hi"))

    assert server.asked[1]["max_completion_tokens"] == 16
    assert "max_tokens" not in server.asked[1]


def test_a_text_that_is_refused_for_another_reason_teaches_nothing(server, chat, asking):
    """Otherwise one odd text would cost all others their log-probabilities."""
    for _ in range(9):
        server.will_answer(400, {"error": {"message": "unexpected characters"}})
    with pytest.raises(ChatFailure, match="FAILED"):
        ask(chat, asking("odd"))

    server.script.clear()
    ask(chat, asking("hi", top_logprobs=5))
    assert {"logprobs", "temperature", "max_tokens"} <= server.asked[-1].keys()


def test_a_text_beyond_the_context_is_its_rows_problem(server, chat, asking):
    """The status tells the user to shorten it."""
    server.will_answer(400, {"error": {"message": "too many tokens", "code": "context_length_exceeded"}})
    with pytest.raises(ChatFailure) as caught:
        ask(chat, asking("long"))
    assert caught.value.status is Status.TOO_LONG


def test_a_redirect_is_not_followed(server, chat, asking):
    """It would carry the key to another host."""
    server.will_answer(307, {}, {"Location": server.url + "/chat/completions"})
    with pytest.raises(ProviderError, match="redirects"):
        ask(chat, asking("hi"))
    assert len(server.asked) == 1


@pytest.mark.parametrize("compressed", [False, True])
def test_an_endless_reply_is_cut(compressed, server, asking):
    """A broken or hostile server must not fill the memory, compressed or not."""
    chat = HttpChat(resolve_endpoint("vllm", server.url), "m", max_reply_bytes=50_000)

    def long(_):
        from aiohttp import web

        response = web.Response(body=b" " * 5_000_000)
        if compressed:
            response.enable_compression(web.ContentCoding.gzip)
        return response

    server.script.append(long)
    with pytest.raises(ChatFailure, match="longer than 50000 bytes") as caught:
        ask(chat, asking("hi"))
    assert caught.value.status is Status.INVALID


def test_nobody_at_the_address_is_said_soon(asking):
    """A server that was never started is the commonest mistake with local models."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    chat = HttpChat(resolve_endpoint("vllm", url), "m", retries=RetryPolicy(3, 0.001))

    with pytest.raises(UnreachableError, match=r"cannot connect.*check base_url"):
        ask(chat, asking("hi"))


def test_one_row_that_always_fails_does_not_stop_the_run_but_eight_do(server, chat, asking):
    """A poisonous text is a row's problem; failures without an answer between them mean a dead server."""

    async def losing(count):
        lost = []
        async with chat.connected() as connected:
            for _ in range(count):
                for _ in range(3):
                    server.will_answer(500, {})
                try:
                    await connected.complete(asking("hi"))
                except ChatFailure as failure:
                    lost.append(failure.status)
        return lost

    assert asyncio.run(losing(7)) == [Status.FAILED] * 7
    assert ask(chat, asking("hi")).content == "HI"
    assert asyncio.run(losing(7)) == [Status.FAILED] * 7
    with pytest.raises(UnreachableError):
        asyncio.run(losing(1))


def test_a_server_that_refuses_everything_stops_the_run(server, chat, asking):
    """A thousand rows of status FAILED would hide one wrong setting."""

    async def refused():
        async with chat.connected() as connected:
            for _ in range(40):
                server.will_answer(400, {"error": {"message": "computer says so"}})
                with pytest.raises(ChatFailure):
                    await connected.complete(asking("hi"))

    with pytest.raises(ProviderError, match=r"refuses every request.*computer says so"):
        asyncio.run(refused())


def test_a_lone_surrogate_is_sent_as_a_question_mark(chat, asking):
    """UTF-8 cannot hold it, and the text is still worth an answer."""
    assert ask(chat, asking("a\ud83d")).content == "A?"


def test_a_chat_is_pickled_without_key_or_connection(chat):
    """Classifiers are pickled by schedulers and grid searches; clocks of one machine mean nothing on another."""
    chat.memory.resume_at = 1e12
    again = pickle.loads(pickle.dumps(chat))

    assert KEY.encode() not in pickle.dumps(chat)
    assert KEY not in repr(chat)
    assert again.memory.resume_at == 0.0
    assert (again.name, again.model, again.endpoint.base_url) == (chat.name, chat.model, chat.endpoint.base_url)
    assert isinstance(again, Chat)
    assert isinstance(again, ConnectedChat)


def test_a_proxy_is_used_as_elsewhere_but_never_for_this_machine(monkeypatch):
    """Many offices reach providers only through one."""
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", "internal.example")

    assert proxy_for("https://api.openai.com/v1") == "http://proxy.example:3128"
    assert proxy_for("http://127.0.0.1:8000/v1") is None
    assert proxy_for("https://internal.example/v1") is None
