"""Configuration: published keys, clear words about wrong ones, and which setting reaches which class."""

import json

import pytest
import yaml
from sklearn.base import clone

from textclassify import AutoFusionClassifier, load
from textclassify.core.storage import FromFile, replies_folder, sealed
from textclassify.errors import AuthenticationError, ConfigError, ModelError, StorageError
from textclassify.llm.http.providers import PROVIDERS
from textclassify.runs.build import build_fusion, build_llm
from textclassify.runs.config import Config
from textclassify.runs.configuring.config_files import read_settings

FREE = {"encoder": False, "similarity": False, "llm_provider": None}


def test_an_unknown_key_names_the_nearest_one():
    with pytest.raises(ConfigError, match="unknown configuration key 'llm_provder'; did you mean 'llm_provider'"):
        Config.of({"llm_provder": "openai"})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_epochs": 0}, "'num_epochs' is 0"),
        ({"fusion_hidden_dims": [64, -4]}, "'fusion_hidden_dims' is -4: .*greater than or equal to 1"),
        ({"fusion_hidden_dims": [0]}, "'fusion_hidden_dims' is 0"),
        ({"num_epochs": True}, "'num_epochs' is True: a number is needed, not true or false"),
        ({"max_cost": float("inf")}, "'max_cost' is inf: input should be a finite number"),
        ({"output_dir": ""}, "'output_dir' is '': a path is text that is not empty"),
        ({"data": 3}, "'data' is 3: a path is text"),
        ({"llm_provider": ["openai", "openai"]}, "names 'openai' with its default model twice"),
        ({"random_state": -1}, "'random_state' is -1: a seed is a whole number from 0 to 4294967295"),
        ({"random_state": 99999999999999}, "'random_state' is 99999999999999: a seed is"),
    ],
)
def test_a_value_out_of_range_is_named(settings, message):
    """Each would fail later, in a library's words, or not at all."""
    with pytest.raises(ConfigError, match=message):
        Config.of(settings)


def test_a_metric_of_the_other_kind_of_data_is_refused():
    """The report would call accuracy micro-F1."""
    texts, labels = ["good", "bad"] * 6, ["a", "b"] * 6

    with pytest.raises(
        ConfigError, match="'micro_f1', but the data are single-label; choose accuracy or macro_f1 or log_loss"
    ):
        AutoFusionClassifier({**FREE, "metric": "micro_f1"}).fit(texts, labels)
    with pytest.raises(ConfigError, match="'accuracy', but the data are multi-label; choose micro_f1"):
        AutoFusionClassifier({**FREE, "metric": "accuracy"}).fit(texts, [[label] for label in labels])


def test_a_key_that_a_later_version_stored_is_found_when_the_folder_is_opened(tmp_path):
    """Not at the first prediction, and with the version to install."""
    AutoFusionClassifier(FREE).fit(["good", "bad"] * 4, ["a", "b"] * 4).save(tmp_path / "model")
    path = tmp_path / "model" / "textclassify.json"
    manifest = json.loads(path.read_text(encoding="utf-8")) | {"textclassify": "9.9"}
    manifest["state"]["parameters"]["config"]["newkey"] = 1
    path.write_text(json.dumps(sealed(manifest)), encoding="utf-8")

    with pytest.raises(StorageError, match=r"'newkey'.*written by textclassify 9\.9"):
        load(tmp_path / "model")


def test_words_in_a_file_stay_words(tmp_path):
    """YAML 1.1 makes booleans of yes and no; where a key wants a boolean, they still are ones."""
    (tmp_path / "run.yaml").write_text(
        "labels: [yes, no]\nencoder: no\nmulti_label: off\nllm_provider: none\n", encoding="utf-8"
    )

    config = Config.of(tmp_path / "run.yaml")

    assert config.labels == ["yes", "no"]
    assert (config.encoder, config.multi_label, config.llms) == (False, False, [])


def test_the_home_folder_is_found(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "run.yaml").write_text("data: ~/train.csv\nlabels: ~/labels.yaml\n", encoding="utf-8")

    config = Config.of(tmp_path / "run.yaml")

    assert (config.data, config.labels) == (tmp_path / "home/train.csv", str(tmp_path / "home/labels.yaml"))
    assert Config.of({"data": "~/a.csv", "test_data": "hf:x/test"}).data == tmp_path / "home/a.csv"


