"""Limits of a run: seen by every model inside, the stricter one wins."""

import contextvars
import threading

import pytest

from textclassify.errors import ConfigError
from textclassify.llm.money.limits import RunLimits, current, limited, run_budget


@pytest.fixture(autouse=True)
def no_environment(monkeypatch):
    monkeypatch.delenv("TEXTCLASSIFY_OFFLINE", raising=False)


def test_nothing_is_limited_by_itself():
    """Outside of every block, and after one that failed."""
    with pytest.raises(KeyError), limited(max_cost=1, cache_only=True):
        raise KeyError

    assert current() == RunLimits()
    assert run_budget() is None


def test_limits_hold_inside_the_block():
    """Classifiers in a classifier read them where they run."""
    with limited(max_cost=2.0, offline=True) as limits:
        assert current() is limits
        assert (limits.max_cost, limits.cache_only, limits.offline) == (2.0, False, True)
        assert limits.budget.max_cost == 2.0


def test_the_stricter_one_wins():
    """A block inside can forbid more, never allow more."""
    with limited(max_cost=1.0, cache_only=True), limited(max_cost=5.0, offline=True) as inner:
        assert inner.max_cost == 1.0
        assert inner.cache_only
        assert inner.offline
        assert not inner.budget.reserve(1.5)
    with limited(max_cost=5.0), limited(max_cost=1.0) as inner:
        assert inner.max_cost == 1.0
        assert not inner.budget.reserve(1.5)


def test_all_models_of_a_run_share_one_budget():
    """Two sources must not spend the cap twice."""
    with limited(max_cost=1.0) as outer:
        with limited(cache_only=True) as inner:
            assert inner.budget is outer.budget
        with limited(max_cost=0.5) as inner:
            inner.budget.reserve(0.5)
        own = run_budget(0.8)
        own.reserve(0.4)
        assert outer.budget.reserved == pytest.approx(0.9)
        assert not own.reserve(0.2)


def test_a_model_with_a_cap_of_its_own_needs_no_block():
    """`max_cost` of a classifier holds wherever it is used."""
    assert run_budget(0.8).max_cost == 0.8


def test_they_go_along_into_a_thread():
    """Work of a notebook is moved to one; a bare thread would know nothing of the cap."""
    found = []
    with limited(max_cost=1.0) as limits:
        context = contextvars.copy_context()
        thread = threading.Thread(target=context.run, args=(lambda: found.append(current()),))
        thread.start()
        thread.join()

    assert found[0].budget is limits.budget


@pytest.mark.parametrize(
    ("value", "offline"), [("1", True), ("True", True), (" yes ", True), ("0", False), ("no", False), ("", False)]
)
def test_the_environment_can_forbid_the_network(monkeypatch, value, offline):
    """Whatever the program asks for."""
    monkeypatch.setenv("TEXTCLASSIFY_OFFLINE", value)

    assert current().offline is offline
    with limited(max_cost=1.0) as limits:
        assert limits.offline is offline


def test_an_unclear_word_in_the_environment_is_an_error(monkeypatch):
    """Whoever mistypes it must not be online by accident."""
    monkeypatch.setenv("TEXTCLASSIFY_OFFLINE", "treu")
    with pytest.raises(ConfigError, match=r"TEXTCLASSIFY_OFFLINE is 'treu'; set it to 1"):
        current()


def test_both_redactions_see_a_text_the_outer_one_last():
    """Whoever sets one around a block decides what leaves the process."""
    with limited(redact=str.upper), limited(redact=lambda text: f"{text} seen"), limited(cache_only=True) as inner:
        assert inner.redact("a name") == "A NAME SEEN"
