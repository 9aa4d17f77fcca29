"""Texts for measuring: customers' messages of 25 to 60 words, made from a row's number, with the answer inside.

The loopback server answers with the label whose keyword (`kw_<label>`) a text holds, so the true answer is known; it
counts by the key (`#T<number>`) that every text holds, so that nothing is counted by the client.
"""

from __future__ import annotations

import random

LABELS = ("billing", "delivery", "returns", "account")

_OPENINGS = (
    "Hello, I ordered two lamps from you at the beginning of the month and have a question about them.",
    "Good morning, this is the third time that I write to you about the same matter.",
    "Hi there, my wife bought a coffee machine in your shop last week as a present for me.",
    "To whom it may concern: I have been a customer of yours for more than eleven years now.",
    "I tried to reach somebody on the phone yesterday and was on hold for forty minutes before I gave up.",
    "Dear team, thank you for the quick answer to my last message, which unfortunately did not help.",
    "We are a small company with nine employees and buy our office supplies from you every quarter.",
    "My order was confirmed on Sunday night, and since then I have heard nothing at all from anybody.",
    "Hey, quick one, because I am writing from the train and the connection is not very good here.",
    "I am contacting you on behalf of my mother, who does not use the internet herself.",
    "Hello again, I found the paper that you asked me for and can now tell you the details.",
)
_MIDDLES = (
    "The page said that everything was fine, but what I see here is something else entirely.",
    "What I got does not agree with what your colleague promised me in writing two weeks ago.",
    "Could you please look into it and tell me what happens next, and how long it will take this time?",
    "I do not want to complain, it may well be my own mistake, yet I cannot find out what I did wrong.",
    "Nobody in the shop was able to say anything about it, and they sent me to you instead.",
    "As far as I can see there are two entries for it now, one from Monday and one from Thursday.",
    "It worked without any trouble all these years until you changed something over the summer.",
    "I have added the number below, together with a picture, so that you can check for yourselves.",
    "If this cannot be settled before the end of the week, I would rather leave everything as it was.",
    "The message in red says that I should try again later, which I did about a dozen times.",
    "Your page only offers me answers to questions that I do not have, so I am writing here.",
    "Please do not send me the standard text again; I have read it, and it is about another case.",
    "A neighbour of mine had exactly the same, and for him it was put right within a single day.",
)
_ENDINGS = (
    "Thank you in advance.",
    "I look forward to hearing from you soon, with kind regards from the coast.",
    "Best wishes, and have a good weekend all of you.",
    "You can also call me in the evening after six.",
    "Many thanks for your help with this, I do appreciate it.",
    "Please confirm that you have received this message.",
    "Sincerely yours.",
)


def answer_of(number: int) -> int:
    """Return the position in `LABELS` of a text's true label."""
    return (number * 2654435761 >> 16) % len(LABELS)


def text_of(number: int) -> str:
    """Return the text of a number; no two are equal."""
    opening, middle = _OPENINGS[number % len(_OPENINGS)], _MIDDLES[number % len(_MIDDLES)]
    more = f" {_MIDDLES[(number // 2 + 5) % len(_MIDDLES)]}" if number % 3 else ""
    ending = _ENDINGS[number % len(_ENDINGS)]
    return f"{opening} {middle}{more} It is about kw_{LABELS[answer_of(number)]}. {ending} Case #T{number}"


def numbers_of(rows: int, *, first: int = 0, duplicates: float = 0.0, seed: int = 0) -> list[int]:
    """Return the numbers of `rows` texts, a share of which repeat another one, in shuffled order when any do."""
    distinct = round(rows * (1 - duplicates))
    numbers = [first + (row if row < distinct else row * 7919 % distinct) for row in range(rows)]
    if duplicates:
        random.Random(seed).shuffle(numbers)  # noqa: S311 - not for secrets
    return numbers
