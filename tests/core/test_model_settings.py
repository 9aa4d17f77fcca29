"""Settings of the published interface: plain arguments, checked when they are written down."""

import pytest

from textclassify.core.types import EnsembleConfig, ModelConfig, ModelType
from textclassify.errors import ConfigError
from textclassify.testing import FixedClassifier

ANY = FixedClassifier({}, ["a", "b"], default=[0.5, 0.5])


def test_a_model_type_may_be_written_as_text():
    """As a file has it."""
    assert ModelConfig("roberta-base", "traditional_ml").model_type is ModelType.TRADITIONAL_ML


def test_parameters_are_a_copy():
    """One dictionary often serves several models; none may change it for the others."""
    parameters = {"num_epochs": 3}
    config = ModelConfig("roberta-base", ModelType.TRADITIONAL_ML, parameters)
    config.parameters["num_epochs"] = 4

    assert parameters == {"num_epochs": 3}


def test_a_key_is_never_shown():
    assert "sk-0123" not in repr(ModelConfig("deepseek-chat", ModelType.LLM, api_key="sk-0123456789"))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"model_name": ""}, "model_name is ''; pass the name of a model"),
        ({"model_type": "lllm"}, "unknown model_type 'lllm'; did you mean 'llm'"),
        ({"parameters": ["temperature"]}, r"parameters is of type list; pass \{name of an option: value\}"),
        ({"parameters": {"api_key": "sk-0123456789"}}, r"pass it beside them: ModelConfig\(api_key=\.\.\.\)"),
        ({"api_base": 5}, "api_base is of type int; pass text"),
        ({"batch_size": 0}, "batch_size is 0; pass a whole number from 1 on"),
        ({"batch_size": True}, "batch_size is True"),
        ({"max_retries": -1}, "max_retries is -1; pass a whole number from 0 on"),
        ({"timeout": 0}, "timeout is 0; pass a number above 0"),
        ({"timeout": float("nan")}, "timeout is nan"),
    ],
)
def test_a_value_of_another_kind_is_named_with_the_remedy(settings, message):
    with pytest.raises(ConfigError, match=message):
        ModelConfig(**{"model_name": "deepseek-chat", "model_type": ModelType.LLM, **settings})


def test_a_key_that_is_not_text_is_not_repeated():
    with pytest.raises(ConfigError, match="api_key is of type list") as caught:
        ModelConfig("deepseek-chat", ModelType.LLM, api_key=["sk-0123456789"])

    assert "0123" not in str(caught.value)


def test_an_ensemble_keeps_the_members_it_was_given():
    config = EnsembleConfig("weighted", (ANY,), weights=[0.5], routing_rules={"a": "fixed"})

    assert config.models == [ANY]
    assert EnsembleConfig("voting", {"first": ANY}).models == {"first": ANY}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"ensemble_method": "fussion"}, "unknown ensemble_method 'fussion'; did you mean 'fusion'"),
        ({"models": ANY}, r"pass a list of classifiers, such as \[RoBERTaClassifier\(\)\]"),
        ({"parameters": 5}, "parameters is of type int"),
        ({"weights": 0.5}, "weights is 0.5; pass one number per model"),
        ({"routing_rules": ["a"]}, r"routing_rules is \['a'\]; pass \{label: name of a model\}"),
    ],
)
def test_an_ensemble_of_something_else_is_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        EnsembleConfig(**{"ensemble_method": "fusion", **settings})


def test_label_columns_that_repeat_count_once_with_a_warning():
    """A class that is listed twice is a slip of the pen, not a second class."""
    with pytest.warns(UserWarning, match="label_columns repeats 'a'; each counts once") as warned:
        config = EnsembleConfig("fusion", parameters={"label_columns": ["a", "b", "a"]})

    assert config.parameters["label_columns"] == ["a", "b"]
    assert warned[0].filename == __file__


def test_one_label_column_may_stand_alone():
    """Its name is a label, and no path of a label file."""
    assert EnsembleConfig("fusion", parameters={"label_columns": "spam"}).parameters["label_columns"] == ["spam"]
