import asyncio
import json
import logging
import pickle
import socket
import time
from dataclasses import replace

import pytest

from textclassify.core.scales import Status
from textclassify.errors import AuthenticationError, ConfigError, ProviderError, QuotaError, UnreachableError
from textclassify.llm.chat import Chat, ChatFailure, ConnectedChat, PacedChat, TokenLogprob
from textclassify.llm.http.keys import Secret
from textclassify.llm.http.providers import PROVIDERS, Endpoint, resolve_endpoint
from textclassify.llm.http.retries import RetryPolicy
from textclassify.llm.http.transport import HttpChat

KEY = "sk-secret-0123456789"


def ask(chat, request):
    return asyncio.run(chat.complete(request))


def ask_together(chat, requests):
    """The replies to requests that are in flight at once, and how many HTTP requests they took."""

    async def together():
        async with chat.connected() as connected:
            replies = await asyncio.gather(*map(connected.complete, requests), return_exceptions=True)
            return replies, connected.tries

    return asyncio.run(together())


def as_bytes(complete):
    return json.dumps(complete("A" * 50)).encode()


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
    assert chat.key(asking("hi")) == asking("hi").key("openai", server.url, {"reasoning_effort": "none"})


def test_what_a_model_is_known_to_refuse_is_never_sent(server, asking):
    """The answer to it would be an error."""
    chat = HttpChat(resolve_endpoint("openai", server.url, KEY), "gpt-5-nano")
    ask(chat, replace(asking("hi", top_logprobs=5), model="gpt-5-nano"))
    assert server.asked[0].keys().isdisjoint({"temperature", "logprobs", "top_logprobs"})


def test_gemini_is_asked_for_log_probabilities_in_its_own_protocol(server, asking):
    """Its OpenAI-compatible endpoint gives none; the key goes where Google wants it."""
    native = server.url + "beta"
    row = replace(PROVIDERS["gemini"], base_url=f"{native}/openai", native_url=native)
    chat = HttpChat(Endpoint(row, row.base_url, Secret(KEY)), "m")
    chosen = [{"token": "A", "logProbability": -0.5}]
    candidate = {"content": {"parts": [{"text": "A"}]}, "logprobsResult": {"chosenCandidates": chosen}}
    server.will_answer(200, {"candidates": [candidate]})

    reply = ask(chat, asking("hi", top_logprobs=5))

    assert reply.logprobs == (TokenLogprob("A", -0.5),)
    assert server.paths == ["/v1beta/models/m:generateContent"]
    assert server.asked[0]["contents"] == [{"role": "user", "parts": [{"text": "hi"}]}]
    assert server.headers[0]["x-goog-api-key"] == KEY
    assert "Authorization" not in server.headers[0]


def test_a_gemini_model_without_log_probabilities_is_asked_without(server, asking):
    """Most of them refuse; then there is no reason for its own protocol any more."""
    native = server.url.removesuffix("/v1") + "/v1beta"
    row = replace(PROVIDERS["gemini"], base_url=server.url, native_url=native)
    server.will_answer(400, {"error": {"code": 400, "message": "Logprobs is not enabled for models/m"}})

    assert ask(HttpChat(Endpoint(row, row.base_url, Secret(KEY)), "m"), asking("hi", top_logprobs=5)).content == "HI"
    assert server.paths == ["/v1beta/models/m:generateContent", "/v1/chat/completions"]


@pytest.mark.parametrize(
    "fault", ["500", "reset", "chunked reset", "truncated", "html", "no choices", "invalid utf-8", "error in 200"]
)
def test_a_passing_fault_is_retried(fault, server, chat, asking, complete):
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
    elif fault == "chunked reset":
        server.will_drip(as_bytes(complete), 0.0, breaks_off=True)
    else:
        server.will_answer(200, bodies.get(fault, b'{"error": {"code": 502, "message": "upstream"}}'))

    assert ask(chat, asking("hi")).content == "HI"
    assert len(server.asked) == 2


@pytest.mark.parametrize("how", ["silent", "drop by drop"])
def test_a_slow_server_is_given_up_and_asked_again(how, server, asking, complete):
    """A request that hangs must not hold a worker for ever, and a byte now and then is no answer either."""
    chat = HttpChat(resolve_endpoint("vllm", server.url), "m", timeout_seconds=0.1, retries=RetryPolicy(2, 0.001))
    if how == "silent":
        server.delay_seconds = lambda _: 0.0 if len(server.asked) > 1 else 5.0
    else:
        server.will_drip(as_bytes(complete))

    assert ask(chat, asking("hi")).content == "HI"
    assert len(server.asked) == 2


