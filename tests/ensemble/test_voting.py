"""VotingEnsemble: who has a vote, what a majority is, and how ties are broken."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax

from textclassify import FusionEnsemble, LinearClassifier, TrainingData, VotingEnsemble, WeightedEnsemble, load
from textclassify.core.scales import Scale, Status
from textclassify.errors import ConfigError, NotFittedError
from textclassify.testing import FixedClassifier, check_classifier

from .given_members import LABELS, PaidClassifier, member, messages, oracle, texts_of

A, B, C = [0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.1, 0.1, 0.8]


def voted(*members, **options):
    return VotingEnsemble(list(members), **options).predict(texts_of(*members))


def test_more_than_half_of_those_who_answer_are_a_majority():
    """Two of three, and one of one: who failed has no vote."""
    result = voted(member(A, A), member(A, None), member(B, None))
    assert result.predictions == ["a", "a"]
    assert result.confidence == pytest.approx([2 / 3, 1])


def test_without_a_majority_there_is_no_answer_and_the_result_says_why():
    """Half is not more than half."""
    result = voted(member(A, A), member(B, A))
    assert result.predictions == [None, "a"]
    assert result.status.tolist() == [Status.ABSTAINED, Status.OK]
    assert result.reasons == ["no majority", None]


def test_where_nobody_answers_the_status_says_why():
    """Never the first label by default."""
    for voting in ("majority", "plurality", "soft"):
        result = voted(member(None, A), member(None, A), voting=voting)
        assert result.predictions == [None, "a"]
        assert result.status.tolist() == [Status.FAILED, Status.OK]
        assert np.isnan(result.probabilities[0]).all()


def test_an_abstention_of_a_member_is_no_vote():
    """A vote without a majority is one itself when it votes in another."""
    torn = VotingEnsemble([member(A), member(B)])
    assert VotingEnsemble([torn, member(C)]).predict(["0"]).predictions == ["c"]


def test_the_most_votes_are_enough_for_a_plurality():
    result = voted(member(A), member(A), member(B), member(C), voting="plurality")
    assert result.predictions == ["a"]
    assert result.scores.scale is Scale.VOTE_SHARE
    assert result.probabilities[0] == pytest.approx([0.5, 0.25, 0.25])


def test_a_tie_goes_to_the_label_that_the_members_find_more_probable():
    """One vote each, but b is almost certain and a hardly."""
    result = voted(member([0.4, 0.3, 0.3]), member([0.05, 0.9, 0.05]), voting="plurality")
    assert result.predictions == ["b"]


def test_a_label_without_a_vote_does_not_win_a_tie():
    """The most probable label on average is c, yet it is nobody's answer."""
    result = voted(member([0.5, 0.01, 0.49]), member([0.01, 0.5, 0.49]), voting="plurality")
    assert result.predictions == ["a"]


def test_a_perfect_tie_goes_to_the_label_that_comes_first():
    """Whoever was added first."""
    assert voted(member(B), member(A), voting="plurality").predictions == ["a"]


def test_a_soft_vote_is_the_mean_of_probabilities():
    """One member that is sure outvotes two that are not."""
    members = member([0.9, 0.1, 0]), member([0.4, 0.6, 0]), member([0.3, 0.7, 0])
    result = voted(*members, voting="soft")
    assert result.predictions == ["a"]
    assert result.probabilities[0] == pytest.approx([1.6 / 3, 1.4 / 3, 0], abs=1e-6)
    assert result.scores.scale is Scale.LOG_PROBABILITY


def test_a_soft_vote_says_whose_votes_it_took_for_probabilities():
    """A hard label is a probability of 1, which no mean can outweigh; whoever asks for it should be able to see it."""
    hard = VotingEnsemble({"one": member([0.9, 0.05, 0.05])})
    soft = member([0.2, 0.4, 0.4])
    result = VotingEnsemble({"hard": hard, "soft": soft}, voting="soft").predict(["0"])
    weighted = WeightedEnsemble({"hard": hard, "soft": soft}, weights=[1, 1]).predict(["0"])

    assert result.metadata["votes_as_probabilities"] == weighted.metadata["votes_as_probabilities"] == ["hard"]


