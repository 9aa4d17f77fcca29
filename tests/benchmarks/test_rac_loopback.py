"""The model with known error rates that the algorithm is measured with."""

import math

import numpy as np
import pytest


def question(texts, number, code):
    return f"Text:\n{texts.text_of(number)}\n\nLabel: {texts.NAMES[code]}\n\nDoes the label fit? Answer yes or no."


def test_a_question_tells_its_text_and_its_label(rac):
    """Otherwise the model would not know the truth, and its rates would not be those that are claimed."""
    texts = rac("rac_texts")

    asked = [texts.asked_about(question(texts, number, number % 96)) for number in range(200)]

    assert asked == [(number, number % 96) for number in range(200)]
    assert texts.asked_about("Text: a card\nLabel: refund of a tent") == (None, texts.NAMES.index("refund of a tent"))


def test_the_model_errs_at_its_rates_and_answers_alike_each_time(rac):
    """The analytic model is compared with what these rates do."""
    texts, model = rac("rac_texts"), rac("rac_loopback").Rates(0.7, 0.2)
    right = [question(texts, number, texts.truth_of(number)) for number in range(1500)]
    wrong = [question(texts, number, (texts.truth_of(number) + 1) % 96) for number in range(1500)]

    said = [[model.says_yes(asked) for asked in questions] for questions in (right, wrong, right)]

    assert np.mean(said[0]) == pytest.approx(0.7, abs=0.04)
    assert np.mean(said[1]) == pytest.approx(0.2, abs=0.04)
    assert said[0] == said[2]


def test_an_answer_has_log_probabilities_only_where_they_are_asked_for(rac):
    """Both answers are among the alternatives, and add up to 1."""
    loopback = rac("rac_loopback")

    bare = loopback.answer({"messages": []}, says_yes=True)["choices"][0]
    with_them = loopback.answer({"logprobs": True}, says_yes=False)["choices"][0]
    top = with_them["logprobs"]["content"][0]["top_logprobs"]

    assert bare["message"]["content"] == "yes"
    assert "logprobs" not in bare
    assert [each["token"] for each in top] == ["no", "yes"]
    assert sum(math.exp(each["logprob"]) for each in top) == pytest.approx(1.0)


def test_a_server_process_answers_and_counts(rac):
    """Calls are counted by the server, never by the client that is measured."""
    import json
    import urllib.request

    loopback = rac("rac_loopback")
    with loopback.running(loopback.Rates(1.0, 0.0)) as server:
        body = {"model": "m", "messages": [{"role": "user", "content": question(rac("rac_texts"), 5, 0)}]}
        request = urllib.request.Request(f"{server.base_url}/chat/completions", json.dumps(body).encode())
        with urllib.request.urlopen(request, timeout=10) as answer:
            said = json.load(answer)["choices"][0]["message"]["content"]
        counted = server.requests(), server.requests()

    assert said in {"yes", "no"}
    assert counted == (1, 0)


def test_predicted_and_measured_figures_stand_side_by_side(rac):
    """A figure outside its interval is named, so that the table cannot look right by chance."""
    pytest.importorskip("textclassify.rac.tuning.analytic")
    from textclassify.rac.tuning.analytic import AnalyticModel

    module = rac("rac_algorithm")
    model = AnalyticModel([0.6, 0.2, 0.1], true_positive_rate=0.9, false_positive_rate=0.05)

    agrees = module.beside(model, model.at(3), 3, 1000)
    off = module.beside(model, model.at(1), 3, 1000)

    assert agrees["agrees"]
    assert not off["agrees"]
    assert agrees["coverage"]["predicted"][1] < agrees["coverage"]["measured"] < agrees["coverage"]["predicted"][2]
