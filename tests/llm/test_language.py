"""Classifiers that ask in the language of the texts: found out once, kept, and the same for every text."""

import pickle

import pytest
from sklearn.base import clone

from textclassify import LLMClassifier, RACClassifier, load
from textclassify.errors import ConfigError
from textclassify.testing import ScriptedChat, check_classifier

LABELS = {
    "lieferung": "Das Paket ist nicht da oder es kommt zu spät.",
    "rechnung": "Eine Rechnung oder eine Abbuchung ist falsch.",
}
TEXTS = [
    "Ich warte seit einer Woche auf mein Paket.", "Wo ist die Bestellung, die am Montag kommen sollte?",
    "Sie haben den Betrag zweimal von meinem Konto abgebucht.", "Auf der Rechnung ist die Adresse nicht richtig.",
]  # fmt: skip
GOLD = ["lieferung", "lieferung", "rechnung", "rechnung"]


def chat_that_says(reply):
    return ScriptedChat(reply if callable(reply) else lambda _: reply)


def system_of(classifier):
    return classifier.chat.asked[-1].messages[0].content


def test_label_cards_tell_the_language_of_an_unfitted_classifier(tmp_path):
    """Whatever the texts are: the second one is asked about in the same words as the first."""
    classifier = LLMClassifier(LABELS, chat=chat_that_says("Die Antwort lautet B."), cache_dir=tmp_path)

    assert classifier.predict(["Wo?", "Where is my parcel, and when will it be here?"]).predictions == ["rechnung"] * 2
    assert {request.messages[0].content for request in classifier.chat.asked} == {system_of(classifier)}
    assert "Antworte mit dem Kürzel des einen Labels" in system_of(classifier)


def test_fit_finds_the_language_and_folders_keep_it(tmp_path):
    """Labels without descriptions say nothing; training texts do."""
    classifier = LLMClassifier(["a", "b"], chat=chat_that_says("A"), cache_dir=tmp_path / "c").fit(TEXTS, list("aabb"))
    classifier.save(tmp_path / "model")
    loaded = load(tmp_path / "model").set_params(chat=chat_that_says("A"), cache_dir=tmp_path / "d")

    for one in (classifier, loaded, pickle.loads(pickle.dumps(classifier)).set_params(chat=classifier.chat)):
        assert one.language_ == "de"
        one.predict(["new"])
    assert system_of(loaded) == system_of(classifier)
    assert not hasattr(clone(classifier), "language_")


def test_a_language_that_is_given_is_taken(tmp_path):
    """Some models do better in English; whoever measured it says so."""
    classifier = LLMClassifier(LABELS, chat=chat_that_says("A"), cache_dir=tmp_path, language="en").fit(TEXTS, GOLD)
    classifier.predict(["new"])

    assert "Answer with the code of the one label" in system_of(classifier)
    with pytest.raises(ConfigError, match="language is 'ger'"):
        classifier.set_params(language="ger").predict(["x"])


@pytest.mark.parametrize(
    ("method", "reply", "share"),
    [
        ("hard", "Kürzel: A", 1.0),
        ("verbal", '{"Bewertungen": {"A": 0.8, "B": 0.2}}', 0.8),
        ("votes", "Label ist A", 1.0),
    ],
)
def test_every_way_of_asking_reads_german_replies(tmp_path, method, reply, share):
    classifier = LLMClassifier(LABELS, chat=chat_that_says(reply), cache_dir=tmp_path, method=method, n_samples=2)

    assert classifier.predict_proba(["Wo ist es?"])[0, 0] == pytest.approx(share, abs=1e-6)


def test_several_texts_in_one_request_are_asked_about_in_german(tmp_path):
    chat = chat_that_says('{"Text 1": "A", "2": "B"}')
    classifier = LLMClassifier(LABELS, chat=chat, cache_dir=tmp_path, method="hard", texts_per_request=2)

    assert classifier.predict(["Wo ist es?", "Zu viel bezahlt"]).predictions == ["lieferung", "rechnung"]
    assert "Antworte zu den Nummern 1 bis 2." in chat.asked[0].messages[-1].content


