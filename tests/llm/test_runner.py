import asyncio
import os
import signal
import threading
import time

import pytest

from textclassify.core.scales import Status
from textclassify.errors import AuthenticationError, ConfigError, StorageError
from textclassify.llm.cache import ResponseCache
from textclassify.llm.chat import ChatFailure, ChatReply
from textclassify.llm.runner import ask_all, ask_all_async, run_coroutine


class Echo:
    """Answers in upper case; raises what `errors` holds for a text."""

    name, model = "echo", "m"

    def __init__(self, errors=()):
        self.asked = []
        self.errors = dict(errors)

    async def complete(self, request):
        text = request.messages[-1].content
        self.asked.append(text)
        await asyncio.sleep(0)
        if text in self.errors:
            raise self.errors[text]
        return ChatReply(text.upper())


def contents(outcomes):
    return [outcome.content for outcome in outcomes]


def test_answers_come_back_in_the_order_of_the_questions(server, chat, asking):
    """The last question may well be answered first."""
    texts = [f"t{i}" for i in range(30)]
    server.delay_seconds = lambda text: 0.03 - int(text[1:]) / 1000

    assert contents(ask_all(chat, [asking(text) for text in texts])) == [text.upper() for text in texts]


def test_requests_wait_together_up_to_the_concurrency(server, chat, asking):
    """Latency is what bulk labelling spends its time on."""
    server.delay_seconds = lambda _: 0.1
    started = time.monotonic()

    ask_all(chat, [asking(f"t{i}") for i in range(40)], concurrency=10)

    assert server.most_in_flight == 10
    assert 0.4 <= time.monotonic() - started < 2.0


def test_identical_requests_are_asked_once(asking):
    """Real data repeats itself, and every repeat would be paid."""
    echo = Echo()
    outcomes = ask_all(echo, [asking(text) for text in ["a", "b", "a", "a"]])

    assert contents(outcomes) == ["A", "B", "A", "A"]
    assert sorted(echo.asked) == ["a", "b"]


def test_a_warm_cache_asks_nothing(server, chat, asking, tmp_path):
    """An answer that was paid for is never paid again, in another process either."""
    requests = [asking(f"t{i}") for i in range(5)]
    first = ask_all(chat, requests, cache=ResponseCache(tmp_path))
    second = ask_all(chat, requests, cache=ResponseCache(tmp_path))

    assert contents(first) == contents(second)
    assert [reply.cached for reply in first + second] == [False] * 5 + [True] * 5
    assert len(server.asked) == 5


def test_a_failed_row_stops_nobody_and_is_asked_again_next_time(asking, tmp_path):
    """Errors are never cached."""
    echo = Echo({"b": ChatFailure(Status.TOO_LONG, "9000 tokens")})
    requests = [asking(text) for text in "abc"]

    outcomes = ask_all(echo, requests, cache=ResponseCache(tmp_path))
    ask_all(echo, requests, cache=ResponseCache(tmp_path))

    assert [outcome.status for outcome in outcomes] == [Status.OK, Status.TOO_LONG, Status.OK]
    assert sorted(echo.asked) == ["a", "b", "b", "c"]


def test_an_error_of_the_run_stops_it_and_keeps_what_was_answered(asking, tmp_path):
    """A key that is revoked in the middle costs no answer that was received before."""
    echo = Echo({"t5": AuthenticationError("revoked")})
    cache = ResponseCache(tmp_path)

    with pytest.raises(AuthenticationError, match="revoked"):
        ask_all(echo, [asking(f"t{i}") for i in range(1000)], concurrency=1, cache=cache)

    assert len(echo.asked) == 6
    assert len(cache) == 5


def test_an_error_of_the_run_does_not_wait_for_what_is_in_flight(asking):
    """Requests that take a minute each would otherwise delay the message by as much."""

    class Slow(Echo):
        async def complete(self, request):
            if request.messages[-1].content == "slow":
                await asyncio.sleep(30)
            return await super().complete(request)

    started = time.monotonic()
    with pytest.raises(AuthenticationError):
        ask_all(Slow({"bad": AuthenticationError("revoked")}), [asking("slow"), asking("bad")])
    assert time.monotonic() - started < 5.0


