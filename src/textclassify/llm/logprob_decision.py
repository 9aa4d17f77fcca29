"""Whether a model gives usable log-probabilities, found out from its first telling reply."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from textclassify.core.scales import Scale, Status
from textclassify.llm.chat import ChatReply
from textclassify.llm.reading.readings import ReplyReader, as_log_odds, as_log_probabilities
from textclassify.llm.reading.token_logprobs import usable_logprobs

NAMED_OUTRIGHT = 0.95
"""What a label counts as that a reply names without a probability, where the others have one. It is a convention."""


class LogprobFinding:
    """One decision for all that is asked of a model, so that its scores are on one scale.

    Args:
        known: what is known from before, or from others who ask the same model; None = nothing.
        remember: called when the first reply has decided, and when a later one shows that it was wrong.

    """

    def __init__(self, known: Callable[[], bool | None], remember: Callable[[bool], None]) -> None:
        self._known = known
        self._remember = remember
        self._corrected = False
        self.made = known()

    def take_over(self) -> bool | None:
        """Return the decision; where there is none, what others have found out meanwhile."""
        if self.made is None:
            self.made = self._known()
        return self.made

    def learn(self, usable: bool | None) -> bool | None:  # noqa: FBT001 - what a reply says
        """Return the decision after one more reply; None while no reply has said anything.

        A "no" that a later reply contradicts still holds for this run, and is not remembered for the next.

        Args:
            usable: whether the reply's log-probabilities can be used; None = it does not tell.

        """
        if self.made is None and usable is not None:
            self.made = usable
            self._remember(usable)
        elif self.made is False and usable and not self._corrected:
            self._corrected = True
            self._remember(True)  # noqa: FBT003 - what there is to remember
        return self.made


class LogprobDecision(LogprobFinding):
    """The decision where every reply is read by the same readers.

    Args:
        by_logprobs: reads log-probabilities.
        by_name: reads the label that a reply names.
        known: as in `LogprobFinding`.
        remember: as in `LogprobFinding`.

    """

    def __init__(
        self,
        by_logprobs: ReplyReader,
        by_name: ReplyReader,
        known: Callable[[], bool | None],
        remember: Callable[[bool], None],
    ) -> None:
        super().__init__(known, remember)
        self._by_logprobs = by_logprobs
        self._by_name = by_name

    def hear(self, reply: ChatReply) -> bool | None:
        """Return the decision after one more reply; None while no reply has said anything."""
        return self.learn(says_usable(reply, self._by_logprobs, self._by_name))

    def confirm(self) -> None:
        """Decide for log-probabilities: there are rows that have them."""
        self.made = True

    def outright(self, reply: ChatReply) -> list[float] | None:
        """Return the scores, on the scale of log-probabilities, of labels that a reply names without any.

        None where it names none.
        """
        votes = self._by_name.read(reply)
        return None if votes is None else named_outright(votes, self._by_logprobs.scale)


def named_outright(votes: Sequence[float], scale: Scale) -> list[float]:
    """Return the scores of labels that are named without a probability.

    Args:
        votes: 1 for each label that is named, 0 for the others.
        scale: of the scores, LOG_PROBABILITY or LOG_ODDS.

    """
    if scale is Scale.LOG_ODDS:
        return as_log_odds([NAMED_OUTRIGHT if vote else 1.0 - NAMED_OUTRIGHT for vote in votes])
    rest = (1.0 - NAMED_OUTRIGHT) / max(1, len(votes) - 1)
    return as_log_probabilities([NAMED_OUTRIGHT if vote else rest for vote in votes])


def says_usable(reply: ChatReply, by_logprobs: ReplyReader, by_name: ReplyReader) -> bool | None:
    """Return whether a reply shows that a model's log-probabilities can be used; None when its answer tells nothing."""
    if reply.status is not Status.OK:
        return None
    if not usable_logprobs(reply):
        return False
    if by_logprobs.read(reply) is not None:
        return True
    return None if by_name.read(reply) is None else False
