"""One mistake in each published call: the error is ours, and names the value and the remedy."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from textclassify import AutoFusionClassifier, FusionEnsemble
from textclassify.apps.published_commands import program
from textclassify.core.types import EnsembleConfig
from textclassify.errors import AuthenticationError, ConfigError

from .documents import write_data
from .mistakes import AUTOMATIC, BY_HAND, FRAME, HELPERS, TRAINING, auto, deepseek, member

pytestmark = pytest.mark.usefixtures("folder", "provider")

NESTED = {
    "models: {ml: {model_nam: minilm}}": "'models.ml.model_nam'; did you mean 'models.ml.model_name'",
    "model: {ml: {model_name: minilm}}": "'model'; did you mean 'models'",
    "models: {llms: {provider: deepseek}}": "'models.llms'; did you mean 'models.llm'",
    "models: {llm: {provider: deepsek}}": "'models.llm.provider' is 'deepsek'",
    "models: {ml: {num_epochs: many}}": "'models.ml.num_epochs' is 'many'",
    "fusion: {hiden_dims: [8]}": "'fusion.hiden_dims'; did you mean 'fusion.hidden_dims'",
    "fusion: 3": "'fusion' is 3, not a section",
    "{ml_model: minilm, models: {ml: {model_name: roberta-base}}}": "keep one of them",
}


@pytest.mark.parametrize(
    ("call", "error", "parts"),
    [
        pytest.param(call, error, parts, id=f"{group}: {name}")
        for group, mistakes in {"automatic": AUTOMATIC, "by hand": BY_HAND, "helpers": HELPERS}.items()
        for name, (call, error, *parts) in mistakes.items()
    ],
)
def test_a_mistake_is_told_with_its_value_and_the_remedy(call, error, parts):
    with pytest.raises(error) as raised:
        call()
    message = str(raised.value)
    assert [part for part in parts if part not in message] == [], message


@pytest.mark.parametrize(("settings", "part"), NESTED.items(), ids=list(NESTED))
def test_a_wrong_key_of_the_nested_file_is_called_as_it_is_written_there(settings, part, folder):
    (folder / "fusion_config.yaml").write_text(settings, encoding="utf-8")
    with pytest.raises(ConfigError) as raised:
        AutoFusionClassifier("fusion_config.yaml").fit(FRAME)
    assert part in str(raised.value)


def test_a_missing_key_is_told_with_its_variable(monkeypatch):
    """No text leaves the machine before that."""
    for name in ("DEEPSEEK_API_KEY", "DEEPSEEK_BASE_URL"):
        monkeypatch.delenv(name)
    with pytest.raises(AuthenticationError, match="'deepseek': set DEEPSEEK_API_KEY"):
        auto(llm_provider="deepseek")


def test_nothing_is_asked_before_a_mistake_is_found(provider):
    """A typo that is found later costs money first."""
    with pytest.raises(ConfigError):
        FusionEnsemble(EnsembleConfig("fusion", models=[member(), deepseek()], parameters={"fusion_lr": -1})).fit(
            TRAINING
        )
    assert provider.asked == []


@pytest.mark.parametrize(
    ("flags", "part"),
    [
        ("--data data/train.csv --llm-provider deepsek", "did you mean 'deepseek'"),
        ("--data data/trian.csv", "no file at 'data/trian.csv'; did you mean 'train.csv'"),
        ("--config no.yaml", "no configuration file 'no.yaml'"),
        ("--data data/train.csv --test-data data/test.csv", "data/test.csv: unknown label 'pos' in row 0"),
    ],
)
def test_the_script_ends_with_one_line_and_no_traceback(flags, part, folder):
    write_data(folder, FRAME, FRAME.assign(label="pos"))
    done = CliRunner().invoke(program, [*flags.split(), "--output", "out"])
    assert done.exit_code == 1
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1, done.output
    assert part in errors[0]