def test_weights_are_votes_and_who_has_none_is_not_asked():
    """We do not pay for what cannot count."""
    heavy, light, none = member(A), member(B), member(C)
    ensemble = VotingEnsemble({"heavy": heavy, "light": light, "none": none}, weights=[3, 1, 0])
    assert ensemble.predict(["0"]).predictions == ["a"]
    assert none.asked == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"weights": {"linaer": 1}}, "'linaer' in weights is no member"),
        ({"weights": {"fixed": 1}}, "no weight for 'fixed_2'"),
        ({"weights": [1, 1, 1]}, "3 weights for 2 members"),
        ({"weights": [-1, 1]}, "the weight of 'fixed' is -1"),
        ({"weights": [float("nan"), 1]}, "the weight of 'fixed' is nan"),
        ({"weights": ["1", 1]}, "the weight of 'fixed' is '1'"),
        ({"weights": [0, 0]}, "all 0"),
        ({"weights": "ab"}, "pass one number per member"),
        ({"voting": "mojority"}, "unknown voting 'mojority'; did you mean 'majority'"),
        ({"calibrated": True}, "no effect on voting='majority'"),
        ({"voting": "soft", "calibrated": "yes"}, "neither True nor False"),
    ],
)
def test_options_that_make_no_sense_are_refused_before_anybody_is_asked(options, message):
    members = [member(A), member(B)]
    with pytest.raises(ConfigError, match=message):
        VotingEnsemble(members, **options).fit(["0", "1"], ["a", "b"])
    assert members[0].asked == []


def test_each_label_is_voted_on_by_itself():
    """Three opinions on three labels; by majority half of two votes is too little, by plurality it may be enough."""
    said = ([0.9, 0.6, 0.1], [0.9, 0.1, 0.1])
    members = [member(one, multi_label=True) for one in said]
    assert VotingEnsemble(members).predict(["0"]).predictions == [["a"]]
    assert VotingEnsemble(members, voting="plurality").predict(["0"]).predictions == [["a"]]
    members[0] = member([0.9, 0.95, 0.1], multi_label=True)
    assert VotingEnsemble(members, voting="plurality").predict(["0"]).predictions == [["a", "b"]]


def test_no_label_at_all_is_an_answer_where_there_may_be_several():
    result = voted(member([0.1, 0.1, 0.1], multi_label=True), member([0.2, 0.1, 0.1], multi_label=True))
    assert result.predictions == [[]]
    assert result.status[0] == Status.OK


def test_members_that_need_no_training_vote_without_any():
    """Nobody has to have labelled rows; who has a member that learns is told to call fit."""
    assert voted(member(A), member(A)).predictions == ["a"]
    with pytest.raises(NotFittedError, match="call fit"):
        VotingEnsemble([member(A), LinearClassifier()]).predict(["0"])


def test_members_are_trained_on_all_rows_as_copies():
    """The caller's stay as they are, so that they can be used elsewhere."""
    data = messages(30)
    given = LinearClassifier()
    ensemble = VotingEnsemble([given]).fit(data)
    assert not hasattr(given, "schema_")
    assert ensemble.predict_scores(data.texts).equals(
        VotingEnsemble([LinearClassifier().fit(data)]).fit(data).predict_scores(data.texts)
    )


def test_gold_labels_give_metrics_and_each_member_has_its_scores():
    """The published example reads the accuracy from there."""
    data = messages(60)
    result = (
        VotingEnsemble([LinearClassifier(), oracle(data)], voting="soft").fit(data).predict(data.texts, data.labels)
    )
    assert result.metadata["metrics"]["accuracy"] > 0.9
    assert set(result.sources) == {"fixed", "linear"}
    assert result.metadata["models"] == {"fixed": "fixed", "linear": "linear"}


def test_calibration_takes_the_word_of_a_boaster_for_what_it_is_worth():
    """It is always 99.9% sure and right by chance; raw, it outvotes the member that knows."""
    data = messages(90)
    boast = [[0.999 if k == row % 3 else 0.0005 for k in range(3)] for row in range(len(data))]
    boaster = FixedClassifier(dict(zip(data.texts, boast, strict=True)), LABELS)
    members = {"boaster": boaster, "oracle": oracle(data), "linear": LinearClassifier()}
    raw, calibrated = (
        VotingEnsemble(members, voting="soft", calibrated=one, n_folds=3).fit(data).score(data.texts, data.labels)
        for one in (False, True)
    )
    assert raw < 0.85
    assert calibrated > 0.95


def test_a_fusion_can_be_a_member_of_a_vote():
    """Trained like any member, and with its own vote."""
    data = messages(30)
    fusion = FusionEnsemble({"oracle": oracle(data), "other": FixedClassifier({}, LABELS, default=[0.5, 0.3, 0.2])})
    ensemble = VotingEnsemble([fusion, oracle(data)]).fit(data)
    result = ensemble.predict(data.texts)
    assert set(result.sources) == {"fusion", "fixed"}
    assert result.predictions == ensemble.sources_["fusion"].predict(data.texts).predictions


def test_a_vote_can_be_a_source_of_a_fusion():
    """Ensembles are classifiers."""
    data = messages(45)
    vote = VotingEnsemble([LinearClassifier(), oracle(data)], voting="soft")
    assert FusionEnsemble({"vote": vote}, n_folds=2).fit(data).score(data.texts, data.labels) > 0.9


