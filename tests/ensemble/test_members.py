"""The members of an ensemble: their names, how they are added, and what an `EnsembleConfig` becomes."""

import numpy as np
import pytest
from sklearn.base import clone

import textclassify.ensemble
from textclassify import ClassRoutingEnsemble, LinearClassifier, LLMClassifier, VotingEnsemble, WeightedEnsemble
from textclassify.core.model_settings import EnsembleConfig
from textclassify.ensemble.members import from_config, named_sources
from textclassify.errors import ConfigError, LabelError, ScoresError
from textclassify.testing import FixedClassifier, ScriptedChat

from .given_members import PaidClassifier, member, messages

ENSEMBLES = [VotingEnsemble, WeightedEnsemble, ClassRoutingEnsemble]


def test_a_list_is_named_by_kind_and_numbered():
    """Names are what weights and rules speak of, so that they have to be guessable."""
    assert list(named_sources([LinearClassifier(), member(), member()])) == ["linear", "fixed", "fixed_2"]


def test_the_same_object_twice_is_one_member():
    """In `models=` and by `add_model`, as the published example has it."""
    one = member()
    assert named_sources([one, one]) == {"fixed": one}


def test_a_mapping_keeps_its_names():
    one = member()
    assert named_sources({"mine": one}) == {"mine": one}


@pytest.mark.parametrize(
    ("models", "message"),
    [
        ([LinearClassifier], "class LinearClassifier; pass an instance"),
        (["linear"], "number 1 is 'linear' (str), not a TextClassifier"),
        ({"x": 3}, "'x' is 3 (int)"),
        ({3: LinearClassifier()}, "3 is no name"),
        ("linear", "no list of classifiers"),
        (LinearClassifier(), "no list of classifiers"),
    ],
)
def test_what_is_no_classifier_is_named(models, message):
    with pytest.raises(ConfigError, match=message.replace("(", r"\(").replace(")", r"\)")):
        named_sources(models)


def test_members_are_added_by_the_name_of_their_kind():
    """A second one of a kind gets a number, a name of one's own is kept."""
    ensemble = VotingEnsemble().add_model(member()).add_model(member()).add_model(member(), name="mine")
    assert list(ensemble.sources) == ["fixed", "fixed_2", "mine"]


def test_adding_a_member_again_changes_nothing():
    one = member()
    ensemble = VotingEnsemble([one]).add_model(one).add_ml_model(one).add_model(one, name="again")
    assert ensemble.sources == {"fixed": one}


def test_adding_leaves_the_mapping_that_was_given_alone():
    """It is the caller's."""
    given = {"mine": member()}
    VotingEnsemble(given).add_model(member())
    assert list(given) == ["mine"]


def test_a_member_that_is_added_after_fit_counts_at_the_next_one():
    data = messages(30)
    ensemble = VotingEnsemble([LinearClassifier()], voting="soft").fit(data)
    ensemble.add_model(LinearClassifier(C=1.0))
    assert set(ensemble.predict(["parcel"]).sources) == {"linear"}
    assert set(ensemble.fit(data).predict(["parcel"]).sources) == {"linear", "linear_2"}


def test_each_kind_of_model_has_its_own_method():
    """Whoever confuses them is told which one it is."""
    llm = LLMClassifier(["a", "b"], chat=ScriptedChat({}))
    with pytest.raises(ConfigError, match="asks a language model; add it by add_llm_model"):
        VotingEnsemble().add_ml_model(llm)
    with pytest.raises(ConfigError, match="asks no language model; add it by add_ml_model"):
        VotingEnsemble().add_llm_model(LinearClassifier())


def test_several_language_models_can_be_added():
    ensemble = VotingEnsemble().add_llm_model(PaidClassifier({})).add_llm_model(PaidClassifier({}))
    assert len(ensemble.sources) == 2
    assert ensemble.asks_llm


def test_a_name_that_is_taken_is_refused():
    with pytest.raises(ConfigError, match="a member called 'fixed' already"):
        VotingEnsemble([member()]).add_model(member(), name="fixed")


def test_an_ensemble_config_becomes_native_arguments():
    """`label_columns` are the labels here; everything else has the same name."""
    one, other = member(), LinearClassifier()
    config = EnsembleConfig(
        "voting", [one, other], {"voting": "soft", "label_columns": ["a", "b", "c"]}, weights=[2, 1]
    )
    ensemble = VotingEnsemble(config)
    assert (ensemble.sources, ensemble.labels) == ({"fixed": one, "linear": other}, ["a", "b", "c"])
    assert (ensemble.voting, ensemble.weights) == ("soft", [2, 1])


