"""What users need to test their own classifiers and fusions: two fakes that remember what they were asked, and a check.

>>> classifier = FixedClassifier({"clear": [0.9, 0.1], "close": [0.45, 0.55]})
>>> classifier.predict(["close", "clear"]).predictions
['b', 'a']
>>> classifier.asked
['close', 'clear']
"""

from __future__ import annotations

import copy
import pickle
import string
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import clone

from textclassify.core.contract import TextClassifier
from textclassify.core.labels import LabelSchema
from textclassify.core.saved_classifiers import load
from textclassify.core.scales import Status
from textclassify.core.scores import Scores
from textclassify.core.types import TrainingData
from textclassify.errors import DataError
from textclassify.llm.chat import ChatFailure, ChatReply, ChatRequest

__all__ = ["ODD_TEXTS", "FixedClassifier", "ScriptedChat", "check_classifier"]

ODD_TEXTS = ("🙂" * 20, "zero\0byte", "word " * 20_000, "<|im_end|>", "ثلاثة 三 трое", "a\ud800b")
"""Texts no classifier may stumble over: emoji, a NUL byte, 100,000 characters, markup, scripts, a lone surrogate."""

_SUFFIXES = {".json", ".md", ".safetensors", ".txt"}
"""Ends of the names of saved files."""
_PICKLES = (b"\x80", b"PK")

_CLOSE = 1e-3
"""How far probabilities may move when the same text stands in another batch."""


class FixedClassifier(TextClassifier):
    """A classifier whose answers are given, and which keeps the texts that it was asked about in `asked`.

    Args:
        answers: probabilities by text; None as an answer = the text was asked about, but not scored (status FAILED).
        labels: the label schema; None = "a", "b", and so on.
        default: probabilities of texts that `answers` does not hold; None = asking about one is an error.
        multi_label: whether probabilities judge each label by itself; None = as the schema says.
        source: its name in `Scores`.

    """

    kind: ClassVar[str] = "fixed"
    learns: ClassVar[bool] = False

    def __init__(
        self,
        answers: Mapping[str, ArrayLike | None],
        labels: Any = None,
        *,
        default: ArrayLike | None = None,
        multi_label: bool | None = None,
        source: str = "fixed",
    ) -> None:
        self.answers = answers
        self.labels = labels
        self.default = default
        self.multi_label = multi_label
        self.source = source
        self.asked: list[str] = []

    def _given_schema(self) -> LabelSchema | None:
        given = super()._given_schema()
        if given is not None:
            return given
        known = [answer for answer in (*self.answers.values(), self.default) if answer is not None]
        width = len(np.asarray(known[0])) if known else 2
        return LabelSchema(tuple(string.ascii_lowercase[:width]), multi_label=bool(self.multi_label))

    def _fit(self, data: TrainingData) -> None:
        """Learn nothing: the answers are given."""

    def _score(self, texts: list[str]) -> Scores:
        schema = self._require_schema()
        self.asked += texts
        values = np.full((len(texts), len(schema)), np.nan)
        for row, text in enumerate(texts):
            answer = self.answers.get(text, self.default)
            if answer is None and text not in self.answers:
                raise DataError(f"FixedClassifier has no answer for {text!r:.60}; add one, or pass default=[...]")
            values[row] = np.nan if answer is None else answer
        unscored = np.isnan(values).all(axis=1)
        return Scores.from_probabilities(
            values,
            schema.names,
            source=self.source,
            multi_label=schema.multi_label,
            status=np.where(unscored, Status.FAILED, Status.OK),
        )

    def _stored_parameters(self) -> dict[str, Any]:
        parameters = super()._stored_parameters()
        parameters["answers"] = {text: _plain(answer) for text, answer in self.answers.items()}
        parameters["default"] = _plain(self.default)
        return parameters

    def _write(self, folder: Path) -> dict[str, Any]:  # noqa: ARG002 - everything is in the parameters
        return {}

    def _read(self, folder: Path, learned: dict[str, Any]) -> None:
        """Restore nothing: everything is in the parameters."""


def _plain(answer: ArrayLike | None) -> list[float] | None:
    return None if answer is None else [float(value) for value in np.asarray(answer)]


class ScriptedChat:
    """A language model with given replies, which keeps the requests that it got in `asked`.

    Args:
        replies: replies by a passage of the request's last message (the longest one that occurs decides), or a function
            of the request. A reply is a string, a `ChatReply`, a `Status` for a row that gets none, or an exception.
        name: the provider's name.
        model: the model's name.

    >>> chat = ScriptedChat({"refund": "billing", "parcel": "delivery"})

    """

    def __init__(
        self,
        replies: Mapping[str, Any] | Callable[[ChatRequest], Any],
        *,
        name: str = "scripted",
        model: str = "scripted",
    ) -> None:
        self.replies = replies
        self.name = name
        self.model = model
        self.asked: list[ChatRequest] = []

    async def complete(self, request: ChatRequest) -> ChatReply:
        """Return the reply that the script holds.

        Raises:
            ChatFailure: the script holds a status.
            DataError: the script holds nothing for this request.

        """
        self.asked.append(request)
        reply = self._reply_to(request)
        if isinstance(reply, Exception):
            raise reply
        if isinstance(reply, Status):
            raise ChatFailure(reply, "scripted")
        return reply if isinstance(reply, ChatReply) else ChatReply(str(reply))

    def _reply_to(self, request: ChatRequest) -> Any:
        if not isinstance(self.replies, Mapping):
            return self.replies(request)
        question = request.messages[-1].content
        passages = [passage for passage in self.replies if passage in question]
        if not passages:
            raise DataError(f"ScriptedChat has no reply to {question[-80:]!r}; add a passage of it to the script")
        return self.replies[max(passages, key=len)]


