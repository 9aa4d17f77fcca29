"""The configuration of a fusion: every key, its default, and a clear word about keys that do not exist."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    field_validator,
)

from textclassify.core.seeds import SEED_RULE, is_seed
from textclassify.core.settings_files import expanded
from textclassify.core.storage import FromFile, FromFolder, replies_kept_in
from textclassify.ensemble.deferring.llm_budget import read_budget
from textclassify.ensemble.policy import Policy
from textclassify.errors import ConfigError
from textclassify.llm.http.keys import checked_variable
from textclassify.llm.http.providers import find_provider
from textclassify.llm.money.limits import RunLimits, limited
from textclassify.llm.prompting.wordings import AUTO, checked_language
from textclassify.runs.configuring.config_files import read_flat
from textclassify.runs.configuring.config_problems import Problem, problems_in
from textclassify.runs.configuring.published_config import FlatSettings, flat

for _mark in (FromFile, FromFolder):  # YAML writes them as the plain text they are
    yaml.SafeDumper.add_representer(_mark, yaml.representer.SafeRepresenter.represent_str)


def _path_in_words(path: Any) -> Any:
    """Return what may be a path; an empty one would be the current folder."""
    if not isinstance(path, str | Path) or not str(path).strip():
        raise ValueError("a path is text that is not empty; write it in quotes, or leave the key out")
    return path


UserPath = Annotated[Path, AfterValidator(expanded), BeforeValidator(_path_in_words)]
"""A path in which a leading `~` is the home folder."""


class Config(BaseModel):
    """What to train on which data; every key may be left out.

    `runs.configuring.config_keys` says what each key means, by topic; `textclassify schema` writes the same for
    editors. Where a source of its own is named (`ml_model`, `llm_provider`) and cannot be had, that is an error; one
    that is merely on by default is left out, which is said.
    """

    # Wrong values stay out of tracebacks: one of them may be a key.
    model_config = ConfigDict(
        extra="forbid", frozen=True, protected_namespaces=(), hide_input_in_errors=True, allow_inf_nan=False
    )

    data: UserPath | None = None
    test_data: UserPath | None = None
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
    llm_language: Annotated[str, AfterValidator(checked_language)] = AUTO
    llm_base_url: str | None = None
    llm_api_key_env: str | None = None
    examples_per_label: int | None = Field(None, ge=0)
    nearest_examples: int | None = Field(None, ge=0)
    llm_method: Literal["auto", "logprobs", "votes", "verbal", "hard"] = "auto"
    n_samples: int | None = Field(None, ge=2)
    texts_per_request: int | None = Field(None, ge=1)
    prompt_template: UserPath | None = None
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

    output_dir: UserPath | None = None
    train_llm_cache_path: UserPath | None = None
    val_llm_cache_path: UserPath | None = None
    test_llm_cache_path: UserPath | None = None
    cache_dir: UserPath | None = None
    random_state: int = 0

    @field_validator("*", mode="before")
    @classmethod
    def _no_switch_for_a_number(cls, value: Any, info: ValidationInfo) -> Any:
        annotation = cls.model_fields[str(info.field_name)].annotation
        kinds = {annotation, *get_args(annotation)}
        if isinstance(value, bool) and kinds & {int, float} and bool not in kinds:
            raise ValueError("a number is needed, not true or false")
        return value

    @field_validator("label_columns", mode="before")
    @classmethod
    def _one_is_a_list(cls, value: Any) -> Any:
        return [value] if isinstance(value, str) else value

    @field_validator("llm_provider", mode="before")
    @classmethod
    def _none_is_null(cls, value: Any) -> Any:
        return None if value in ("none", ["none"]) else value

    @field_validator("llm_provider")
    @classmethod
    def _is_provider(cls, value: str | list[str] | None) -> str | list[str] | None:
        for name in [value] if isinstance(value, str) else value or []:
            if name != "local":
                find_provider(name)
        return value

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

        The nested form of the LabelFusion paper is taken as well.

        Raises:
            ConfigError: a key is unknown (the message names the nearest) or a value is out of range.

        """
        if isinstance(settings, cls):
            return settings
        if isinstance(settings, str | Path):
            return cls.of_flat(read_flat(settings))
        if not isinstance(settings, Mapping | None):
            raise ConfigError(f"a configuration is a mapping or the path of a YAML file, got {type(settings).__name__}")
        return cls.of_flat(flat(settings or {}))

    @classmethod
    def of_flat(cls, found: FlatSettings) -> Self:
        """Return a configuration from settings under our own keys, which may have other names where they come from.

        Raises:
            ConfigError: a key is unknown or a value is out of range; one line for each problem.

        """
        config, problems = cls.checked(found)
        if config is None:
            raise ConfigError("\n".join(map(str, problems)))
        return config

    @classmethod
    def checked(cls, found: FlatSettings) -> tuple[Self | None, list[Problem]]:
        """Return the configuration, or None with everything that is wrong with it."""
        try:
            config = cls(**found.settings)
            _ = config.llms
        except ValidationError as error:
            return None, [*found.problems, *problems_in(error, found.names)]
        except ConfigError as error:
            return None, [*found.problems, Problem(found.names.get("llm_model", "llm_model"), str(error))]
        return (None if found.problems else config), found.problems

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

    @contextmanager
    def limited(self, *, fitting: bool = False) -> Iterator[RunLimits]:
        """Have `max_cost` and `offline` hold inside the block, beside what holds around it: the stricter one wins.

        Answers of language models are kept where the configuration says: those in `fit` apart from those in `predict`,
        where it names folders for them.
        """
        kept = self.replies_in_fit if fitting else self.replies_in_predict
        with replies_kept_in(kept), limited(max_cost=self.max_cost, offline=self.offline) as limits:
            yield limits

    @property
    def replies_in_fit(self) -> Path | None:
        """Folder of the answers about training rows; None = in the user's cache folder."""
        return self.train_llm_cache_path or self.val_llm_cache_path or self.cache_dir

    @property
    def replies_in_predict(self) -> Path | None:
        """Folder of the answers about other texts; None = in the user's cache folder."""
        return self.test_llm_cache_path or self.cache_dir

    @property
    def llms(self) -> list[tuple[str, str | None]]:
        """(provider, model) of every language model to ask."""
        providers = [self.llm_provider] if isinstance(self.llm_provider, str) else list(self.llm_provider or [])
        models = [self.llm_model] if not isinstance(self.llm_model, list) else list(self.llm_model)
        models = models * len(providers) if len(models) == 1 else models
        if len(models) != len(providers):
            raise ConfigError(f"llm_model names {len(models)} models for {len(providers)} providers; give one each")
        pairs = list(zip(providers, models, strict=True))
        twice = next((pair for pair in pairs if pairs.count(pair) > 1), None)
        if twice is not None:
            asked = f"{twice[0]!r} with {'its default model' if twice[1] is None else repr(twice[1])}"
            raise ConfigError(f"llm_provider names {asked} twice; name it once, or give each another llm_model")
        return pairs
