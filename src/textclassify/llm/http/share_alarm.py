"""`ShareAlarm`: tells a change for the worse from accidents that are usual."""

from __future__ import annotations

import math

_MANY = 0.5  # share of bad outcomes that is looked for
_RARE = 0.01  # share that is usual, before anything is known
_KNOWN = 50.0  # outcomes that this guess is worth
_REMEMBERED = 1000.0  # outcomes
_LEAST_CONTRAST = 1.25  # a share that is usual is never so high that many would be no news
_FEWEST_ACCIDENTS, _ACCIDENTAL = 5.0, 0.02  # and their share: a single bad outcome is no news from then on
_ALARM, _EARLY_ALARM, _EARLY = 8.0, 11.0, 200.0  # log-likelihood ratio; higher before so many outcomes
_RELIEF = -0.65  # what a good outcome adds: log((1 - many) / (1 - usual)) for one in twenty


class ShareAlarm:
    """Notices when bad outcomes become many at once, whatever share of them is usual.

    Page's CUSUM test (Biometrika 41, 1954) for a change of their share from the usual one, which is learned on the
    way, to one half: it takes three in a row when they are rare, and four of five when one in twenty is usual.

    Example:
        >>> alarm = ShareAlarm()
        >>> alarm.bad(), alarm.bad(), alarm.bad()
        (False, False, True)

    """

    __slots__ = ("_all", "_bad", "_run", "_run_bad", "_score")

    def __init__(self) -> None:
        self._bad, self._all = _RARE * _KNOWN, _KNOWN
        self._run = self._run_bad = 0  # outcomes since the score was zero: accidents, or the beginning of more
        self._score = 0.0

    @property
    def expects_accidents(self) -> bool:
        """Whether bad outcomes come singly so often that one alone means nothing."""
        return self._bad >= _FEWEST_ACCIDENTS and self._bad >= _ACCIDENTAL * self._all

    def good(self) -> None:
        """One that went well."""
        if self._score <= 0.0:
            self._all += 1.0
            return
        self._run += 1
        self._score += _RELIEF
        if self._score <= 0.0:
            self._bad += self._run_bad
            self._all += self._run
            self._run = self._run_bad = 0

    def bad(self) -> bool:
        """One that did not; True = too many of late, and they do not count towards what is usual."""
        if self._all > _REMEMBERED:
            self._bad, self._all = self._bad * _REMEMBERED / self._all, _REMEMBERED
        self._run += 1
        self._run_bad += 1
        self._score += math.log(max(_LEAST_CONTRAST, _MANY / max(self._bad / self._all, _RARE)))
        if self._score < (_ALARM if self._all > _EARLY else _EARLY_ALARM):
            return False
        self._score, self._run, self._run_bad = 0.0, 0, 0
        return True
