"""`PROVIDERS`, the table of endpoints, and `resolve_endpoint`: where requests go and which key may go along."""

from __future__ import annotations

import difflib
import ipaddress
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any
from urllib.parse import SplitResult, urlsplit

from textclassify.core.storage import FromFile, FromFolder
from textclassify.errors import AuthenticationError, ConfigError
from textclassify.llm.keys import Secret, checked_variable

_OFFLINE = "without any key, provider='local' runs a model in this process"


@dataclass(frozen=True, slots=True)
class Provider:
    """One row of the table: how a provider of the OpenAI chat completions protocol is reached.

    Args:
        name: as the user writes it.
        base_url: its address, version path included.
        key_variables: environment variables that may hold its key, the first one set wins.
        base_url_variable: environment variable that replaces `base_url`.
        default_model: asked when the user names none; None = the user must.
        max_tokens_parameter: what the protocol calls the longest answer here.
        needs_key: whether it answers nobody without a key.
        extra: parameters sent with every request: classification is asked of models that do not think aloud first.

    """

    name: str
    base_url: str
    key_variables: tuple[str, ...]
    base_url_variable: str
    default_model: str | None = None
    max_tokens_parameter: str = "max_tokens"
    needs_key: bool = True
    extra: Mapping[str, Any] = field(default_factory=dict, hash=False)


_ROWS = (
    Provider(
        "openai",
        "https://api.openai.com/v1",
        ("OPENAI_API_KEY",),
        "OPENAI_BASE_URL",
        default_model="gpt-6-luna",
        max_tokens_parameter="max_completion_tokens",
        extra={"reasoning_effort": "none"},
    ),
    Provider(
        "deepseek",
        "https://api.deepseek.com/v1",
        ("DEEPSEEK_API_KEY",),
        "DEEPSEEK_BASE_URL",
        default_model="deepseek-v4-flash",
        extra={"thinking": {"type": "disabled"}},
    ),
    Provider(
        "gemini",
        "https://generativelanguage.googleapis.com/v1beta/openai",
        ("GOOGLE_API_KEY", "GEMINI_API_KEY"),
        "GEMINI_BASE_URL",
        default_model="gemini-3.5-flash-lite",
    ),
    Provider(
        "openrouter",
        "https://openrouter.ai/api/v1",
        ("OPENROUTER_API_KEY",),
        "OPENROUTER_BASE_URL",
        default_model="openai/gpt-6-luna",
        extra={"reasoning": {"enabled": False}},
    ),
    Provider("ollama", "http://127.0.0.1:11434/v1", ("OLLAMA_API_KEY",), "OLLAMA_HOST", needs_key=False),
    Provider("vllm", "http://127.0.0.1:8000/v1", ("VLLM_API_KEY",), "VLLM_BASE_URL", needs_key=False),
    Provider(
        "lmstudio",
        "http://127.0.0.1:1234/v1",
        ("LMSTUDIO_API_KEY",),
        "LMSTUDIO_BASE_URL",
        needs_key=False,
    ),
    Provider(
        "llamacpp",
        "http://127.0.0.1:8080/v1",
        ("LLAMACPP_API_KEY", "LLAMA_API_KEY"),
        "LLAMACPP_BASE_URL",
        default_model="default",  # the server answers with the one model that it loaded
        needs_key=False,
    ),
)
PROVIDERS: Mapping[str, Provider] = MappingProxyType({row.name: row for row in _ROWS})
"""Provider's name -> how it is reached. A new provider is one row."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where requests go. A key in the environment is read for each session; one given by hand is never pickled.

    Args:
        provider: its row in the table.
        base_url: address, version path included, without a trailing slash.
        given_key: the key that the user handed over.
        key_variable: otherwise, the environment variable that holds it; None = no key is sent.

    """

    provider: Provider
    base_url: str
    given_key: Secret = field(default=Secret(""), compare=False)
    key_variable: str | None = None

    def headers(self) -> dict[str, str]:
        """What is sent with each request; the only place where the key appears.

        Raises:
            AuthenticationError: the provider needs a key and there is none.

        """
        key = self.given_key.reveal() or os.environ.get(self.key_variable or "", "").strip()
        if not key and self._must_have_key():
            raise _no_key(self.provider, self.key_variable)
        if not (key.isascii() and key.isprintable()) or " " in key:
            raise AuthenticationError(f"the key for provider {self.provider.name!r} holds characters that no key has")
        return {"Authorization": f"Bearer {key}"} if key else {}

    def _must_have_key(self) -> bool:
        own_host = _host(self.base_url) == _host(self.provider.base_url)
        return self.key_variable is not None or (self.provider.needs_key and own_host)


def find_provider(name: str) -> Provider:
    """The row of the table with this name.

    Raises:
        ConfigError: there is none; the message names the nearest.

    """
    if name in PROVIDERS:
        return PROVIDERS[name]
    known = ["local", *sorted(PROVIDERS)]
    nearest = difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.5)
    hint = f"; did you mean {nearest[0]!r}?" if nearest else "."
    raise ConfigError(f"unknown provider {name!r}{hint} Known providers: {', '.join(known)}")


