"""A model whose answers follow from what it believes, so that tests know what evidence must come of it."""

import re

import numpy as np
from scipy.special import log_expit, log_softmax

from textclassify.core.scales import Method, Status
from textclassify.llm.choices import Chosen
from textclassify.rac.retrieving.candidates import Candidates


class Believer:
    """Answers by the log-odds that it gives each label for a text, and notes the waves in which it was asked.

    Args:
        belief: returns the log-odds of a label (its name in words) for a text.
        places: what it adds to the first, second, ... option.
        silent_about: (text, words in the question) of questions without an answer.

    """

    def __init__(self, belief, *, places=(), silent_about=()):
        self.belief, self.places, self.silent_about = belief, places, silent_about
        self.waves = []

    def __call__(self, choices):
        self.waves.append(list(choices))
        width = max(len(choice.answers) for choice in choices)
        values = np.full((len(choices), width), np.nan)
        status = np.full(len(choices), Status.OK, dtype=np.uint8)
        for row, choice in enumerate(choices):
            asked = choice.messages[-1].content
            if any(text == choice.text and words in asked for text, words in self.silent_about):
                status[row] = Status.REFUSED
            else:
                values[row, : len(choice.answers)] = self._answer(asked, choice)
        n = len(choices)
        method = np.full(n, Method.LOGPROBS, dtype=np.uint8)
        return Chosen(values, status, method, np.full(n, 0.5), np.zeros(n, dtype=bool))

    def _answer(self, asked, choice):
        if choice.answers == ("yes", "no"):
            odds = self.belief(choice.text, re.search(r"Label: (.*)\n", asked)[1])
            return [log_expit(odds), log_expit(-odds)]
        names = [re.search(rf"\n{code}: (.*)\n", asked)[1] for code in choice.answers]
        odds = np.array([self.belief(choice.text, name) for name in names])
        return log_softmax(odds + np.array([*self.places, *[0.0] * len(odds)])[: len(odds)])

    @property
    def calls(self):
        return [len(wave) for wave in self.waves]


def candidates(codes):
    """Return candidates with falling scores."""
    codes = np.asarray(codes).astype(np.int32)
    ranks = np.broadcast_to(-np.arange(codes.shape[1], dtype=np.float32), codes.shape)
    return Candidates(codes, np.where(codes >= 0, ranks, -np.inf))
