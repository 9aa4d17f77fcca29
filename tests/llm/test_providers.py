import copy
import pickle

import pytest

from textclassify.core.storage import FromFile, FromFolder
from textclassify.errors import AuthenticationError, ConfigError
from textclassify.llm.keys import Secret, checked_variable
from textclassify.llm.providers import PROVIDERS, find_provider, is_loopback, resolve_endpoint

KEY = "sk-secret-0123456789"
LOOPBACK = "http://127.0.0.1:9/v1"
EVIL = "https://evil.example/v1"


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch):
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
    assert sent(resolve_endpoint("vllm", FromFolder(url))) is None
    assert sent(resolve_endpoint("vllm", url, **options)) == f"Bearer {KEY}"
    monkeypatch.setenv("VLLM_BASE_URL", url)
    assert sent(resolve_endpoint("vllm", FromFolder(url), **options)) == f"Bearer {KEY}"


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


@pytest.mark.parametrize(
    "url",
    ["api.openai.com/v1", "ftp://x/v1", "https://me:pw@x/v1", "https://x/v1?key=1", "https://x:port/v1", "https://"],
)
def test_a_malformed_address_is_refused_without_showing_its_password(url):
    """Better now than as a strange error of the first request."""
    with pytest.raises(ConfigError, match="base_url") as caught:
        resolve_endpoint("openai", url, api_key=KEY)
    assert "pw" not in str(caught.value)
    assert KEY not in str(caught.value)


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


def test_loopback_addresses_are_known():
    """They may be spoken to without encryption and without a proxy."""
    assert all(
        map(is_loopback, ["http://localhost:1", "http://127.8.0.1/v1", "http://[::1]:5/v1", "http://a.localhost"])
    )
    assert not any(map(is_loopback, ["http://127.0.0.1.evil.example", "http://10.0.0.1", "https://localhost.example"]))
