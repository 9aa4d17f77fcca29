"""A run over many texts: each asked once, none lost, everything kept before it is handed on."""

import asyncio
import gc
import sqlite3
import threading
import time
from contextlib import closing

import numpy as np
import pytest
from sklearn.base import clone

from textclassify import LLMClassifier, load
from textclassify.core.scales import Method, Scale, Status
from textclassify.errors import AuthenticationError, BudgetError, ConfigError, DataError, StorageError
from textclassify.llm import access, engine
from textclassify.llm.chat import ChatFailure, ChatReply, TokenLogprob
from textclassify.llm.http.providers import resolve_endpoint
from textclassify.llm.http.transport import HttpChat
from textclassify.llm.money.limits import current
from textclassify.llm.store.cache import ResponseCache
from textclassify.llm.store.cache_file import CacheFile
from textclassify.testing import ScriptedChat

LABELS = ["ham", "spam"]


class Counting:
    """Answers A, or what `answers` holds for a passage of the question; remembers questions and how many were open."""

    name, model = "counting", "m"

    def __init__(self, answers=(), delay=0.0):
        self.answers = dict(answers)
        self.delay = delay
        self.asked = []
        self.requests = []
        self.open = self.most_open = 0

    async def complete(self, request):
        question = request.messages[-1].content
        self.asked.append(question)
        self.requests.append(request)
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        await asyncio.sleep(self.delay)
        self.open -= 1
        for passage, answer in self.answers.items():
            if passage in question:
                if isinstance(answer, BaseException):
                    raise answer
                return answer if isinstance(answer, ChatReply) else ChatReply(answer)
        return ChatReply("A")


@pytest.fixture
def over(tmp_path):
    """A classifier over a chat, with a cache of its own."""

    def make(chat, **options):
        return LLMClassifier(LABELS, chat=chat, cache_dir=tmp_path / "cache", **options)

    return make


def test_requests_wait_together_up_to_the_concurrency(over):
    """Latency is what bulk labelling spends its time on."""
    chat = Counting(delay=0.05)
    started = time.monotonic()

    over(chat, concurrency=10).predict([f"text {i}" for i in range(40)])

    assert chat.most_open == 10
    assert 0.2 <= time.monotonic() - started < 2.0


def test_answers_come_back_in_the_order_of_the_texts(over):
    """The last question may well be answered first."""
    chat = ScriptedChat({"odd": "A", "even": "B"})
    texts = [f"{'odd' if i % 2 else 'even'} {i}" for i in range(600)]
    assert over(chat).predict(texts).predictions == ["ham" if "odd" in text else "spam" for text in texts]


def test_equal_texts_are_asked_about_once_and_the_first_bears_the_cost(over):
    """Real data repeats itself, and every repeat would be paid."""
    chat = Counting()
    scores = over(chat).predict_scores(["a", "b", "a", "a"])

    assert len(chat.asked) == 2
    assert scores.answered.all()
    assert np.isnan(scores.cost).tolist() == [True, True, False, False]


def test_a_failed_row_stops_nobody_and_is_asked_again_next_time(over):
    """Failures are never kept."""
    chat = Counting({"long": ChatFailure(Status.TOO_LONG, "9000 tokens")})
    for _ in range(2):
        scores = over(chat).predict_scores(["short", "long"])
        assert scores.status.tolist() == [Status.OK, Status.TOO_LONG]
    assert len(chat.asked) == 3


def test_an_unreadable_answer_is_asked_for_once_more_and_then_is_invalid_for_good(over):
    """One repair, never a default label; and the useless answer was paid, so it is not bought again."""
    chat = Counting({"strange": "perhaps"})
    for _ in range(2):
        assert over(chat).predict_scores(["strange"]).status.tolist() == [Status.INVALID]
    assert len(chat.asked) == 2
    assert all("strange" in question for question in chat.asked)
    assert chat.asked[0] != chat.asked[1]


def test_a_repaired_answer_counts(over):
    chat = Counting({"could not be used": "B", "strange": "perhaps"})
    assert over(chat).predict(["strange"]).predictions == ["spam"]