@pytest.mark.parametrize("kind", ENSEMBLES)
def test_an_ensemble_from_a_config_can_be_cloned(kind):
    """scikit-learn makes copies from `get_params`, which hold no configuration any more."""
    copied = clone(kind(EnsembleConfig(kind.kind, [LinearClassifier()], {"n_folds": 3})))
    assert (list(copied.sources), copied.n_folds) == (["linear"], 3)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (EnsembleConfig("fusion"), "'fusion' is not for VotingEnsemble.*pass it to FusionEnsemble"),
        (
            EnsembleConfig("voting", parameters={"votting": "soft"}),
            "option 'votting' of VotingEnsemble; did you mean 'voting'",
        ),
        (EnsembleConfig("voting", routing_rules={"a": "fixed"}), "unknown option 'routing_rules' of VotingEnsemble"),
        (EnsembleConfig("voting", parameters={"labels": ["a"], "label_columns": ["b"]}), "has two values"),
        (
            EnsembleConfig("voting", parameters={"weights": [1, 2]}, weights=[3, 4]),
            r"'weights' .* has two values, \[1, 2",
        ),
        (EnsembleConfig("voting", models=["linear"]), "not a TextClassifier"),
    ],
)
def test_a_config_that_does_not_fit_is_refused(config, message):
    with pytest.raises(ConfigError, match=message):
        VotingEnsemble(config)


def test_an_argument_must_not_contradict_the_config():
    """Neither of the two can be what was meant."""
    config = EnsembleConfig("voting", parameters={"voting": "soft"})
    with pytest.raises(ConfigError, match="'voting' is 'soft' in the EnsembleConfig and 'plurality' beside it"):
        VotingEnsemble(config, voting="plurality")


def test_another_name_for_an_option_can_be_declared():
    """So that the published names of the fusion's options are translated in one place."""
    config = EnsembleConfig("fusion", parameters={"num_epochs": 3})
    assert from_config(config, "fusion", {"num_epochs": "epochs"}) == {"sources": {}, "epochs": 3}


@pytest.mark.parametrize("kind", ENSEMBLES)
def test_without_members_there_is_no_ensemble(kind):
    with pytest.raises(ConfigError, match=f"{kind.__name__} has no members"):
        kind().fit(["x", "y"], ["a", "b"])


@pytest.mark.parametrize("kind", ENSEMBLES)
def test_members_of_different_labels_are_refused_by_name_before_anything_is_trained(kind):
    """Their columns would be added up though they mean different things."""
    first, second = member(labels=["a", "b"]), member(labels=["a", "z"])
    with pytest.raises(ScoresError, match="'fixed_2' scores the labels \\['a', 'z'\\], expected \\['a', 'b'\\]"):
        kind([first, second]).fit(["x", "y"], ["a", "z"])


def test_a_multi_label_member_has_no_place_in_a_single_label_vote():
    several = FixedClassifier({}, ["a", "b"], default=[0.5, 0.5], multi_label=True)
    with pytest.raises(ConfigError, match="member 'fixed' is multi-label and the data are single-label"):
        VotingEnsemble([several]).fit(["x", "y"], ["a", "b"])


def test_labels_that_no_member_knows_are_named():
    with pytest.raises(LabelError, match="unknown label 'z'"):
        VotingEnsemble([member()]).fit(["x", "y"], ["a", "z"])


def test_a_matrix_without_names_takes_those_of_the_members():
    """The first member that was given labels names the columns."""
    matrix = np.array([[1, 0], [0, 1], [1, 1], [0, 0]] * 5)
    texts = [f"{'joy' * a} {'fear' * b} {row}" for row, (a, b) in enumerate(matrix)]
    named = LinearClassifier(["joy", "fear"])
    assert VotingEnsemble([LinearClassifier(), named]).fit(texts, matrix).classes_.tolist() == ["joy", "fear"]


def test_the_module_lists_its_ensembles():
    """As the published example imports them; loaded when first used."""
    assert textclassify.ensemble.VotingEnsemble is VotingEnsemble
    assert set(textclassify.ensemble.__all__) == set(dir(textclassify.ensemble))
    assert not hasattr(textclassify.ensemble, "VotingEnsembel")


@pytest.mark.parametrize("kind", ENSEMBLES)
def test_a_loaded_ensemble_says_that_it_cannot_be_fitted_again(kind, tmp_path):
    """Its members are in the folder, fitted; one added to it would take the place of them all."""
    data = messages(30)
    kind([LinearClassifier()]).fit(data).save(tmp_path / "saved")
    loaded = kind.load(tmp_path / "saved")

    for again in (lambda: loaded.fit(data), lambda: loaded.add_model(LinearClassifier())):
        with pytest.raises(ConfigError, match=f"this {kind.__name__} was loaded.*make a new one"):
            again()


@pytest.mark.parametrize("kind", ENSEMBLES)
def test_what_was_learned_is_not_taken_for_given_after_loading(kind, tmp_path):
    """An ensemble that learns its weights or rules is one that learns, also out of a folder."""
    ensemble = kind([LinearClassifier(), LinearClassifier(random_state=1)]).fit(messages(30))
    ensemble.save(tmp_path / "saved")
    given = kind.load(tmp_path / "saved").get_params()

    assert [given.get(name) for name in ("weights", "routing_rules")] == [None, None]
