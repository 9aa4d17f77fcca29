import pytest

from textclassify.core.scales import Status
from textclassify.errors import ProviderError, QuotaError, UnreachableError
from textclassify.llm.chat import ChatFailure, ChatRequest, Message
from textclassify.llm.http.providers import PROVIDERS
from textclassify.llm.http.retries import RequestCourse, RetryPolicy
from textclassify.llm.http.server_errors import Retry, Without
from textclassify.llm.http.server_memory import ServerMemory

ASKED = ChatRequest("m", (Message("user", "hi"),), top_logprobs=5)
NO_CONNECTION = Retry("cannot connect", connected=False)


@pytest.fixture
def memory():
    return ServerMemory(PROVIDERS["openai"], "http://somewhere")


def course_of(memory, failures=3):
    return RequestCourse(RetryPolicy(), memory.answers, failures=failures)


def test_a_refusal_is_remembered_for_its_model_alone(memory):
    """Another model of the same provider may take what this one refuses."""
    memory.learn("m", [Without("logprobs", "no"), Without("temperature", "no")])

    assert memory.parameters(ASKED).keys().isdisjoint({"logprobs", "top_logprobs", "temperature"})
    assert "logprobs" in memory.parameters(ChatRequest("n", ASKED.messages, top_logprobs=5))


def test_a_refusal_that_is_only_supposed_is_not_remembered(memory):
    """It may have been the text that was at fault."""
    assert "logprobs" not in memory.parameters(ASKED, ["logprobs"])
    assert "logprobs" in memory.parameters(ASKED)


def test_nobody_is_looked_for_longer_who_never_answered(memory):
    """A server that was never started differs from one that is being restarted."""
    assert not memory.nobody_is_there(course_of(memory, failures=2), NO_CONNECTION)
    assert memory.nobody_is_there(course_of(memory), NO_CONNECTION)
    memory.answered()
    assert not memory.nobody_is_there(course_of(memory), NO_CONNECTION)


def test_a_row_is_lost_alone_as_long_as_others_are_answered(memory):
    """Eight in a row without any answer between them are the end of the run."""
    for _ in range(3):
        lost = [memory.lost(course_of(memory), Retry("500")) for _ in range(7)]
        assert all(isinstance(each, ChatFailure) and each.status is Status.FAILED for each in lost)
        memory.answered()
    kinds = [type(memory.lost(course_of(memory), Retry("500"))) for _ in range(8)]
    assert kinds == [ChatFailure] * 7 + [UnreachableError]


def test_a_server_that_went_away_ends_the_run_at_once(memory):
    """After all the tries of one request, and no answer to any other in the meantime."""
    memory.answered()
    course = course_of(memory)
    assert isinstance(memory.lost(course, NO_CONNECTION), UnreachableError)
    memory.answered()
    assert isinstance(memory.lost(course, NO_CONNECTION), ChatFailure)


def test_a_rate_limit_without_end_is_a_question_of_quota(memory):
    """The server is well; running again later helps."""
    assert isinstance(memory.lost(course_of(memory), Retry("429", rate_limited=True)), QuotaError)


def test_refusals_of_everything_from_the_start_end_the_run(memory):
    """A thousand rows of status FAILED would hide one wrong setting; after one answer it is the texts."""
    refusal = ChatFailure(Status.FAILED, "computer says no")
    kinds = [type(memory.refused(refusal)) for _ in range(32)]
    assert kinds == [ChatFailure] * 31 + [ProviderError]
    memory.answered()
    assert memory.refused(refusal) is refusal
