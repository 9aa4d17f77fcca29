"""ClassRoutingEnsemble: whose word counts on which label, and who stands in for a specialist that is silent."""

import numpy as np
import pytest

from textclassify import ClassRoutingEnsemble, LinearClassifier, load
from textclassify.core.scales import Status
from textclassify.ensemble.class_routing import SHRINKAGE, shrunk_f1
from textclassify.ensemble.honest_answers import HonestAnswers
from textclassify.errors import ConfigError
from textclassify.testing import FixedClassifier, check_classifier

from .given_members import PaidClassifier, member, messages, oracle

A, B, C = [0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.1, 0.1, 0.8]
RULES = {"a": "first", "b": "second"}


def routed(first, second, *, rules=RULES, **options):
    """The result for one text of which two members say this."""
    members = {"first": member(first), "second": member(second)}
    return ClassRoutingEnsemble(members, routing_rules=rules, **options).predict(["0"])


def test_the_answer_of_a_specialist_counts_where_it_names_its_label():
    """The second is asked about b, and says b; what the first says of b is not asked."""
    result = routed(C, B)
    assert result.predictions == ["b"]
    assert result.details["member"].tolist() == ["second"]
    assert result.probabilities[0] == pytest.approx(B, abs=1e-6)


def test_what_a_member_says_of_the_labels_of_others_does_not_count():
    """The first says b, of which the second is the specialist, and the second says a: the default answers."""
    assert routed(B, A, default="second").predictions == ["a"]
    assert routed(B, A).predictions == ["b"]  # the default is the first member


def test_of_contradicting_specialists_the_surer_one_is_followed():
    assert routed(A, [0.05, 0.9, 0.05]).predictions == ["b"]
    assert routed([0.95, 0.05, 0.0], B).predictions == ["a"]


def test_equally_sure_specialists_leave_it_to_the_order_of_the_labels():
    assert routed(A, B).predictions == ["a"]


def test_a_label_without_a_rule_belongs_to_the_default():
    assert routed(C, [0.3, 0.4, 0.3], rules={"b": "second"}).predictions == ["c"]


def test_the_default_stands_in_for_a_specialist_that_fails():
    """The second's label is b; it is silent, so that the first's word counts there, too."""
    result = routed(B, None)
    assert result.predictions == ["b"]
    assert result.details["member"].tolist() == ["first"]


def test_another_member_stands_in_for_a_default_that_fails():
    assert routed(None, C).predictions == ["c"]


def test_where_nobody_answers_the_status_says_why():
    result = routed(None, None)
    assert (result.predictions, result.status.tolist()) == ([None], [Status.FAILED])
    assert result.details["member"].tolist() == [None]


def test_each_of_several_labels_is_decided_by_its_specialist():
    """Who is silent is stood in for on its labels."""
    said = {"first": [[0.9, 0.9, 0.1], None], "second": [[0.1, 0.2, 0.9], [0.7, 0.8, 0.1]]}
    members = {name: member(*answers, multi_label=True) for name, answers in said.items()}
    result = ClassRoutingEnsemble(members, routing_rules={"b": "second", "c": "second"}).predict(["0", "1"])
    assert result.predictions == [["a", "c"], ["a", "b"]]
    assert result.probabilities == pytest.approx(np.array([[0.9, 0.2, 0.9], [0.7, 0.8, 0.1]]), abs=1e-6)


def test_a_language_model_without_a_label_is_not_asked():
    """It cannot change an answer, unless everybody else fails; a free member may stand in."""
    idle, free = PaidClassifier({"0": C}, list("abc")), member(B)
    members = {"first": member(A), "idle": idle, "free": free}
    ensemble = ClassRoutingEnsemble(members, routing_rules={"a": "first"})
    assert set(ensemble.predict(["0"]).sources) == {"first", "free"}
    assert (idle.asked, free.asked) == ([], ["0"])
    assert not ensemble.fit(["0", "1"], ["a", "b"]).asks_llm


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"routing_rules": {"a": "frist"}}, "'frist' in the rule for 'a' is no member; did you mean 'first'"),
        ({"routing_rules": {"z": "first"}}, "have the label 'z', which is unknown.*known labels: 'a', 'b', 'c'"),
        ({"routing_rules": ["first"]}, "pass {label: name of a member}"),
        ({"routing_rules": {"a": 3}}, "3 in the rule for 'a' is no member"),
        ({"routing_rules": {}, "default": "third"}, "'third' in default is no member"),
    ],
)
def test_rules_that_make_no_sense_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        ClassRoutingEnsemble({"first": member(A)}, **options).fit(["0", "1"], ["a", "b"])