def test_the_published_keys_are_understood():
    """The three-line configuration of the paper, and the longer one of its README."""
    config = Config.of(
        {
            "llm_provider": "deepseek",
            "label_columns": ["sentiment"],
            "ml_model": "roberta-base",
            "max_length": 128,
            "batch_size": 8,
            "num_epochs": 2,
            "fusion_epochs": 10,
            "fusion_hidden_dims": [64, 32],
            "fusion_lr": 1e-3,
            "ml_lr": 1e-5,
            "temperature": 0.1,
            "max_completion_tokens": 150,
            "output_dir": "out",
        }
    )
    assert config.llms == [("deepseek", None)]


def test_a_provider_that_does_not_exist_is_found_at_once():
    """Not after the data were read."""
    with pytest.raises(ConfigError, match=r"'llm_provider' is 'deepsek': unknown provider.*did you mean 'deepseek'"):
        Config.of({"llm_provider": "deepsek"})


def test_answers_about_training_rows_and_about_others_are_kept_apart():
    """Each in the folder that is named for them, else where all are kept."""
    folders = {"train_llm_cache_path": "a", "val_llm_cache_path": "b", "test_llm_cache_path": "c", "cache_dir": "d"}

    def kept(**settings):
        config = Config.of(settings)
        with config.limited(fitting=True):
            in_fit = replies_folder("elsewhere").name
        with config.limited():
            return in_fit, replies_folder("elsewhere").name

    assert kept(**folders) == ("a", "c")
    assert kept(**folders | {"train_llm_cache_path": None}) == ("b", "c")
    assert kept(cache_dir="d") == ("d", "d")
    assert kept() == ("elsewhere", "elsewhere")


def test_labelling_without_training_keeps_its_answers_where_predictions_do():
    built = build_llm(Config.of({"labels": ["a", "b"], "cache_dir": "d", "test_llm_cache_path": "c"}))

    assert str(built.cache_dir) == "c"


@pytest.mark.parametrize("rac", [False, True])
def test_the_language_of_prompts_reaches_the_language_model(rac):
    fusion, _ = build_fusion(
        Config.of({**FREE, "llm_provider": "vllm", "llm_model": "m", "llm_language": "de", "rac": rac})
    )

    assert fusion.sources["rac" if rac else "llm"].language == "de"
    with pytest.raises(ConfigError, match=r"'llm_language' is 'den'.*did you mean 'en'"):
        Config.of({"llm_language": "den"})


def test_several_providers_share_a_model_or_have_one_each():
    assert Config.of({"llm_provider": ["local", "vllm"], "llm_model": ["smollm2", "qwen"]}).llms == [
        ("local", "smollm2"),
        ("vllm", "qwen"),
    ]
    with pytest.raises(ConfigError, match="2 models for 1 providers"):
        _ = Config.of({"llm_provider": "vllm", "llm_model": ["a", "b"]}).llms


def test_paths_in_a_file_count_from_the_file(tmp_path):
    """A configuration beside its data can be used from anywhere."""
    (tmp_path / "run.yaml").write_text("data: train.csv\nlabels: labels.yaml\n", encoding="utf-8")
    config = Config.of(tmp_path / "run.yaml")
    assert config.data == tmp_path / "train.csv"
    assert config.labels == str(tmp_path / "labels.yaml")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[1]", "no `key: value`"),
        ("a: [", "cannot be read"),
        ("", "no `key"),
        ("data: a.csv\ndata: b.csv\n", "the key 'data' is given twice"),
        ("labels: [01, 02]", "01 would become another number; quote it"),
        ("labels: " + "[" * 5000, "nested too deeply"),
    ],
)
def test_a_file_that_is_no_configuration_is_refused(tmp_path, content, message):
    (tmp_path / "run.yaml").write_text(content, encoding="utf-8")
    with pytest.raises(ConfigError, match=message):
        Config.of(tmp_path / "run.yaml")
    with pytest.raises(ConfigError, match="textclassify init"):
        Config.of(tmp_path / "missing.yaml")