def test_a_timeout_that_is_none_is_refused():
    """Zero seconds would fail every request, and each of them would be tried again."""
    with pytest.raises(ConfigError, match="timeout 0"):
        HttpChat(resolve_endpoint("vllm"), "m", timeout_seconds=0)


def test_a_long_reply_is_read_to_its_end(server, chat, asking, complete):
    """Five megabytes within the limit are an answer, whole or in pieces."""
    whole = json.dumps(complete("x" * 5_000_000)).encode()

    def in_pieces(_):
        from aiohttp import web

        response = web.Response(body=whole)
        response.enable_chunked_encoding()
        return response

    server.will_answer(200, whole)
    server.script.append(in_pieces)
    assert ask(chat, asking("hi")).body == whole
    assert ask(chat, asking("hi")).body == whole


def test_a_wrong_content_type_does_not_hide_an_answer(server, chat, asking, complete):
    """Servers behind proxies call JSON text."""
    server.will_answer(200, as_bytes(complete), {"Content-Type": "text/html"})
    assert ask(chat, asking("hi")).content == "A" * 50


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


@pytest.mark.parametrize("body", [b'{"error": {"message": "no such key: %s"}}', b'{"detail": "no such key: %s"}'])
def test_a_key_with_slashes_is_not_shown_either(body, server, asking, caplog):
    """Many servers escape them in JSON, so that the key on the wire is not the key in the message."""
    key = "sk/secret/0123456789"
    server.will_answer(401, body % key.replace("/", "\\/").encode())
    with pytest.raises(AuthenticationError, match=r"no such key: \*\*\*") as caught:
        ask(HttpChat(resolve_endpoint("vllm", server.url, key), "m"), asking("hi"))
    assert "0123456789" not in f"{caught.value!r} {caplog.text}"


def test_a_refused_parameter_is_learned_once(server, chat, asking, caplog):
    """The first request pays one extra round trip; all others are right at once."""
    server.will_answer(400, {"error": {"message": "Unsupported value", "param": "temperature"}})

    ask(chat, asking("one"))
    ask(chat, asking("two"))

    assert ["temperature" in body for body in server.asked] == [True, False, False]
    assert "refuses 'temperature'" in caplog.text


def test_a_refused_parameter_is_learned_by_many_in_flight(server, chat, asking):
    """At the start of a run all workers ask at once, and each of them gets the error; no row may be lost to it."""
    refusal = {"error": {"message": "Unsupported value", "param": "temperature"}}
    for _ in range(20):
        server.will_answer(400, refusal)

    replies, tries = ask_together(chat, [asking(f"hi {n}") for n in range(20)])

    assert [reply.content for reply in replies] == [f"HI {n}" for n in range(20)]
    assert tries == len(server.asked) == 40
    assert "temperature" not in chat.memory.parameters(asking("hi"))


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


def test_an_error_without_a_reason_is_tried_again(server, chat, asking):
    """Some servers call their own stumbling a bad request, and the row would be lost."""
    for _ in range(2):
        server.will_answer(400, {"error": {"message": "ValueError('range() arg 3 must not be zero')"}})
    assert ask(chat, asking("hi")).content == "HI"


def test_a_redirect_is_not_followed(server, chat, asking):
    """It would carry the key to another host."""
    server.will_answer(307, {}, {"Location": server.url + "/chat/completions"})
    with pytest.raises(ProviderError, match="redirects"):
        ask(chat, asking("hi"))
    assert len(server.asked) == 1


def test_a_connection_that_is_not_secure_is_not_tried_again(server, asking):
    """A wrong certificate is no passing trouble, and the key must not go there."""
    chat = HttpChat(resolve_endpoint("vllm", server.url.replace("http:", "https:"), KEY), "m")

    (failure,), tries = ask_together(chat, [asking("hi")])

    assert isinstance(failure, UnreachableError)
    assert "check the certificate" in str(failure)
    assert (tries, server.asked) == (0, [])


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