def test_a_useless_reply_is_asked_about_again_in_german(tmp_path):
    replies = iter(["weiß nicht", "B"])
    chat = chat_that_says(lambda _: next(replies))
    classifier = LLMClassifier(LABELS, chat=chat, cache_dir=tmp_path, method="hard")

    assert classifier.predict(["Was?"]).predictions == ["rechnung"]
    assert (
        chat.asked[-1]
        .messages[-1]
        .content.endswith(
            "Die letzte Antwort darauf war nicht verwendbar. "
            "Antworte mit einem dieser Kürzel und mit nichts anderem: A, B."
        )
    )


def test_none_is_said_in_both_languages(tmp_path):
    replies = {"eins": "keins", "zwei": "None", "drei": "A und B"}
    classifier = LLMClassifier(LABELS, chat=ScriptedChat(replies), cache_dir=tmp_path, multi_label=True, method="hard")

    assert classifier.predict(list(replies)).predictions == [[], [], ["lieferung", "rechnung"]]


def test_it_goes_over_the_wire_in_german(server, complete, tmp_path):
    """Umlauts and all, to a server that speaks HTTP."""
    server.will_answer(body=complete("B"))
    classifier = LLMClassifier(
        LABELS, provider="vllm", model="m", base_url=server.url, cache_dir=tmp_path, method="hard"
    )

    assert classifier.predict(["Zu viel bezahlt"]).predictions == ["rechnung"]
    assert "Kürzel" in server.asked[0]["messages"][0]["content"]


def test_another_language_is_another_question(tmp_path):
    """An answer to the English question is not taken for one to the German one, nor with a template of one's own."""
    (tmp_path / "own.txt").write_text("{labels}\n---\n{text}")
    for template in (None, tmp_path / "own.txt"):
        keys = set()
        for language in ("en", "de", "fr"):
            options = {"template": template, "language": language, "cache_dir": tmp_path}
            with LLMClassifier(LABELS, chat=chat_that_says("A"), **options)._remote() as remote:
                keys.add(remote.question.row_key("text"))
        assert len(keys) == 3


@pytest.mark.parametrize("reply", ["Ja.", "yes", "JA"])
def test_questions_about_candidates_are_asked_and_read_in_german(tmp_path, reply):
    """A model may say yes where it was asked for ja."""
    chat = ScriptedChat({"Label: lieferung": reply, "Label: rechnung": "Nein"})
    classifier = RACClassifier(LABELS, llm=chat, cache_dir=tmp_path)

    assert classifier.predict(["Wo ist mein Paket?"]).predictions == ["lieferung"]
    assert chat.asked[-1].messages[-1].content.endswith("Passt das Label zum Text? Antworte mit ja oder nein.")
    assert "Deine" not in chat.asked[-1].messages[0].content


def test_questions_take_the_language_of_the_model_they_are_given(tmp_path):
    """Said once is enough; said here, it counts."""
    model = LLMClassifier(chat=chat_that_says("no"), cache_dir=tmp_path, language="fr")

    assert "Réponds par oui ou non." in RACClassifier(LABELS, llm=model).preview("Wo?")
    assert "Responde sí o no." in RACClassifier(LABELS, llm=model, language="es").preview("Wo?")


def test_a_saved_retrieval_classifier_asks_as_before(tmp_path):
    chat = chat_that_says("nein")
    RACClassifier(["a", "b"], llm=chat, cache_dir=tmp_path).fit(TEXTS, list("aabb")).save(tmp_path / "model")

    assert "Antworte mit ja oder nein." in load(tmp_path / "model").set_params(llm=chat).preview("Wo?")


def test_the_contract_holds_in_german(tmp_path, monkeypatch):
    """Split invariance among others: no text's answer depends on the language of its neighbours."""
    monkeypatch.setenv("TEXTCLASSIFY_CACHE_DIR", str(tmp_path))
    chat = chat_that_says(lambda request: "B" if "Rechnung" in request.messages[-1].content else "A")

    check_classifier(lambda: LLMClassifier(LABELS, chat=chat, examples_per_label=1), TEXTS, GOLD)
