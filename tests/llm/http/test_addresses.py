import pytest

from textclassify.errors import ConfigError
from textclassify.llm.http.addresses import (
    check_may_leave,
    checked_address,
    host_of,
    is_loopback,
    is_own_network,
    proxy_for,
)

EXAMPLE = "https://api.openai.com/v1"


@pytest.mark.parametrize(
    "url",
    [
        "api.openai.com/v1",
        "me:pw@x/v1",
        "ftp://x/v1",
        "https://me:pw@x/v1",
        "https://x/v1?key=1",
        "https://x:port/v1",
        "https://",
    ],
)
def test_a_malformed_address_is_refused_without_showing_its_password(url):
    """Better now than as a strange error of the first request."""
    with pytest.raises(ConfigError, match=r"base_url") as caught:
        checked_address(url, EXAMPLE)
    assert "pw" not in str(caught.value)


def test_an_address_without_a_scheme_is_shown_as_it_was_written():
    """What is wrong with it is what is missing."""
    with pytest.raises(ConfigError, match="base_url 'my-server' is no address"):
        checked_address("my-server", EXAMPLE)


def test_an_address_keeps_its_version_path_and_loses_its_last_slash():
    """`https://host/v1/` and `https://host/v1` are one server, and one key of the cache."""
    assert checked_address(" https://host/v1/ ", EXAMPLE) == "https://host/v1"
    assert checked_address("host", EXAMPLE, as_ollama=True) == "http://host:11434/v1"


def test_loopback_addresses_are_known():
    """They may be spoken to without encryption and without a proxy."""
    assert all(
        map(is_loopback, ["http://localhost:1", "http://127.8.0.1/v1", "http://[::1]:5/v1", "http://a.localhost"])
    )
    assert not any(map(is_loopback, ["http://127.0.0.1.evil.example", "http://10.0.0.1", "https://localhost.example"]))


def test_a_key_is_bound_to_scheme_host_and_port():
    """Another port on the same machine is another server, and plain http is another risk."""
    same, *others = "https://Host/v2", "http://host/v1", "https://host:8443/v1", "https://host.example/v1"
    assert host_of("https://host/v1") == host_of(same)
    assert host_of("https://host/v1") not in map(host_of, others)


def test_an_address_elsewhere_is_refused_offline_by_its_name_alone():
    """Looking up a name tells a stranger already; a name that cannot exist shows that nobody did."""
    with pytest.raises(ConfigError, match=r"no-such-host.invalid.*TEXTCLASSIFY_OFFLINE"):
        check_may_leave("https://no-such-host.invalid/v1", offline=True)
    check_may_leave("http://127.0.0.1:1/v1", offline=True)


def test_a_proxy_is_used_as_elsewhere_but_never_for_this_machine(monkeypatch):
    """Many offices reach providers only through one."""
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", "internal.example")

    assert proxy_for("https://api.openai.com/v1") == "http://proxy.example:3128"
    assert proxy_for("http://127.0.0.1:8000/v1") is None
    assert proxy_for("https://internal.example/v1") is None


@pytest.mark.parametrize(
    ("url", "own"),
    [
        ("http://127.0.0.1:8000/v1", True),
        ("http://localhost:8000/v1", True),
        ("http://[::1]:8000/v1", True),
        ("http://192.168.1.7:8000/v1", True),
        ("http://10.0.0.1/v1", True),
        ("http://169.254.1.1/v1", True),
        ("http://[fe80::1]/v1", True),
        ("http://[fd00::1]/v1", True),
        ("http://gpu-box:8000/v1", True),
        ("https://box.local/v1", True),
        ("https://llm.corp.internal./v1", True),
        ("https://api.together.xyz/v1", False),
        ("https://local.example.com/v1", False),
        ("http://8.8.8.8/v1", False),
        ("http://134744072/v1", False),
        ("http://0x08080808/v1", False),
        ("http://[2001:4860:4860::8888]/v1", False),
        ("http://[::ffff:8.8.8.8]/v1", False),
        ("http:///v1", False),
    ],
)
def test_a_network_of_ones_own_is_told_from_the_internet(url, own):
    """What is asked there costs nothing; an address in another spelling is no name."""
    assert is_own_network(url) is own