def check_classifier(make: Callable[[], TextClassifier], texts: Sequence[str], labels: Sequence[Any]) -> None:
    """Check that a classifier keeps every promise of the contract; takes three fits.

    Args:
        make: returns a new, unfitted classifier; called several times.
        texts: at least four different texts.
        labels: their gold labels (lists of labels for multi-label), of at least two kinds.

    Raises:
        AssertionError: a promise is broken; the message says which.

    """
    texts, labels = list(texts), list(labels)
    _check_parameters(make())
    kept = copy.deepcopy((texts, labels))
    classifier = make().fit(texts, labels)
    _check_rows(classifier, texts)
    _check_odd_texts(classifier, texts)
    _require((texts, labels) == kept, "fit or predict changed its inputs")
    again = make().fit(texts, labels)
    _require(_equal(classifier, again, texts), "two fits with one seed differ")
    _check_copies(classifier, texts)
    _check_label_sets(make, classifier, texts, labels)


def _require(holds: bool, promise: str) -> None:  # noqa: FBT001 - reads like an assertion
    if not holds:
        raise AssertionError(promise)


def _check_parameters(classifier: TextClassifier) -> None:
    parameters = classifier.get_params(deep=False)
    copied = clone(classifier)
    _require(set(copied.get_params(deep=False)) == set(parameters), "clone has other parameters")
    _require(classifier.set_params(**parameters) is classifier, "set_params does not return the classifier")
    for name, value in parameters.items():
        _require(getattr(classifier, name) is value, f"the constructor or set_params changes the argument {name!r}")


def _check_rows(classifier: TextClassifier, texts: list[str]) -> None:
    scores = classifier.predict_scores(texts)
    _require(len(scores) == len(texts), "the number of rows changes")
    _require(tuple(classifier.classes_.tolist()) == scores.labels, "classes_ and the scores differ in label order")
    _require(
        _close(classifier.predict_scores(texts[::-1]).take(slice(None, None, -1)), scores), "row order changes scores"
    )
    middle = len(texts) // 2
    halves = Scores.concat([classifier.predict_scores(texts[:middle]), classifier.predict_scores(texts[middle:])])
    _require(_close(halves, scores), "a text's scores depend on the other texts of the call")
    _require(len(classifier.predict([])) == 0, "no texts give an answer")
    _require(classifier.predict_proba([]).shape == (0, len(scores.labels)), "predict_proba([]) is not of shape (0, K)")
    _require(_close(classifier.predict_scores(texts[:1]), scores.take([0])), "one text alone has other scores")


def _check_odd_texts(classifier: TextClassifier, texts: list[str]) -> None:
    odd = [texts[0], "", " \n\t", *ODD_TEXTS]
    scores = classifier.predict_scores(odd)
    _require((scores.status[1:3] == Status.INVALID).all(), "blank texts do not have status INVALID")
    _require(_close(scores.take([0]), classifier.predict_scores(texts[:1])), "odd neighbours change a text's scores")
    result = classifier.predict(odd)
    _require(result.predictions[1:3] == [None, None], "blank texts get an answer")


def _check_copies(classifier: TextClassifier, texts: list[str]) -> None:
    _require(_equal(classifier, pickle.loads(pickle.dumps(classifier)), texts), "pickling changes scores")  # noqa: S301 - our own
    with tempfile.TemporaryDirectory() as folder:
        classifier.save(Path(folder) / "saved")
        _check_files(Path(folder) / "saved")
        loaded = load(Path(folder) / "saved")
        _require(type(loaded) is type(classifier), "loading gives another class")
        _require(_equal(classifier, loaded, texts), "saving and loading changes scores")


def _check_files(folder: Path) -> None:
    """Everything in a model folder is data: nothing in it can be run when it is read."""
    for path in filter(Path.is_file, folder.rglob("*")):
        _require(path.suffix in _SUFFIXES, f"the saved file {path.name!r} is neither JSON, text nor safetensors")
        with path.open("rb") as stream:
            beginning = stream.read(9)
        as_named = beginning[8:] == b"{" if path.suffix == ".safetensors" else not beginning.startswith(_PICKLES)
        _require(as_named, f"the saved file {path.name!r} is a pickle or an archive")


def _check_label_sets(
    make: Callable[[], TextClassifier], classifier: TextClassifier, texts: list[str], labels: list[Any]
) -> None:
    """Two labels of a larger set are enough, and one label is too few for a classifier that learns."""
    if not classifier.learns or classifier.schema_.multi_label or getattr(classifier, "labels", None) is not None:
        return
    two = list(dict.fromkeys(labels))[:2]
    rows = [row for row, label in enumerate(labels) if label in two]
    fitted = make().fit([texts[row] for row in rows], [labels[row] for row in rows])
    _require(set(fitted.classes_.tolist()) == set(two), "fitting two labels gives other classes_")
    _require(fitted.predict_proba(texts).shape == (len(texts), 2), "two labels do not give two probabilities")
    try:
        make().fit(texts, [labels[0]] * len(texts))
    except DataError:
        return
    raise AssertionError("a single label in training is accepted")


def _equal(one: TextClassifier, other: TextClassifier, texts: list[str]) -> bool:
    return one.predict_scores(texts).equals(other.predict_scores(texts))


def _close(one: Scores, other: Scores) -> bool:
    same_rows = np.array_equal(one.status, other.status) and np.array_equal(one.row_ids, other.row_ids)  # type: ignore[arg-type]
    return same_rows and np.allclose(one.probabilities, other.probabilities, atol=_CLOSE, equal_nan=True)
