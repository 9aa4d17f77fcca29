"""Options are looked at before anything is asked; messages name the value and what is allowed."""

import numpy as np
import pytest

from textclassify.errors import ConfigError

from .scripted_rac import LABELS, TEXTS, knows, rac


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"top_k": 0}, "top_k is 0; pass a whole number"),
        ({"top_k": True}, "top_k is True"),
        ({"top_k": 2.5}, "top_k is 2.5"),
        ({"decision": "frist_yes"}, "did you mean 'first_yes'"),
        ({"min_probability": 1.5}, "min_probability is 1.5; pass a probability"),
        ({"min_probability": float("nan")}, "min_probability is nan"),
        ({"margin": "0.1"}, "margin is '0.1'"),
        ({"min_yes": -0.1}, r"min_yes is -0\.1"),
        ({"min_yes": 0.5, "decision": "listwise"}, "min_yes=0.5 needs a yes or no"),
        ({"other": "delivry"}, "other='delivry' is no label beside others; did you mean 'delivery'"),
        ({"multi_label": True, "other": "bill"}, "other='bill' is for texts with one label"),
        ({"multi_label": True, "margin": 0.1}, "margin=0.1 is for texts with one label"),
        ({"multi_label": True, "decision": "listwise"}, "decision 'listwise' chooses one label"),
        ({"multi_label": "yes"}, "multi_label is 'yes'; pass True, False, or None"),
        ({"retriever": "bm25"}, "retriever is 'bm25'; pass a classifier such as"),
        ({"provider": "openai"}, "both llm= and provider='openai' are given"),
        ({"model": "gpt"}, "both llm= and model='gpt' are given"),
    ],
)
def test_options_that_do_not_fit_cost_nothing(tmp_path, options, message):
    chat = knows()
    classifier = rac(tmp_path, chat, **options)

    with pytest.raises(ConfigError, match=message):
        classifier.predict(TEXTS)
    with pytest.raises(ConfigError, match=message):
        classifier.check_model()
    with pytest.raises(ConfigError, match=message):
        classifier.fit(TEXTS, [[one] for one in LABELS] if options.get("multi_label") else LABELS)
    assert chat.asked == []


def test_numbers_of_numpy_will_do(tmp_path):
    classifier = rac(tmp_path, top_k=np.int64(2), min_probability=np.float32(0.25), margin=np.float64(0))

    assert classifier.predict(TEXTS).predictions == ["bill", "delivery", "bill"]


def test_one_label_has_no_other_beside_it(tmp_path):
    with pytest.raises(ConfigError, match="other='bill' is no label beside others; add it"):
        rac(tmp_path, labels=["bill"], other="bill").check_model()


def test_options_are_checked_before_the_labels_are_known(tmp_path):
    """An ensemble looks at its sources before it fits them."""
    rac(tmp_path, labels=None).check_model()
    with pytest.raises(ConfigError, match="top_k is 0"):
        rac(tmp_path, labels=None, top_k=0).check_model()