def resolve_endpoint(
    provider: str,
    base_url: str | None = None,
    api_key: str | Secret | None = None,
    api_key_env: str | None = None,
) -> Endpoint:
    """Where requests go, and which key goes along.

    A key goes to its provider's own host, or to an address that the environment or the caller names. An address that
    was read from a configuration (`FromFile`) gets no key that belongs to a provider elsewhere: it needs an
    `api_key_env` of its own. One that was read from a saved folder (`FromFolder`) gets no key at all.

    Raises:
        ConfigError: the provider is unknown, or the address is malformed or would send a key in the clear.
        AuthenticationError: the provider needs a key and there is none; the message names the variable.

    """
    row = find_provider(provider)
    from_environment = os.environ.get(row.base_url_variable, "").strip()
    url = _checked_url(row, base_url or from_environment or row.base_url)
    trusted = not isinstance(base_url, FromFile) or _host(url) in _trusted_hosts(row, from_environment)
    key = api_key if isinstance(api_key, Secret) else Secret(api_key or "")
    if not trusted:
        _check_keys(row, url, key, api_key_env, from_folder=isinstance(base_url, FromFolder))
    variable = None if key else _key_variable(row, api_key_env, trusted=trusted)
    endpoint = Endpoint(row, url, key, variable)
    if endpoint.headers() and url.startswith("http://") and not is_loopback(url):
        raise ConfigError(f"base_url {url!r} would send a key unencrypted: use https, or a tunnel to 127.0.0.1")
    return endpoint


def is_loopback(url: str) -> bool:
    """Whether an address stays on this machine."""
    host = urlsplit(url).hostname or ""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _check_keys(row: Provider, url: str, key: Secret, api_key_env: str | None, *, from_folder: bool) -> None:
    """Make sure that an address read from a file gets no key that was not meant for it.

    Raises:
        ConfigError: the variable belongs to a provider elsewhere.
        AuthenticationError: the address gets no key, and one was given, named or needed.

    """
    needs_key = row.needs_key and not is_loopback(url)
    remedy = f"set {row.base_url_variable}, or pass base_url as an argument"
    if from_folder and (key or api_key_env or needs_key):
        raise AuthenticationError(
            f"no key is sent to {url!r}, because this address was read from a saved folder: if it is right, give it "
            f"yourself: {remedy}; {_OFFLINE}"
        )
    if any(api_key_env in other.key_variables for other in _ROWS):
        raise ConfigError(
            f"{api_key_env} belongs to a provider elsewhere and is not sent to an address read from a file: put the "
            f"key for this address in a variable of its own, or {remedy}"
        )
    if needs_key and not (key or api_key_env):
        raise AuthenticationError(
            f"the key for {row.name!r} is not sent to an address read from a file: give this address an api_key_env "
            f"of its own (in a configuration: llm_api_key_env), or {remedy}; {_OFFLINE}"
        )


def _key_variable(row: Provider, api_key_env: str | None, *, trusted: bool) -> str | None:
    """The environment variable to read the key from; None = none may be sent, or there is none."""
    if checked_variable(api_key_env):
        if not os.environ.get(str(api_key_env), "").strip():
            raise _no_key(row, api_key_env)
        return api_key_env
    if not trusted:
        return None
    return next((name for name in row.key_variables if os.environ.get(name, "").strip()), None)


def _trusted_hosts(row: Provider, from_environment: str) -> set[str]:
    """Hosts that this provider's key may go to wherever the address was read."""
    return {_host(row.base_url)} | ({_host(_checked_url(row, from_environment))} if from_environment else set())


def _no_key(row: Provider, variable: str | None) -> AuthenticationError:
    names = variable or " or ".join(row.key_variables)
    return AuthenticationError(f"no key for provider {row.name!r}: set {names}, or pass api_key; {_OFFLINE}")


def _checked_url(row: Provider, url: str) -> str:
    """The address with its scheme, without a trailing slash; `OLLAMA_HOST` style `host:port` is completed."""
    url = url.strip().rstrip("/")
    is_ollama = row.name == "ollama"
    parts = urlsplit(f"http://{url}" if is_ollama and "://" not in url else url)
    shown = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
    try:
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname or is_ollama) and parts.port != 0
    except ValueError:  # the port is no number
        usable = False
    if not usable:
        raise ConfigError(f"base_url {shown!r} is no address: it must look like {row.base_url!r}")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise ConfigError(
            f"base_url {shown!r}: leave out user name, password, query and fragment; pass api_key instead"
        )
    return _ollama_url(parts) if is_ollama else url


def _ollama_url(parts: SplitResult) -> str:
    """The address as Ollama itself reads `OLLAMA_HOST`: the port may be missing, and 0.0.0.0 means this machine."""
    host = parts.hostname or ""
    host = "127.0.0.1" if host in {"", "0.0.0.0"} else host  # noqa: S104 - compared, not bound
    host = f"[{host}]" if ":" in host else host
    port = parts.port or (443 if parts.scheme == "https" else 11434)
    return f"{parts.scheme}://{host}:{port}{parts.path or '/v1'}"


def _host(url: str) -> str:
    """Scheme, host and port: what a key is bound to."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.lower()}"