def test_a_refusal_is_not_argued_with(over):
    chat = Counting({"bad": ChatReply("", refusal="I cannot help with that.")})
    assert over(chat).predict_scores(["bad"]).status.tolist() == [Status.REFUSED]
    assert len(chat.asked) == 1


def test_an_error_of_the_run_stops_it_and_keeps_what_was_answered(over):
    """A key that is revoked in the middle costs no answer that was received before."""
    chat = Counting({"t5 ": AuthenticationError("revoked")})
    with pytest.raises(AuthenticationError, match="revoked"):
        over(chat, concurrency=1, method="hard").predict([f"t{i} " for i in range(300)])
    assert len(chat.asked) == 6

    chat.answers.clear()
    assert over(chat, method="hard").predict_scores([f"t{i} " for i in range(300)]).answered.all()
    assert len(chat.asked) == 6 + 295


def test_what_is_on_its_way_when_a_run_stops_is_waited_for_and_kept(over):
    """It is paid, whatever becomes of the run."""
    chat = Counting({"bad": AuthenticationError("revoked")}, delay=0.05)
    with pytest.raises(AuthenticationError):
        over(chat, concurrency=3).predict(["bad", "one", "two", "three"])
    chat.answers.clear()
    over(chat).predict(["one", "two"])
    assert sum("one" in question or "two" in question for question in chat.asked) == 2


def test_an_interrupt_keeps_what_was_answered(over):
    """Ctrl-C is how people stop long runs."""
    chat = Counting({"t5 ": KeyboardInterrupt()})
    with pytest.raises(KeyboardInterrupt):
        over(chat, concurrency=1, method="hard").predict([f"t{i} " for i in range(100)])
    chat.answers.clear()
    assert over(chat, method="hard").predict_scores([f"t{i} " for i in range(5)]).answered.all()
    assert len(chat.asked) == 6


def test_an_answer_is_on_disk_a_moment_after_it_came(tmp_path):
    """A killed process loses what was in flight and next to nothing else."""
    on_disk = []

    class Watching(Counting):
        async def complete(self, request):
            await asyncio.sleep(0.01)
            with ResponseCache(tmp_path) as other:
                on_disk.append(other.stats().answers)
            return await super().complete(request)

    chat = Watching()
    LLMClassifier(LABELS, chat=chat, cache_dir=tmp_path, concurrency=1, method="hard").predict(["a", "b", "c"])
    assert on_disk == [0, 1, 2]


def test_a_disk_that_fails_in_the_middle_loses_no_answer(over, monkeypatch, caplog):
    """The answers are paid for; the caller gets them and is told."""

    class FullDisk(ResponseCache):
        def flush(self):
            if self.waiting:
                raise StorageError("no space left")
            super().flush()

    monkeypatch.setattr(access, "ResponseCache", FullDisk)
    assert over(Counting()).predict_scores([f"t{i}" for i in range(50)]).answered.all()
    assert "no longer kept on disk" in caplog.text


def test_several_threads_at_once_ask_each_question_once(over):
    """Web servers call classifiers from a pool, and its members hear the same texts."""
    chat = Counting(delay=0.01)
    classifier, found = over(chat), {}

    def work(number):
        found[number] = classifier.predict([f"t{i}" for i in range(40)]).predictions

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert found == {number: ["ham"] * 40 for number in range(4)}
    assert len(chat.asked) == 40


def test_log_probabilities_are_used_where_the_first_reply_brings_them(over):
    """They say how sure the model is, at the price of a hard label."""
    token = TokenLogprob("B", np.log(0.7), (("B", np.log(0.7)), ("A", np.log(0.3))))
    scores = over(Counting({"sure": ChatReply("B", logprobs=(token,))})).predict_scores(["sure"])
    assert scores.method.tolist() == [Method.LOGPROBS]
    assert scores.probabilities[0] == pytest.approx([0.3, 0.7], abs=1e-6)


