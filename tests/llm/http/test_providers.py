import copy
import pickle

import pytest

from textclassify.core.storage import FromFile, FromFolder
from textclassify.errors import AuthenticationError, ConfigError
from textclassify.llm.http.keys import Secret, checked_variable
from textclassify.llm.http.providers import PROVIDERS, find_provider, resolve_endpoint
from textclassify.llm.money.limits import limited

KEY = "sk-secret-0123456789"
LOOPBACK = "http://127.0.0.1:9/v1"
EVIL = "https://evil.example/v1"


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch):
    monkeypatch.delenv("TEXTCLASSIFY_OFFLINE", raising=False)
    for row in PROVIDERS.values():
        for variable in (*row.key_variables, row.base_url_variable):
            monkeypatch.delenv(variable, raising=False)


def sent(endpoint):
    return endpoint.headers().get("Authorization")


@pytest.mark.parametrize("name", PROVIDERS)
def test_every_row_of_the_table_resolves(name, monkeypatch):
    """A new provider is one row and nothing else."""
    row = PROVIDERS[name]
    monkeypatch.setenv(row.key_variables[0], KEY) if row.needs_key else None

    endpoint = resolve_endpoint(name)

    assert endpoint.base_url == row.base_url
    assert (sent(endpoint) == f"Bearer {KEY}") is row.needs_key


def test_an_unknown_provider_names_the_nearest():
    """A typo is the likeliest cause."""
    with pytest.raises(ConfigError, match=r"unknown provider 'opnai'; did you mean 'openai'\?.*local"):
        find_provider("opnai")


def test_a_missing_key_names_the_variable_and_the_way_without():
    """Both remedies belong into the message."""
    with pytest.raises(AuthenticationError, match=r"OPENAI_API_KEY.*provider='local'"):
        resolve_endpoint("openai")


def test_the_google_key_comes_before_the_gemini_key(monkeypatch):
    """As Google's own libraries choose when both are set."""
    monkeypatch.setenv("GEMINI_API_KEY", "second-key")
    assert sent(resolve_endpoint("gemini")) == "Bearer second-key"
    monkeypatch.setenv("GOOGLE_API_KEY", "first-key")
    assert sent(resolve_endpoint("gemini")) == "Bearer first-key"


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("127.0.0.1:5000", "http://127.0.0.1:5000/v1"),
        ("0.0.0.0", "http://127.0.0.1:11434/v1"),
        (":7000", "http://127.0.0.1:7000/v1"),
        ("https://ollama.example", "https://ollama.example:443/v1"),
        ("http://[::1]:5000/api/v1/", "http://[::1]:5000/api/v1"),
    ],
)
def test_ollama_host_is_read_as_ollama_reads_it(given, url, monkeypatch):
    """The variable is already set on machines that run Ollama."""
    monkeypatch.setenv("OLLAMA_HOST", given)
    assert resolve_endpoint("ollama").base_url == url


def test_an_address_from_environment_or_argument_gets_the_key(monkeypatch):
    """The user put both there; the argument is the more specific."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_BASE_URL", "https://proxy.example/v1")

    assert resolve_endpoint("openai").base_url == "https://proxy.example/v1"
    assert sent(resolve_endpoint("openai")) == f"Bearer {KEY}"
    assert sent(resolve_endpoint("openai", LOOPBACK)) == f"Bearer {KEY}"


def test_an_address_from_a_configuration_does_not_get_the_providers_key(monkeypatch):
    """The key in the environment was meant for the provider; a variable named beside the address is meant for it."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("PROXY_KEY", "other-key")
    evil = FromFile(EVIL)

    with pytest.raises(AuthenticationError, match=r"not sent to an address read from a file.*OPENAI_BASE_URL"):
        resolve_endpoint("openai", evil)
    with pytest.raises(ConfigError, match="OPENAI_API_KEY belongs to a provider elsewhere"):
        resolve_endpoint("vllm", evil, api_key_env="OPENAI_API_KEY")
    assert sent(resolve_endpoint("vllm", FromFile(LOOPBACK))) is None
    assert sent(resolve_endpoint("openai", FromFile("https://api.openai.com/v1"))) == f"Bearer {KEY}"
    assert sent(resolve_endpoint("openai", evil, api_key_env="PROXY_KEY")) == "Bearer other-key"