def test_an_interrupt_keeps_what_was_answered(asking, tmp_path):
    """Ctrl-C is how people stop long runs."""
    echo = Echo({"t5": KeyboardInterrupt()})
    cache = ResponseCache(tmp_path)

    with pytest.raises(KeyboardInterrupt):
        ask_all(echo, [asking(f"t{i}") for i in range(100)], concurrency=1, cache=cache)

    assert len(cache) == 5
    cache.close()


def test_an_answer_is_on_disk_before_the_run_ends(asking, tmp_path):
    """A killed process loses what was in flight and nothing else."""
    on_disk = []

    class Watching(Echo):
        async def complete(self, request):
            await asyncio.sleep(0.01)
            with ResponseCache(tmp_path) as other:
                on_disk.append(len(other))
            return await super().complete(request)

    ask_all(Watching(), [asking(f"t{i}") for i in range(4)], concurrency=1, cache=ResponseCache(tmp_path))

    assert on_disk == [0, 1, 2, 3]


def test_a_disk_that_fails_in_the_middle_loses_no_answer(asking, tmp_path, caplog):
    """The answers are paid for; the caller gets them and is told."""

    class FullDisk(ResponseCache):
        def flush(self):
            if self._waiting:
                raise StorageError("no space left")

    outcomes = ask_all(Echo(), [asking(f"t{i}") for i in range(50)], cache=FullDisk(tmp_path))

    assert len(contents(outcomes)) == 50
    assert "no longer kept on disk" in caplog.text


def test_it_works_inside_a_running_event_loop(chat, asking):
    """Notebooks have one."""

    async def notebook_cell():
        return ask_all(chat, [asking("a")])

    assert contents(asyncio.run(notebook_cell())) == ["A"]


@pytest.mark.skipif(os.name != "posix", reason="sends itself a POSIX signal")
def test_an_interrupt_inside_a_running_loop_lets_the_work_tidy_up():
    """The private thread must not go on asking after Ctrl-C in a notebook."""
    at_work, tidied = threading.Event(), threading.Event()

    async def work():
        at_work.set()
        try:
            await asyncio.sleep(30)
        finally:
            tidied.set()

    def interrupt(thread):
        at_work.wait(10)
        while not tidied.wait(1.0):  # an interrupt that hits a destructor is lost, so a user presses again
            signal.pthread_kill(thread, signal.SIGINT)

    async def cell():
        threading.Thread(target=interrupt, args=(threading.get_ident(),)).start()
        return run_coroutine(work())

    loop = asyncio.new_event_loop()  # as a notebook's: unlike asyncio.run, it leaves the signal alone
    with pytest.raises(KeyboardInterrupt):
        loop.run_until_complete(cell())
    loop.close()
    assert tidied.is_set()


def test_it_works_from_several_threads_at_once(chat, asking, tmp_path):
    """Web servers call classifiers from a pool."""
    cache, found = ResponseCache(tmp_path), {}

    def work(i):
        found[i] = contents(ask_all(chat, [asking(f"{i}-{j}") for j in range(20)], cache=cache))

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)

    assert found == {i: [f"{i}-{j}" for j in range(20)] for i in range(4)}
    assert len(cache) == 80
    cache.close()


def test_coroutines_have_their_own_way_in(asking):
    """Blocking the loop of an asynchronous program is not an option there."""
    assert contents(asyncio.run(ask_all_async(Echo(), [asking("a")]))) == ["A"]


def test_progress_counts_rows(asking, tmp_path):
    """A progress bar needs the total, and what was free or failed."""
    echo = Echo({"c": ChatFailure(Status.FAILED, "no")})
    ask_all(echo, [asking("a")], cache=ResponseCache(tmp_path))
    seen = []

    ask_all(
        echo,
        [asking(text) for text in "aabc"],
        cache=ResponseCache(tmp_path),
        on_progress=lambda p: seen.append((p.done, p.cached, p.failed, p.total)),
    )

    assert seen[0] == (2, 2, 0, 4)
    assert seen[-1] == (4, 2, 1, 4)


def test_nothing_to_ask_is_answered_without_asking():
    """An empty batch is common at the end of a stream."""
    assert ask_all(Echo(), []) == []


def test_a_concurrency_of_nothing_is_refused(asking):
    """It would wait for ever."""
    with pytest.raises(ConfigError, match="concurrency 0"):
        ask_all(Echo(), [asking("a")], concurrency=0)