def test_a_model_without_log_probabilities_is_found_out_by_its_first_reply_and_nothing_is_paid_twice(over):
    """The replies that showed it are good for their labels, in this run and in the next."""
    chat = Counting()
    texts = [f"t{i}" for i in range(300)]
    for _ in range(2):
        scores = over(chat).predict_scores(texts)
        assert set(scores.method) == {Method.HARD}
    over(chat, method="hard").predict_scores(texts)
    assert len(chat.asked) == 300


def test_two_that_find_out_at_once_pay_for_nothing_twice(over):
    """Both ask for log-probabilities first, and neither knows of the other but by the cache."""
    chat = Counting(delay=0.01)
    texts = [f"t{i}" for i in range(150)]
    threads = [threading.Thread(target=over(chat, concurrency=8).predict, args=(texts,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(chat.asked) == sorted(set(chat.asked))


def test_rows_in_the_cache_are_read_anew_when_replies_are_read_differently(over, monkeypatch):
    """A better parser needs no new answer."""
    chat = Counting()
    over(chat).predict(["a"])
    monkeypatch.setattr(engine, "READING_VERSION", engine.READING_VERSION + 1)
    assert over(chat).predict(["a"]).predictions == ["ham"]
    assert len(chat.asked) == 1


def test_votes_are_shares_of_several_replies(over):
    """Samples of one prompt, each kept under its own key."""
    answers = iter("AABAB")
    chat = ScriptedChat(lambda _: next(answers))
    scores = over(chat, method="votes", n_samples=5, concurrency=1).predict_scores(["text"])
    assert scores.values[0] == pytest.approx([0.6, 0.4])
    assert scores.method.tolist() == [Method.VOTES]
    assert len(chat.asked) == 5


def test_scores_in_words_are_normalised(over):
    scores = over(ScriptedChat(lambda _: '{"A": 0.2, "B": 0.6}'), method="verbal").predict_scores(["text"])
    assert scores.probabilities[0] == pytest.approx([0.25, 0.75])
    assert scores.method.tolist() == [Method.VERBAL]


def test_from_the_cache_alone_missing_rows_are_named_and_nothing_is_asked(over, caplog):
    """A whole run replays without a key."""
    chat = Counting()
    over(chat).predict(["known"])
    scores = over(chat, cache_only=True).predict_scores(["known", "new"])
    assert scores.status.tolist() == [Status.OK, Status.NOT_CALLED]
    assert len(chat.asked) == 1
    assert "1 of 2 texts" in caplog.text


def test_a_stream_hands_on_every_row_once_with_its_place(over):
    """Also repeated and blank ones, of an iterator that is read as it goes."""
    chat = ScriptedChat({"odd": "A", "even": "B"})

    async def collected():
        texts = (["odd", "", "even", "odd"][i % 4] + (f" {i}" if i % 4 in {0, 2} else "") for i in range(9000))
        return [row async for row in over(chat).astream(texts)]

    rows = sorted(asyncio.run(collected()))
    assert [row.row for row in rows] == list(range(9000))
    assert [row.label for row in rows[:4]] == ["ham", None, "spam", "ham"]
    assert rows[1].status is Status.INVALID


def test_a_stream_that_is_left_early_stops_asking(over):
    chat = Counting(delay=0.01)

    async def first():
        stream = over(chat, concurrency=4).astream(f"t{i}" for i in range(10_000))
        row = await anext(stream)
        await stream.aclose()
        return row

    assert asyncio.run(first()).label == "ham"
    assert len(chat.asked) < 50


def test_it_has_an_asynchronous_way_in(over):
    """Blocking the loop of an asynchronous program is not an option there."""
    scores = asyncio.run(over(Counting()).apredict_scores(["a", ""]))
    assert scores.status.tolist() == [Status.OK, Status.INVALID]


def test_a_redaction_runs_before_a_text_leaves(over):
    chat = Counting()
    over(chat, redact=lambda text: text.replace("Ann", "NAME")).predict(["Ann called", "Bob called"])
    assert not any("Ann" in question for question in chat.asked)
    assert any("NAME called" in question for question in chat.asked)


def test_several_texts_share_a_request_and_those_that_come_back_wrong_are_asked_alone(over):
    """Fewer requests, and still every row has its own answer."""

    def reply(request):
        question = request.messages[-1].content
        if '"1"' not in request.messages[0].content:
            return "B"
        return '{"1": "A", "2": "perhaps", "3": "B"}' if "three" in question else '{"1": "A"}'

    chat = ScriptedChat(reply)
    packed = over(chat, method="hard", texts_per_request=3)
    result = packed.predict(["one", "two", "three", "four"])

    assert result.predictions == ["ham", "spam", "spam", "ham"]
    assert len(chat.asked) == 3
    assert packed.predict(["two"]).predictions == ["spam"]
    assert len(chat.asked) == 3


def test_scores_of_several_texts_in_one_reply_are_refused(over):
    """A reply about several texts has no log-probability of each."""
    with pytest.raises(ConfigError, match="needs method='hard' or 'votes'"):
        over(Counting(), method="logprobs", texts_per_request=3).predict(["one"])


def test_a_run_stops_before_it_costs_more_than_it_may(tmp_path, server):
    """Reserved before, reconciled after; what was answered is kept for the next run."""
    texts = [f"text {i}" for i in range(50)]
    classifier = LLMClassifier(
        LABELS, provider="openai", model="gpt-4o-mini", base_url=server.url, api_key="sk-any", cache_dir=tmp_path
    )
    with pytest.raises(BudgetError, match="Every answer is kept"):
        classifier.set_params(max_cost=0.00026, concurrency=2).predict(texts)
    spent = len(server.asked)
    assert 0 < spent < 100

    classifier.set_params(max_cost=None).predict(texts)
    assert len({str(asked["messages"]) for asked in server.asked}) == 50 * 2  # the server's answers are no labels
    with ResponseCache(tmp_path) as cache:
        assert sum(run.answers for run in cache.runs()) == len(server.asked)


def test_a_cap_needs_a_price(over):
    """An unknown price is never taken for nothing."""
    with pytest.raises(ConfigError, match="price of counting/m"):
        over(Counting(), max_cost=1.0).predict(["one"])


def test_an_estimate_asks_nothing_and_knows_what_is_kept(over):
    chat = Counting()
    over(chat).predict(["a", "b"])
    estimate = over(chat).estimate(["a", "b", "b", "c", ""])

    assert (estimate.rows, estimate.blank, estimate.distinct, estimate.cached, estimate.requests) == (5, 1, 3, 3, 1)
    assert estimate.cost is None
    assert len(chat.asked) == 2


def test_a_loaded_classifier_that_redacted_refuses_to_send_texts_as_they_are(over, tmp_path):
    """A folder holds no functions, and forgetting this one would give away what must not leave."""
    over(Counting(), redact=str.upper).save(tmp_path / "model")
    with pytest.raises(ConfigError, match=r"set_params\(redact=...\)"):
        load(tmp_path / "model").predict(["one"])


def test_a_template_travels_with_the_saved_classifier(over, tmp_path):
    """The file may not be there where the folder is opened."""
    (tmp_path / "prompt.txt").write_text("Sort it:\n{labels}\n{text}\nCode:")
    over(Counting(), template=tmp_path / "prompt.txt").save(tmp_path / "model")
    (tmp_path / "prompt.txt").unlink()
    chat = Counting()
    load(tmp_path / "model").set_params(chat=chat, cache_dir=tmp_path / "other").predict(["one"])
    assert chat.asked[0].startswith("Sort it:")


def test_nearest_examples_are_shown_with_a_text_and_the_whole_pool_counts_as_seen(over):
    texts = [f"{word} {i}" for word in ("parcel", "invoice") for i in range(6)]
    chat = Counting()
    fitted = over(chat, nearest_examples=2).fit(texts, ["ham"] * 6 + ["spam"] * 6)
    fitted.predict(["parcel late"])

    assert len(fitted.seen_row_ids) == 6
    assert len(fitted.pool_.texts) == 6


def test_a_kept_reply_that_cannot_be_read_is_asked_for_again_once(over, tmp_path, monkeypatch):
    """A damaged answer must neither stop a run nor be paid for in every run."""
    chat = Counting()
    over(chat, method="hard").predict(["one"])
    with closing(sqlite3.connect(next((tmp_path / "cache").glob("*.sqlite")))) as file, file:
        file.execute("UPDATE replies SET reply = x'00'")
    for version in (2, 3):
        monkeypatch.setattr(engine, "READING_VERSION", version)
        assert over(chat, method="hard").predict(["one"]).predictions == ["ham"]
    assert len(chat.asked) == 2


def test_examples_are_redacted_like_the_texts_and_no_text_stands_beside_itself(over):
    """What must not leave stands in the training rows, too."""
    chat = Counting()

    def hidden(text):
        return text.replace("Ann", "NAME")

    fitted = over(chat, redact=hidden, examples_per_label=1).fit(["Ann called", "Bob wrote"], ["ham", "spam"])
    fitted.predict(["Ann called", "Cem came"])
    sent = [message.content for request in chat.requests for message in request.messages]
    assert not any("Ann" in content for content in sent)
    assert [sum("NAME called" in message.content for message in request.messages) for request in chat.requests] == [
        1,
        1,
    ]


def test_labels_in_another_order_are_asked_about_again(tmp_path):
    """A template may show no labels, so that the prompt is the same and the meaning of the answer is not."""
    (tmp_path / "prompt.txt").write_text("Is it good?\n{text}")
    for labels in (["yes", "no"], ["no", "yes"]):
        chat = ScriptedChat(lambda _: "yes")
        classifier = LLMClassifier(labels, chat=chat, cache_dir=tmp_path, template=tmp_path / "prompt.txt")
        assert classifier.predict(["text"]).predictions == ["yes"]


def test_a_run_that_stops_sends_nothing_more(over):
    """After a 401 every further request is one too many."""
    chat = Counting({"bad": AuthenticationError("revoked")}, delay=0.02)
    with pytest.raises(AuthenticationError):
        over(chat, method="votes", n_samples=5, concurrency=16).predict(["bad", *(f"t{i}" for i in range(100))])
    assert len(chat.asked) <= 16


def test_rows_of_a_pack_that_another_run_is_asking_about_are_waited_for(over, tmp_path):
    """They are deferred when all else may be done already, and must not be forgotten then."""
    chat = ScriptedChat(lambda request: '{"1": "A"}' if '"1"' in request.messages[0].content else "B")
    packed = over(chat, method="hard", texts_per_request=2)
    with packed._remote() as remote, ResponseCache(tmp_path / "cache") as other:
        (request,) = remote.question.requests(["two"])[0]
        other.claim([remote.access.key(request)])
        threading.Timer(0.3, other.close).start()
        assert packed.predict(["one", "two"]).predictions == ["ham", "spam"]


def test_log_probabilities_that_come_and_go_leave_all_scores_on_one_scale(over):
    """Routers mix servers; a label named without a probability is better than none, and its method says so."""
    token = TokenLogprob("B", np.log(0.7), (("B", np.log(0.7)), ("A", np.log(0.3))))
    chat = Counting({"sure": ChatReply("B", logprobs=(token,))})
    scores = over(chat, concurrency=1).predict_scores(["sure", "bare"])

    assert scores.method.tolist() == [Method.LOGPROBS, Method.HARD]
    assert scores.probabilities[1] == pytest.approx([0.95, 0.05])
    assert len(chat.asked) == 2


def test_what_auto_came_to_is_saved(over, tmp_path):
    """What was learned from such scores gets such scores, on a machine with another cache, too."""
    token = TokenLogprob("B", np.log(0.7), (("B", np.log(0.7)), ("A", np.log(0.3))))
    first = over(Counting({"sure": ChatReply("B", logprobs=(token,))}))
    first.predict(["sure"])
    first.save(tmp_path / "model")

    loaded = load(tmp_path / "model").set_params(chat=Counting(), cache_dir=tmp_path / "fresh")
    assert loaded.method_ == "logprobs"
    assert loaded.predict_scores(["bare"]).scale is Scale.LOG_PROBABILITY


def test_a_disk_that_refuses_everything_in_the_middle_loses_no_answer(over, monkeypatch, caplog):
    """Claims, facts and the end of the run write, too."""
    write, calls = CacheFile.write, []

    def failing(self, change):
        calls.append(1)
        if len(calls) > 4:
            raise StorageError("no space left")
        return write(self, change)

    monkeypatch.setattr(CacheFile, "write", failing)
    assert over(Counting()).predict_scores([f"t{i}" for i in range(300)]).answered.all()
    assert "no longer kept on disk" in caplog.text


def test_two_texts_with_one_prompt_are_one_question(over):
    """Control tokens are broken up, so that texts which differ there alone are the same to the model."""
    chat = Counting()
    over(chat, concurrency=1).predict(["x <|im_end|>", "x < |im_end| >"])
    assert len(chat.asked) == 1


def test_a_stream_reads_no_further_ahead_than_it_may(over):
    """Millions of rows in a warm cache would otherwise be read before the first one is handed on."""
    over(Counting()).predict(["same"])
    read = []

    async def first():
        stream = over(Counting()).astream(read.append(i) or "same" for i in range(200_000))
        await anext(stream)
        await stream.aclose()

    asyncio.run(first())
    assert len(read) < 50_000


def test_offline_holds_for_a_chat_that_was_given(over):
    """The promise is about the classifier, whoever made its connections."""
    endpoint = resolve_endpoint("openai", "https://192.0.2.1/v1", "sk-any")
    with pytest.raises(ConfigError, match="nothing may leave"):
        over(HttpChat(endpoint, "m"), offline=True).predict(["text"])


def test_a_stream_leaves_no_trace_in_who_reads_it(over):
    """What holds for its own requests must hold neither in the loop's body nor after it."""
    seen = []

    async def reading():
        async for _ in over(Counting(), offline=True).astream(["a", "b", "c"]):
            seen.append(current().offline)
            break
        seen.append(current().offline)

    asyncio.run(reading())
    gc.collect()
    assert seen == [False, False]


@pytest.mark.parametrize("texts", ["abc", 5])
def test_a_stream_of_one_text_is_refused(over, texts):
    """Its letters would be asked about one by one."""

    async def read():
        return [row async for row in over(Counting()).astream(texts)]

    with pytest.raises(DataError, match="iterable of texts"):
        asyncio.run(read())


def test_a_stream_learns_what_auto_came_to(over):
    """Scores of the next call must be on the scale of the first."""
    classifier = over(Counting())

    async def read():
        return [row async for row in classifier.astream([f"t{i}" for i in range(10)])]

    asyncio.run(read())
    assert classifier.method_ == "hard"
    assert classifier.predict_scores(["new"]).scale is Scale.VOTE_SHARE


@pytest.mark.parametrize("copied", [clone, lambda one: one])
def test_neither_saving_again_nor_cloning_forgets_a_redaction(over, tmp_path, copied):
    """Each would send out, one step later, what must not leave."""
    over(Counting(), redact=str.upper).save(tmp_path / "first")
    loaded = copied(load(tmp_path / "first")).set_params(labels=LABELS)
    loaded.save(tmp_path / "second")
    for one in (loaded, load(tmp_path / "second")):
        with pytest.raises(ConfigError, match=r"set_params\(redact=...\)"):
            one.predict(["one"])


def test_nothing_is_committed_after_a_run_is_over(over, monkeypatch):
    """A late commit would open the cache's file again, for as long as the event loop lives."""
    opened = []
    monkeypatch.setattr(ResponseCache, "flush", lambda self, **_: opened.append(self.path))

    async def program():
        await over(Counting(), concurrency=2).apredict_scores([f"t{i}" for i in range(20)])
        opened.clear()
        await asyncio.sleep(0.05)

    asyncio.run(program())
    assert opened == []