def test_limits_reach_a_model_that_labels_without_training():
    """Also where nobody opens a block around its calls."""
    settings = {"labels": ["a", "b"], "llm_provider": "vllm", "llm_model": "m", "max_cost": 2.0, "offline": True}

    built = build_llm(Config.of(settings))

    assert (built.max_cost, built.offline) == (2.0, True)
    with Config.of(settings).limited() as limits:
        assert (limits.budget.max_cost, limits.offline) == (2.0, True)


def test_settings_reach_their_classes():
    fusion, notes = build_fusion(
        Config.of(
            {
                **FREE,
                "llm_provider": "vllm",
                "llm_model": "m",
                "fusion_lr": 0.01,
                "random_state": 7,
                "metric": "log_loss",
            }
        )
    )
    assert list(fusion.sources) == ["linear", "llm"]
    assert fusion.sources["llm"].model == "m"
    assert (fusion.fusion_lr, fusion.random_state, fusion.metric) == (0.01, 7, "log_loss")
    assert notes == []


def test_switching_every_source_off_is_refused():
    with pytest.raises(ConfigError, match="every source is switched off"):
        build_fusion(Config.of({**FREE, "linear": False}))


def test_a_named_model_that_cannot_be_had_is_an_error_and_never_replaced(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ModelError, match="TEXTCLASSIFY_MODEL_PATHS"):
        build_fusion(Config.of({**FREE, "encoder": True, "ml_model": "no-such/encoder"}))


PROXY = {**FREE, "llm_provider": "openai", "llm_model": "any", "llm_base_url": "https://proxy.example/v1"}


@pytest.fixture
def in_file(tmp_path, monkeypatch):
    """The path of a configuration file with the given settings, a key for OpenAI and one for a proxy."""
    for row in PROVIDERS.values():
        monkeypatch.delenv(row.base_url_variable, raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-openai")
    monkeypatch.setenv("PROXY_KEY", "sk-proxy")

    def written(settings):
        path = tmp_path / "run.yaml"
        path.write_text(yaml.safe_dump(settings), encoding="utf-8")
        return path

    return written


def key_sent(config):
    fusion, _ = build_fusion(Config.of(config))
    return fusion.sources["llm"]._http_chat(sends=True).endpoint.headers()["Authorization"]


@pytest.mark.parametrize(
    "read", [str, read_settings, Config.of, lambda path: Config.of(path).model_dump(mode="json", exclude_unset=True)]
)
def test_an_address_in_a_file_needs_a_key_of_its_own(in_file, read):
    """Whoever sends a configuration around may not collect keys with it, by whatever way it reaches the fusion."""
    with pytest.raises(AuthenticationError, match="llm_api_key_env"):
        key_sent(read(in_file(PROXY)))
    with pytest.raises(ConfigError, match="OPENAI_API_KEY belongs to a provider elsewhere"):
        key_sent(read(in_file({**PROXY, "llm_api_key_env": "OPENAI_API_KEY"})))
    assert key_sent(read(in_file({**PROXY, "llm_api_key_env": "PROXY_KEY"}))) == "Bearer sk-proxy"


def test_an_address_given_in_code_or_over_a_file_gets_the_providers_key(in_file):
    """It is the user's own word."""
    assert key_sent(PROXY) == "Bearer sk-openai"
    assert key_sent(read_settings(in_file(PROXY)) | {"llm_base_url": PROXY["llm_base_url"]}) == "Bearer sk-openai"


def test_a_clone_of_an_automatic_fusion_remembers_where_its_address_was_read(in_file):
    classifier = clone(AutoFusionClassifier(read_settings(in_file(PROXY))))

    with pytest.raises(AuthenticationError, match="read from a file"):
        key_sent(classifier.config)
    assert classifier.config_.llm_base_url == PROXY["llm_base_url"]


@pytest.mark.parametrize("copied", [lambda loaded: loaded, clone])
@pytest.mark.usefixtures("in_file")
def test_a_loaded_automatic_fusion_fitted_again_sends_no_key_to_its_address(tmp_path, copied):
    """Not even one that the folder names beside the address: the folder may be a stranger's."""
    AutoFusionClassifier(FREE).fit(["good", "bad"] * 4, ["a", "b"] * 4).save(tmp_path / "model")
    path = tmp_path / "model" / "textclassify.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    manifest["state"]["parameters"]["config"] = {**PROXY, "llm_api_key_env": "PROXY_KEY"}
    path.write_text(json.dumps(sealed(manifest)), encoding="utf-8")

    loaded = copied(load(tmp_path / "model"))

    with pytest.raises(AuthenticationError, match=r"no key is sent.*read from a saved folder"):
        key_sent(loaded.config)
    assert key_sent({**loaded.config, "llm_base_url": PROXY["llm_base_url"]}) == "Bearer sk-proxy"


def test_settings_from_a_file_are_written_as_plain_text(in_file):
    """The run's folder holds the configuration that made it."""
    settings = Config.of(in_file(PROXY)).model_dump(mode="json", exclude_unset=True)

    assert type(settings["llm_base_url"]) is FromFile
    assert yaml.safe_load(yaml.safe_dump(settings)) == PROXY


@pytest.mark.parametrize("pasted", ["sk-secret-key", ["sk-secret-key"]])
def test_a_key_in_the_configuration_is_refused_unseen(pasted):
    """Neither the message nor the traceback repeats it."""
    with pytest.raises(ConfigError, match="configuration key 'llm_api_key_env'") as caught:
        Config.of({"llm_api_key_env": pasted})
    assert "sk-secret-key" not in str(caught.value)
    assert "sk-secret-key" not in str(caught.value.__cause__)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"llm_budget": "20 apples"}, "'llm_budget' is '20 apples'.*pass a share such as 0.2"),
        ({"llm_budget": True}, "'llm_budget' is True"),
        ({"llm_budget": 1.5}, "'llm_budget' is 1.5.*not between 0 and 1"),
        ({"max_risk": 0}, "'max_risk' is 0"),
        ({"llm_budget": "$2", "max_risk": 0.05}, r"cannot be promised under a budget of \$2"),
    ],
)
def test_a_policy_that_cannot_be_kept_is_refused_at_once(settings, message):
    """Not after the training."""
    with pytest.raises(ConfigError, match=message):
        Config.of(settings)