def test_a_server_that_never_answered_is_looked_for_three_times(asking):
    """The whole patience of a run is for servers that were there before."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    chat = HttpChat(resolve_endpoint("vllm", url), "m", retries=RetryPolicy(99, 0.001))

    (failure,), tries = ask_together(chat, [asking("hi")])

    assert isinstance(failure, UnreachableError)
    assert "after 3 tries" in str(failure)
    assert tries == 0


def test_a_short_outage_costs_no_row(server, asking):
    """A restart in the middle of a run is an everyday event."""
    chat = HttpChat(resolve_endpoint("vllm", server.url), "m", retries=RetryPolicy(first_wait_seconds=0.01))
    ask(chat, asking("before"))
    for _ in range(40):
        server.will_break()

    replies, tries = ask_together(chat, [asking(f"hi {n}") for n in range(10)])

    assert [reply.content for reply in replies] == [f"HI {n}" for n in range(10)]
    assert tries == 50


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
                for _ in range(3):
                    server.will_answer(400, {"error": {"message": "computer says so"}})
                with pytest.raises(ChatFailure):
                    await connected.complete(asking("hi"))

    with pytest.raises(ProviderError, match=r"refuses every request.*computer says so"):
        asyncio.run(refused())


def test_an_open_chat_paces_its_requests(server, chat, asking):
    """The caller takes a slot before it reserves money; without one there is nothing to spend it on."""
    one = HttpChat(chat.endpoint, "m", concurrency=1)

    async def paced():
        async with one.connected() as connected:
            assert isinstance(connected, PacedChat)
            first, second = connected.try_admit(asking("a")), connected.try_admit(asking("b"))
            waiting = asyncio.create_task(connected.admit(asking("b")))
            await connected.complete(asking("a"))
            await waiting
            return first, second, (await connected.complete(asking("b"))).content, connected.tries

    assert asyncio.run(paced()) == (True, False, "B", 2)
    assert server.most_in_flight == 1


def test_a_slot_is_free_again_whatever_becomes_of_the_request(server, chat, asking):
    """A leaked slot would slow the run down, and the last one would stop it."""
    one = HttpChat(chat.endpoint, "m", concurrency=1, retries=RetryPolicy(1))
    server.will_answer(400, {"error": {"message": "no"}})
    server.will_answer(500, {})
    server.will_break()

    replies, _ = ask_together(one, [asking(text) for text in ("a", "b", "c", "d")])

    assert [getattr(reply, "status", None) for reply in replies] == [*[Status.FAILED] * 3, Status.OK]


def test_what_was_learned_about_the_rate_outlives_the_connection(server, chat, asking):
    """The next call of a classifier must not run into the same limit again."""
    server.will_answer(429, {}, {"retry-after-ms": "20"})
    ask(chat, asking("hi"))
    rate = chat.memory.rate
    ask(chat, asking("hi"))
    assert chat.memory.rate is rate


def test_no_connection_is_made_to_an_address_that_is_forbidden(asking, monkeypatch):
    """Not even the name is looked up: it does not exist, and nobody notices."""
    chat = HttpChat(resolve_endpoint("vllm", "http://no-such-host.invalid/v1"), "m")
    kept = HttpChat(resolve_endpoint("openai", needs_key=False), "m")
    monkeypatch.setenv("TEXTCLASSIFY_OFFLINE", "1")

    with pytest.raises(ConfigError, match="not on this machine"):
        ask(chat, asking("hi"))
    with pytest.raises(ConfigError, match="nothing may be sent"):
        ask(kept, asking("hi"))
    assert kept.key(asking("hi")) == HttpChat(Endpoint(PROVIDERS["openai"], kept.endpoint.base_url), "m").key(
        asking("hi")
    )


def test_a_lone_surrogate_is_sent_as_a_question_mark(chat, asking):
    """UTF-8 cannot hold it, and the text is still worth an answer."""
    assert ask(chat, asking("a\ud83d")).content == "A?"


def test_a_chat_is_pickled_without_key_or_connection(chat):
    """Classifiers are pickled by schedulers and grid searches; clocks of one machine mean nothing on another."""
    chat.memory.rate.resume_at = 1e12
    again = pickle.loads(pickle.dumps(chat))

    assert KEY.encode() not in pickle.dumps(chat)
    assert KEY not in repr(chat)
    assert again.memory.rate.resume_at < 1e12
    assert (again.name, again.model, again.endpoint.base_url) == (chat.name, chat.model, chat.endpoint.base_url)
    assert isinstance(again, Chat)
    assert isinstance(again, ConnectedChat)