@pytest.mark.parametrize("url", [EVIL, LOOPBACK])
@pytest.mark.parametrize("options", [{"api_key_env": "AWS_SECRET_ACCESS_KEY"}, {"api_key": KEY}])
def test_an_address_from_a_folder_gets_no_key_at_all(monkeypatch, url, options):
    """A stranger's folder could name any variable of this machine; the address must come from its user."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", KEY)

    with pytest.raises(AuthenticationError, match=r"no key is sent.*set VLLM_BASE_URL, or pass base_url") as caught:
        resolve_endpoint("vllm", FromFolder(url), **options)
    assert KEY not in str(caught.value)
    assert sent(resolve_endpoint("vllm", url, **options)) == f"Bearer {KEY}"
    monkeypatch.setenv("VLLM_BASE_URL", url)
    assert sent(resolve_endpoint("vllm", FromFolder(url), **options)) == f"Bearer {KEY}"


@pytest.mark.parametrize("provider", ["vllm", "ollama", "lmstudio", "llamacpp"])
def test_an_address_from_a_folder_gets_no_texts_until_it_is_confirmed(monkeypatch, provider):
    """A stranger's folder may not decide where private texts go; on this machine they stay."""
    with pytest.raises(AuthenticationError, match=rf"no text.*set {PROVIDERS[provider].base_url_variable}, or pass"):
        resolve_endpoint(provider, FromFolder(EVIL))
    assert not resolve_endpoint(provider, FromFolder(EVIL), needs_key=False).sends
    assert resolve_endpoint(provider, FromFolder(LOOPBACK)).base_url == LOOPBACK
    monkeypatch.setenv(PROVIDERS[provider].base_url_variable, EVIL)
    assert sent(resolve_endpoint(provider, FromFolder(EVIL))) is None


def test_a_folders_address_on_this_machine_is_confirmed_where_a_key_is_usual():
    """What listens there for OpenAI's protocol may well hand texts on, and no key says that its user wants it."""
    with pytest.raises(AuthenticationError, match="read from a saved folder"):
        resolve_endpoint("openai", FromFolder(LOOPBACK))


@pytest.mark.parametrize("key", ["sk-secret", "AIzaSySecret", "hf_Secret", "se cret", "secret=1", ""])
def test_a_key_in_place_of_a_variables_name_is_refused_unseen(key):
    """It is an easy mistake, and the message may end in a log."""
    with pytest.raises(ConfigError, match="api_key_env is the name of an environment variable") as caught:
        checked_variable(key)
    assert not key or key not in str(caught.value)
    with pytest.raises(ConfigError, match="api_key_env is the name"):
        resolve_endpoint("openai", api_key_env="sk-secret")
    assert checked_variable("MY_KEY2") == "MY_KEY2"


def test_no_key_travels_in_the_clear():
    """Plain http is for this machine, or for servers that want no key."""
    with pytest.raises(ConfigError, match="unencrypted"):
        resolve_endpoint("vllm", "http://gpu-box:8000/v1", api_key=KEY)
    assert sent(resolve_endpoint("vllm", "http://gpu-box:8000/v1")) is None


def test_a_key_shows_itself_nowhere():
    """Logs, notebooks, pickles and experiment trackers print whatever they are given."""
    endpoint = resolve_endpoint("openai", api_key=KEY)
    pickled = pickle.dumps(endpoint)

    assert KEY not in f"{endpoint!r} {endpoint}"
    assert KEY.encode() not in pickled
    assert sent(copy.deepcopy(endpoint)) == f"Bearer {KEY}"
    with pytest.raises(AuthenticationError, match="OPENAI_API_KEY"):
        pickle.loads(pickled).headers()
    assert not pickle.loads(pickle.dumps(Secret(KEY)))


def test_a_key_from_the_environment_is_found_again_after_a_pickle(monkeypatch):
    """A saved classifier works in the next process with the same environment."""
    monkeypatch.setenv("DEEPSEEK_API_KEY", KEY)
    pickled = pickle.dumps(resolve_endpoint("deepseek"))

    assert KEY.encode() not in pickled
    assert sent(pickle.loads(pickled)) == f"Bearer {KEY}"