def test_what_is_given_counts_more_than_what_is_configured():
    config = Config.of({"llm_budget": "20%", "max_risk": 0.05})

    assert vars(config.policy()) == {"llm_budget": "20%", "max_risk": 0.05, "confidence": 0.95, "label_shift": False}
    assert config.policy(llm_budget=0.5).llm_budget == 0.5
    assert config.policy(max_risk=1, label_shift=True).max_risk is None


FUSION_KEYS = {
    "combiner": "embeddings",
    "metric": "macro_f1",
    "calibrator": "vector",
    "guard": 0.3,
    "fusion_rows": 40,
    "fusion_hidden_dims": [8],
    "fusion_lr": 0.01,
    "fusion_epochs": 2,
    "fusion_batch_size": 16,
}


@pytest.mark.parametrize("combiner", ["auto", "mlp", "embeddings", "joint"])
def test_the_keys_of_the_fusion_reach_it(tmp_path, combiner):
    """From YAML as from a mapping."""
    wanted = {**FUSION_KEYS, "combiner": combiner, "non_empty": False}
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump({**FREE, **wanted}), encoding="utf-8")

    fusion, _ = build_fusion(Config.of(path))

    parameters = fusion.get_params(deep=False)
    assert {name: parameters[name] for name in wanted} == wanted


def test_the_keys_of_the_fusion_are_kept_in_a_saved_model(tmp_path):
    """A refit of a loaded model is the same experiment."""
    wanted = {"metric": "macro_f1", "calibrator": "temperature", "guard": 0.0, "llm_budget": "30%"}
    AutoFusionClassifier({**FREE, **wanted}).fit(["good", "bad"] * 8, ["a", "b"] * 8).save(tmp_path / "model")

    loaded = load(tmp_path / "model")

    assert {name: getattr(loaded.config_, name) for name in wanted} == wanted
    parameters = loaded.ensemble_.get_params(deep=False)
    assert (parameters["metric"], parameters["calibrator"], parameters["guard"]) == ("macro_f1", "temperature", 0.0)
    assert (loaded.ensemble_.fusion_.metric_, loaded.ensemble_.fusion_.calibrator) == ("macro_f1", "temperature")


def test_a_policy_has_no_part_in_labelling_without_training(caplog):
    """A user must not believe that it is kept."""
    build_llm(Config.of({"labels": ["a", "b"], "llm_budget": "20%", "max_risk": 0.05}))

    assert "llm_budget, max_risk: no part in labelling without training" in caplog.text
