"""The configuration of a fusion: every key, its default, and a clear word about keys that do not exist."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    field_validator,
)

from textclassify.core.seeds import SEED_RULE, is_seed
from textclassify.core.settings_files import expanded, read_settings_file
from textclassify.core.storage import FromFile, FromFolder
from textclassify.core.texts import did_you_mean, listed
from textclassify.ensemble.deferring.llm_budget import read_budget
from textclassify.ensemble.policy import Policy
from textclassify.errors import ConfigError
from textclassify.llm.http.keys import checked_variable
from textclassify.llm.money.limits import RunLimits, limited

for _mark in (FromFile, FromFolder):  # YAML writes them as the plain text they are
    yaml.SafeDumper.add_representer(_mark, yaml.representer.SafeRepresenter.represent_str)


class Config(BaseModel):
    """What to train on which data; every key may be left out.

    Data: `data` and `test_data` are files for the command line; `text_column`, `label_columns`, `group_column` and
    `multi_label` are recognised where left out; `labels` is a schema file, a list of names or {name: description}.
    Sources: `ml_model` is the encoder to fine-tune, or "embedding:minilm,smollm2" for models that are only read, of
    which a small head learns ("embedding" alone reads these two, "embedding:features:FOLDER" what is in a store);
    `llm_provider` is one provider or a list of them ("local" runs in this process, null asks no language model);
    `encoder`, `linear` and `similarity` switch the free sources off.
    `examples_per_label` examples from the training rows are shown to it; left out, one to a local model with at most 20
    labels, none otherwise; or `nearest_examples` that are most similar to each text. `llm_method`, `n_samples`,
    `texts_per_request` and `prompt_template` say how remote models are asked, `requests_per_minute`,
    `tokens_per_minute`, `llm_timeout`, `max_retries` and `concurrency` how fast; `max_cost` caps what all
    language models together may cost, in US dollars: in one training with its evaluation, in one evaluation, in one
    prediction; `offline` allows them addresses of this machine only.
    `rac` has language models check the `top_k` labels that retrieval finds, by a `decision`, instead of choosing among
    all; where nothing is trained, `min_probability`, `margin` and `other` say what stays unlabelled.
    Fusion: `combiner` "auto", or "mlp", "embeddings" or "joint" for one network whatever it is worth; `metric` is what
    must not suffer and what thresholds are tuned for; `calibrator` how probabilities are calibrated; `non_empty`
    whether a text always gets a label; `guard` the share of rows that is kept for guarantees; `fusion_*` shape the
    network and `fusion_rows` is how many training rows a language model is asked about.
    Answers: `llm_budget` is how much may be asked of language models where nothing else is said, a share ("20%"), a
    number of calls ("200 calls") or money ("$1.50"); `max_risk` is the share of the answers that may be wrong, so that
    a text whose answer is not sure enough gets none.
    """

    # Wrong values stay out of tracebacks: one of them may be a key.
    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=(), hide_input_in_errors=True)

    data: Path | None = None
    test_data: Path | None = None
    test_size: float = Field(0.2, gt=0, lt=1)
    text_column: str | None = None
    label_columns: list[str | int | bool] | None = None
    group_column: str | None = None
    labels: Any = None
    multi_label: bool | None = None

    encoder: bool = True
    ml_model: str | None = None
    max_length: int | None = Field(None, ge=8)
    batch_size: int | None = Field(None, ge=1)
    num_epochs: int | None = Field(None, ge=1)
    ml_lr: float | None = Field(None, gt=0)
    precision: Literal["auto", "bf16", "fp16", "fp32"] = "auto"
    class_weight: Literal["balanced"] | dict[str, float] | None = None
    long_texts: Literal["head", "head+tail", "sliding"] = "head"

    llm_provider: str | list[str] | None = "local"
    llm_model: str | list[str] | None = None
    llm_base_url: str | None = None
    llm_api_key_env: str | None = None
    examples_per_label: int | None = Field(None, ge=0)
    nearest_examples: int | None = Field(None, ge=0)
    llm_method: Literal["auto", "logprobs", "votes", "verbal", "hard"] = "auto"
    n_samples: int | None = Field(None, ge=2)
    texts_per_request: int | None = Field(None, ge=1)
    prompt_template: Path | None = None
    temperature: float = Field(0.0, ge=0)
    max_completion_tokens: int = Field(150, ge=1)
    concurrency: int = Field(64, ge=1)
    requests_per_minute: float | None = Field(None, gt=0)
    tokens_per_minute: float | None = Field(None, gt=0)
    llm_timeout: float | None = Field(None, gt=0)
    max_retries: int | None = Field(None, ge=0)
    max_cost: float | None = Field(None, ge=0)
    offline: bool = False

    linear: bool = True
    similarity: bool = True

    rac: bool = False
    top_k: int | None = Field(None, ge=1)
    decision: Literal["best", "first_yes", "listwise", "pairwise", "both"] | None = None
    min_probability: float | None = Field(None, ge=0, le=1)
    margin: float | None = Field(None, ge=0, le=1)
    other: str | int | bool | None = None

    combiner: Literal["auto", "mlp", "embeddings", "joint"] = "auto"
    metric: Literal["accuracy", "macro_f1", "micro_f1", "subset_accuracy", "log_loss"] | None = None
    calibrator: Literal["temperature", "vector", "platt", "beta", "isotonic"] | None = None
    non_empty: bool | None = None
    guard: float = Field(0.2, ge=0, lt=1)
    n_folds: int = Field(5, ge=2)
    one_model: bool = False
    fusion_rows: int | None = Field(None, ge=1)
    fusion_hidden_dims: list[Annotated[int, Field(ge=1)]] | None = None
    fusion_lr: float | None = Field(None, gt=0)
    fusion_epochs: int | None = Field(None, ge=1)
    fusion_batch_size: int | None = Field(None, ge=1)

    llm_budget: Any = None
    max_risk: float | None = Field(None, gt=0, lt=1)

    output_dir: Path | None = None
    cache_dir: Path | None = None
    random_state: int = 0

    @field_validator("label_columns", mode="before")
    @classmethod
    def _one_is_a_list(cls, value: Any) -> Any:
        return [value] if isinstance(value, str) else value

    @field_validator("llm_provider", mode="before")
    @classmethod
    def _none_is_null(cls, value: Any) -> Any:
        return None if value in ("none", ["none"]) else value

    @field_validator("data", "test_data", "output_dir", "cache_dir", "prompt_template")
    @classmethod
    def _with_home(cls, path: Path | None) -> Path | None:
        return None if path is None else expanded(path)

    @field_validator("random_state", mode="before")
    @classmethod
    def _is_seed(cls, seed: Any) -> Any:
        if not is_seed(seed):
            raise ValueError(SEED_RULE)
        return seed

    @field_validator("llm_budget", mode="before")
    @classmethod
    def _is_budget(cls, budget: Any) -> Any:
        if budget is not None:
            read_budget(budget)
            if not isinstance(budget, str | int | float):
                raise ValueError(f"write it as a share (0.2), a number of calls (200) or money ('$1.50'): {budget!r}")
        return budget

    @field_validator("max_risk")
    @classmethod
    def _fits_the_budget(cls, max_risk: float | None, info: ValidationInfo) -> float | None:
        Policy(info.data.get("llm_budget"), max_risk).check()
        return max_risk

    @field_validator("llm_base_url", mode="wrap")
    @classmethod
    def _stays_marked(cls, value: Any, check: ValidatorFunctionWrapHandler) -> Any:
        plain = check(value)
        return value if isinstance(value, FromFile) else plain

    @field_validator("llm_api_key_env")
    @classmethod
    def _names_a_variable(cls, name: str | None) -> str | None:
        return checked_variable(name)

    def model_dump(self, **options: Any) -> dict[str, Any]:
        """Return the settings; an address that was read from a file stays marked as such."""
        dumped = super().model_dump(**options)
        if "llm_base_url" in dumped:
            dumped["llm_base_url"] = self.llm_base_url
        return dumped

    @classmethod
    def of(cls, settings: Any) -> Self:
        """Return a configuration from a mapping, a YAML file's path, another configuration, or None.

        Raises:
            ConfigError: a key is unknown (the message names the nearest) or a value is out of range.

        """
        if isinstance(settings, cls):
            return settings
        if isinstance(settings, str | Path):
            return cls.of(read_settings(settings))
        if not isinstance(settings, Mapping | None):
            raise ConfigError(f"a configuration is a mapping or the path of a YAML file, got {type(settings).__name__}")
        try:
            return cls(**{str(key): value for key, value in (settings or {}).items()})
        except ValidationError as error:
            raise ConfigError(_in_words(error)) from error

    def check_metric(self, *, multi_label: bool) -> None:
        """Make sure that the metric is one of the data's kind.

        Raises:
            ConfigError: it is not; the message names those that are.

        """
        fit = ["accuracy", "macro_f1", "log_loss"]
        if multi_label:
            fit = ["micro_f1", "macro_f1", "subset_accuracy", "log_loss"]
        if self.metric not in (None, *fit):
            kind = "multi-label" if multi_label else "single-label"
            raise ConfigError(
                f"configuration key 'metric' is {self.metric!r}, but the data are {kind}; choose {' or '.join(fit)}"
            )

    def policy(
        self,
        llm_budget: Any = None,
        max_risk: float | None = None,
        confidence: float = 0.95,
        *,
        label_shift: bool = False,
    ) -> Policy:
        """Return what a prediction is made under: what is given, else what is configured; `max_risk=1` = no bound.

        Raises:
            ConfigError: a value is out of range, or two exclude each other.

        """
        budget = self.llm_budget if llm_budget is None else llm_budget
        risk = self.max_risk if max_risk is None else max_risk
        policy = Policy(budget, None if risk == 1 else risk, confidence, label_shift)
        policy.check()
        return policy

    def limited(self) -> AbstractContextManager[RunLimits]:
        """Have `max_cost` and `offline` hold inside the block, beside what holds around it: the stricter one wins."""
        return limited(max_cost=self.max_cost, offline=self.offline)

    @property
    def llms(self) -> list[tuple[str, str | None]]:
        """(provider, model) of every language model to ask."""
        providers = [self.llm_provider] if isinstance(self.llm_provider, str) else list(self.llm_provider or [])
        models = [self.llm_model] if not isinstance(self.llm_model, list) else list(self.llm_model)
        models = models * len(providers) if len(models) == 1 else models
        if len(models) != len(providers):
            raise ConfigError(f"llm_model names {len(models)} models for {len(providers)} providers; give one each")
        return list(zip(providers, models, strict=True))


def read_settings(path: str | Path) -> dict[str, Any]:
    """Return the keys of a YAML configuration file; relative paths in it count from its own folder.

    Its `llm_base_url` is marked as read from a file: no provider's key goes there.

    Raises:
        ConfigError: no such file, no YAML, or no mapping.

    """
    path = expanded(path)
    try:
        settings = read_settings_file(path)
    except FileNotFoundError:
        raise ConfigError(f"no configuration file {str(path)!r}; `textclassify init` writes one") from None
    except (OSError, ValueError) as error:
        raise ConfigError(f"configuration file {str(path)!r} cannot be read: {error}") from error
    if not isinstance(settings, dict):
        raise ConfigError(
            f"configuration file {str(path)!r} holds no `key: value` lines; `textclassify init` writes one"
        )
    for key in ("data", "test_data", "labels", "prompt_template"):
        value = settings.get(key)
        if isinstance(value, str) and not value.startswith("hf:"):
            settings[key] = str(path.parent / expanded(value))
    if isinstance(settings.get("llm_base_url"), str):
        settings["llm_base_url"] = FromFile(settings["llm_base_url"])
    return settings


def _in_words(error: ValidationError) -> str:
    lines = []
    for problem in error.errors():
        key = ".".join(str(part) for part in problem["loc"][:1])
        if problem["type"] == "extra_forbidden":
            known = Config.model_fields
            hint = did_you_mean(key, known) or f"; known keys: {listed(known, len(known))}"
            lines.append(f"unknown configuration key {key!r}{hint}")
        elif key == "llm_api_key_env":  # may be a key, pasted into the wrong place
            lines.append(f"configuration key {key!r}: {problem['msg'].removeprefix('Value error, ')}")
        else:
            said = problem["msg"].removeprefix("Value error, ")
            lines.append(f"configuration key {key!r} is {problem['input']!r}: {said[:1].lower()}{said[1:]}")
    return "\n".join(dict.fromkeys(lines))