def test_a_key_with_a_line_break_is_refused_unseen():
    """It would break the header, and the HTTP library might print it."""
    with pytest.raises(AuthenticationError, match="characters that no key has") as caught:
        resolve_endpoint("openai", api_key="sk-secret\nX-Evil: 1")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("provider", "model", "defaults", "refuses"),
    [
        ("openai", "gpt-6-luna", {"reasoning_effort": "none"}, ()),
        ("openai", "gpt-4o-mini", {}, ()),
        ("openai", "gpt-5-nano", {"reasoning_effort": "minimal"}, ("temperature", "logprobs")),
        ("openai", "gpt-5.2", {"reasoning_effort": "none"}, ()),
        ("openai", "o4-mini", {"reasoning_effort": "low"}, ("temperature", "logprobs")),
        ("deepseek", "deepseek-reasoner", {}, ("logprobs",)),
        ("gemini", "gemini-2.5-flash-lite", {"reasoning_effort": "none"}, ()),
        ("gemini", "gemini-3.5-flash-lite", {"reasoning_effort": "minimal"}, ()),
        ("gemini", "gemini-3-pro", {"reasoning_effort": "low"}, ()),
        ("vllm", "gpt-5-nano", {}, ()),
    ],
)
def test_model_families_are_asked_as_they_want_to_be(provider, model, defaults, refuses):
    """Each error that is known beforehand saves a round trip for every request in flight."""
    row = PROVIDERS[provider]
    assert row.defaults(model) == defaults
    assert row.family(model).refuses == refuses


def test_servers_of_ones_own_are_free_and_others_are_not():
    """A free answer needs no price; an unknown price must never look like a free one."""
    own = {"ollama", "vllm", "lmstudio", "llamacpp"}
    assert {name for name, row in PROVIDERS.items() if row.free} == own
    assert {name for name, row in PROVIDERS.items() if not row.needs_key} == own


@pytest.mark.parametrize(
    ("provider", "base_url", "free"),
    [("vllm", None, True), ("ollama", "http://gpu-box:11434", True), ("vllm", "https://api.together.xyz/v1", False),
     ("openai", LOOPBACK, False)],
)  # fmt: skip
def test_an_answer_is_free_where_the_server_is_ones_own(provider, base_url, free):
    """Many hosts that send bills run vLLM."""
    assert resolve_endpoint(provider, base_url, needs_key=False).free is free


def test_the_table_says_what_a_schema_and_log_probabilities_may_be():
    """Two hundred labels do not fit into every provider's schema."""
    assert PROVIDERS["openai"].most_properties > PROVIDERS["gemini"].most_properties > 0
    assert PROVIDERS["deepseek"].most_properties == 0
    assert PROVIDERS["lmstudio"].most_top_logprobs == 0


def test_geminis_own_protocol_is_spoken_at_googles_address_alone(monkeypatch):
    """Whoever replaces the address has an OpenAI-compatible server behind it."""
    monkeypatch.setenv("GEMINI_API_KEY", KEY)
    assert resolve_endpoint("gemini").native_url == "https://generativelanguage.googleapis.com/v1beta"
    assert resolve_endpoint("gemini").headers(native=True) == {"x-goog-api-key": KEY}

    monkeypatch.setenv("GEMINI_BASE_URL", LOOPBACK)
    assert resolve_endpoint("gemini").native_url is None
    assert resolve_endpoint("openai", api_key=KEY).native_url is None


@pytest.mark.parametrize("forbidding", ["argument", "environment", "limits"])
def test_offline_allows_this_machine_only(forbidding, monkeypatch):
    """Texts that must not leave the machine must not leave it by a forgotten setting."""
    if forbidding == "environment":
        monkeypatch.setenv("TEXTCLASSIFY_OFFLINE", "1")
    offline = forbidding == "argument"
    with limited(offline=forbidding == "limits"):
        with pytest.raises(ConfigError, match=r"api.openai.com.*not on this machine.*provider='local'"):
            resolve_endpoint("openai", api_key=KEY, offline=offline)
        assert resolve_endpoint("ollama", offline=offline).base_url == PROVIDERS["ollama"].base_url


def test_an_endpoint_is_checked_again_before_it_is_used(monkeypatch):
    """It may have been resolved, or unpickled, before somebody forbade the network."""
    endpoint = resolve_endpoint("openai", api_key=KEY)
    monkeypatch.setenv("TEXTCLASSIFY_OFFLINE", "1")
    with pytest.raises(ConfigError, match="not on this machine"):
        endpoint.headers()


def test_kept_answers_need_neither_key_nor_network():
    """A replay sends nothing, so that it works on a machine without any key; it must not send by mistake either."""
    endpoint = resolve_endpoint("openai", FromFile(EVIL), api_key_env="NOT_SET", needs_key=False, offline=True)

    assert endpoint.base_url == EVIL
    with pytest.raises(ConfigError, match="nothing may be sent there"):
        endpoint.headers()
    with pytest.raises(ConfigError, match="unknown provider"):
        resolve_endpoint("opnai", needs_key=False)