def test_rules_are_learned_from_the_f1_of_each_label():
    """The oracle knows two labels and never answers the third, which the linear model knows out of fold."""
    data = messages(90)
    ensemble = ClassRoutingEnsemble({"linear": LinearClassifier(), "oracle": oracle(data)}, n_folds=3).fit(data)
    assert ensemble.rules_ == {"billing": "oracle", "delivery": "oracle", "login": "linear"}
    assert ensemble.score(data.texts, data.labels) > 0.95
    assert ensemble.f1_["oracle"][0] > ensemble.f1_["linear"][0]


def test_a_rare_label_goes_to_the_best_member_overall():
    """Of two rows nobody learns who knows a label: one lucky hit must not make a specialist."""
    gold = np.array([0] * 40 + [1] * 40 + [2] * 2)
    good, lucky = np.eye(3)[gold], np.eye(3)[gold]
    good[gold == 2] = [0, 1, 0]
    lucky[:40:2] = [0, 1, 0]
    overall, by_label = shrunk_f1(HonestAnswers(("good", "lucky"), np.stack([good, lucky]), gold, np.ones(82), {}))
    assert overall == pytest.approx([80 / 82, 62 / 82])
    assert by_label[0, 2] > by_label[1, 2]
    assert by_label[1, 2] == pytest.approx((4 + 2 * SHRINKAGE * 62 / 82) / (4 + 2 * SHRINKAGE))


def test_equally_good_members_leave_a_label_to_the_best_overall():
    """No call to a second member for nothing."""
    data = messages(60)
    same = {"b": oracle(data), "a": oracle(data)}
    assert set(ClassRoutingEnsemble(same, n_folds=2).fit(data).specialists_) == {"a"}


def test_labels_that_are_numbers_keep_their_rules_in_a_folder(tmp_path):
    """JSON has no keys that are numbers."""
    members = {
        "one": FixedClassifier({}, [1, 2], default=[0.9, 0.1]),
        "two": FixedClassifier({}, [1, 2], default=[0.3, 0.7]),
    }
    ensemble = ClassRoutingEnsemble(members, routing_rules={2: "one", 1: "two"}).fit(["x", "y"], [1, 2])
    ensemble.save(tmp_path / "routing")
    loaded = load(tmp_path / "routing")
    assert loaded.rules_ == {1: "two", 2: "one"}
    assert loaded.predict(["x"]).predictions == ensemble.predict(["x"]).predictions


@pytest.mark.parametrize("options", [{}, {"calibrated": True}])
def test_what_was_saved_answers_as_before(tmp_path, options):
    data = messages(60)
    ensemble = ClassRoutingEnsemble([LinearClassifier(), oracle(data)], n_folds=2, **options).fit(data)
    ensemble.save(tmp_path / "routing")
    loaded = load(tmp_path / "routing")
    assert loaded.predict_scores(data.texts).equals(ensemble.predict_scores(data.texts))
    assert (loaded.rules_, loaded.order_, loaded.f1_) == (ensemble.rules_, ensemble.order_, ensemble.f1_)


def test_without_rows_to_hold_out_the_first_member_has_every_label():
    ensemble = ClassRoutingEnsemble([LinearClassifier(), LinearClassifier(C=1.0)]).fit(["good", "bad"], ["a", "b"])
    assert ensemble.rules_ == {"a": "linear", "b": "linear"}


@pytest.mark.parametrize("options", [{"n_folds": 2}, {"routing_rules": {}, "default": "other"}])
def test_it_keeps_the_contract_of_every_classifier(options):
    data = messages(30)
    members = {"one": LinearClassifier(), "other": LinearClassifier(word_ngrams=(1, 1), char_ngrams=(2, 2))}
    check_classifier(lambda: ClassRoutingEnsemble(members, **options), data.texts, data.labels)


def test_it_keeps_the_contract_with_several_labels():
    texts = [f"{word} {n}" for n in range(5) for word in ("joy", "fear", "both joy fear", "nothing at all")]
    gold = [["joy"], ["fear"], ["joy", "fear"], []] * 5
    check_classifier(lambda: ClassRoutingEnsemble([LinearClassifier()], n_folds=2), texts, gold)


def test_several_labels_are_routed_to_who_knows_each():
    """Rules are learned per label there, too."""
    gold = np.random.default_rng(0).integers(0, 2, (80, 2))
    texts = [f"text {row}" for row in range(80)]
    members = {}
    for name, unknown in (("of joy", 1), ("of fear", 0)):
        knows = np.where(gold == 1, 0.9, 0.1)
        knows[:, unknown] = 0.6
        members[name] = FixedClassifier(dict(zip(texts, knows, strict=True)), ["joy", "fear"], multi_label=True)
    assert ClassRoutingEnsemble(members, n_folds=2).fit(texts, gold).rules_ == {"joy": "of joy", "fear": "of fear"}