def test_it_says_what_its_members_are():
    """Whether it costs money, which models are behind it, and which texts they have seen as examples."""

    class Prompted(PaidClassifier):
        seen_row_ids = np.array([7], dtype=np.uint64)
        model_used = "tiny-llm"

    ensemble = VotingEnsemble([member(A), Prompted({}, ["a", "b", "c"], default=A)]).fit(["0", "1"], ["a", "b"])
    assert ensemble.asks_llm
    assert ensemble.seen_row_ids.tolist() == [7]
    assert ensemble.model_used == "voting of fixed, tiny-llm"


def test_costs_of_the_members_add_up(paid_classifier):
    paid = paid_classifier({}, ["a", "b", "c"], default=A)
    assert VotingEnsemble([paid, paid_classifier({}, ["a", "b", "c"], default=A)]).predict(["x"]).scores.cost == [0.02]


@pytest.mark.parametrize("options", [{}, {"voting": "soft", "calibrated": True}])
def test_what_was_saved_votes_as_before(tmp_path, options):
    """Bit for bit; with its weights and with how its members are calibrated."""
    data = messages(60)
    ensemble = VotingEnsemble([LinearClassifier(), oracle(data)], weights=[2, 1], n_folds=2, **options).fit(data)
    ensemble.save(tmp_path / "vote")
    loaded = load(tmp_path / "vote")
    assert isinstance(loaded, VotingEnsemble)
    assert loaded.predict_scores(data.texts).equals(ensemble.predict_scores(data.texts))
    assert loaded.predict(data.texts).predictions == ensemble.predict(data.texts).predictions
    assert loaded.weights_ == {"linear": 2.0, "fixed": 1.0}


@pytest.mark.parametrize("voting", ["majority", "plurality", "soft"])
def test_it_keeps_the_contract_of_every_classifier(voting):
    data = messages(30)
    members = {"one": LinearClassifier(), "other": LinearClassifier(word_ngrams=(1, 1), char_ngrams=(2, 2))}
    check_classifier(lambda: VotingEnsemble(members, voting=voting), data.texts, data.labels)


def test_it_keeps_the_contract_with_several_labels():
    texts = [f"{word} {n}" for n in range(5) for word in ("joy", "fear", "both joy fear", "nothing at all")]
    check_classifier(lambda: VotingEnsemble([LinearClassifier()]), texts, [["joy"], ["fear"], ["joy", "fear"], []] * 5)


ANSWERS = st.lists(st.one_of(st.none(), st.integers(0, 9)), min_size=4, max_size=4)
"""What a member says of four texts: fails, or one of ten distributions, so that ties are frequent."""
DISTRIBUTIONS = softmax(np.random.default_rng(0).integers(-1, 2, (10, 3)), axis=1)


def members_from(answers):
    return {
        f"m{number}": member(*(None if one is None else DISTRIBUTIONS[one] for one in row))
        for number, row in enumerate(answers)
    }


@settings(max_examples=30, deadline=None)
@given(st.lists(ANSWERS, min_size=1, max_size=5), st.randoms(), st.sampled_from(["majority", "plurality", "soft"]))
def test_the_order_of_the_members_does_not_matter(answers, random, voting):
    """Not for the scores, bit for bit, and not for a tie."""
    members = members_from(answers)
    shuffled = list(members.items())
    random.shuffle(shuffled)
    one = VotingEnsemble(members, voting=voting).predict(["0", "1", "2", "3"])
    other = VotingEnsemble(dict(shuffled), voting=voting).predict(["0", "1", "2", "3"])
    assert one.predictions == other.predictions
    assert one.scores.equals(other.scores)


@settings(max_examples=30, deadline=None)
@given(st.lists(ANSWERS, min_size=1, max_size=4), st.sampled_from(["majority", "plurality", "soft"]))
def test_a_member_that_never_answers_changes_nothing(answers, voting):
    """Whatever it is called, and however much it would weigh."""
    members = members_from(answers)
    silent = member(None, None, None, None)
    one = VotingEnsemble(members, voting=voting).predict(["0", "1", "2", "3"])
    weights = dict.fromkeys(members, 1) | {"a silent one": 5}
    other = VotingEnsemble({"a silent one": silent, **members}, voting=voting, weights=weights).predict(list("0123"))
    assert one.predictions == other.predictions
    assert one.scores.equals(other.scores)


def test_weights_and_groups_of_rows_reach_the_members():
    """A row that weighs nothing teaches nothing."""
    data = TrainingData(["good", "good", "bad", "bad"], ["a", "b", "b", "a"], sample_weight=np.array([1.0, 0, 1, 0]))
    assert VotingEnsemble([LinearClassifier()]).fit(data).predict(["good", "bad"]).predictions == ["a", "b"]
