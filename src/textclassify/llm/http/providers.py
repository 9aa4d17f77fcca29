"""`PROVIDERS`, the table of endpoints, and `resolve_endpoint`: where requests go and which key may go along."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from textclassify.core.storage import FromFile, FromFolder
from textclassify.errors import AuthenticationError, ConfigError
from textclassify.llm.http.addresses import check_may_leave, checked_address, host_of, is_loopback, is_own_network
from textclassify.llm.http.keys import Secret, checked_variable

_OFFLINE = "without any key, provider='local' runs a model in this process"


@dataclass(frozen=True, slots=True)
class Family:
    """Models of one provider that want to be asked otherwise than its others.

    Args:
        names: regular expression that the beginnings of their names match.
        refuses: parameters that they answer with an error, and are therefore not sent.
        extra: parameters instead of the provider's own of the same names; None = not sent.

    """

    names: str
    refuses: tuple[str, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict, hash=False)


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
        free: whether an answer costs nothing where the server is the user's own; see `Endpoint.free`.
        most_properties: so many properties a response schema may have; 0 = it takes no schema.
        most_top_logprobs: so many alternatives of a token it reports; 0 = it gives no log-probabilities.
        native_url: where its own protocol is spoken, used for log-probabilities; None = nowhere.
        extra: parameters sent with every request: classification is asked of models that do not think aloud first.
        families: models that differ; the first that matches counts.

    """

    name: str
    base_url: str
    key_variables: tuple[str, ...]
    base_url_variable: str
    default_model: str | None = None
    max_tokens_parameter: str = "max_tokens"
    needs_key: bool = True
    free: bool = False
    most_properties: int = 1000
    most_top_logprobs: int = 20
    native_url: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict, hash=False)
    families: tuple[Family, ...] = field(default=(), hash=False)

    def family(self, model: str) -> Family:
        """How a model differs from the provider's others; an empty `Family` when it does not."""
        matching = (family for family in self.families if re.match(family.names, model))
        return next(matching, Family(""))

    def defaults(self, model: str) -> dict[str, Any]:
        """Parameters that go along with every request to a model."""
        merged = {**self.extra, **self.family(model).extra}
        return {name: value for name, value in merged.items() if value is not None}


def _own_server(name: str, port: int, key_variables: tuple[str, ...], base_url_variable: str, **row: Any) -> Provider:
    """A row for a server that people run themselves."""
    address = f"http://127.0.0.1:{port}/v1"
    return Provider(name, address, key_variables, base_url_variable, needs_key=False, free=True, **row)


_ROWS = (
    Provider(
        "openai",
        "https://api.openai.com/v1",
        ("OPENAI_API_KEY",),
        "OPENAI_BASE_URL",
        default_model="gpt-6-luna",
        max_tokens_parameter="max_completion_tokens",
        most_properties=5000,
        extra={"reasoning_effort": "none"},
        families=(
            Family(r"(ft:)?gpt-[34]|chatgpt-4|gpt-5-chat", extra={"reasoning_effort": None}),
            Family(r"gpt-5(?!\.)", ("temperature", "logprobs"), {"reasoning_effort": "minimal"}),
            Family(r"o\d", ("temperature", "logprobs"), {"reasoning_effort": "low"}),
        ),
    ),
    Provider(
        "deepseek",
        "https://api.deepseek.com/v1",
        ("DEEPSEEK_API_KEY",),
        "DEEPSEEK_BASE_URL",
        default_model="deepseek-v4-flash",
        most_properties=0,
        extra={"thinking": {"type": "disabled"}},
        families=(Family("deepseek-reasoner", ("logprobs",), {"thinking": None}),),
    ),
    Provider(
        "gemini",
        "https://generativelanguage.googleapis.com/v1beta/openai",
        ("GOOGLE_API_KEY", "GEMINI_API_KEY"),
        "GEMINI_BASE_URL",
        default_model="gemini-3.5-flash-lite",
        most_properties=100,
        native_url="https://generativelanguage.googleapis.com/v1beta",
        extra={"reasoning_effort": "minimal"},
        families=(
            Family(r"gemini-(1|2\.0)|gemma", extra={"reasoning_effort": None}),
            Family(r"gemini-2\.5-flash", extra={"reasoning_effort": "none"}),
            Family(r"gemini-[\d.]+-pro", extra={"reasoning_effort": "low"}),
        ),
    ),
    Provider(
        "openrouter",
        "https://openrouter.ai/api/v1",
        ("OPENROUTER_API_KEY",),
        "OPENROUTER_BASE_URL",
        default_model="openai/gpt-6-luna",
        most_properties=100,  # the least of those that it hands requests on to
        extra={"reasoning": {"enabled": False}},
    ),
    _own_server("ollama", 11434, ("OLLAMA_API_KEY",), "OLLAMA_HOST"),
    _own_server("vllm", 8000, ("VLLM_API_KEY",), "VLLM_BASE_URL"),
    _own_server("lmstudio", 1234, ("LMSTUDIO_API_KEY",), "LMSTUDIO_BASE_URL", most_top_logprobs=0),
    _own_server(
        "llamacpp",
        8080,
        ("LLAMACPP_API_KEY", "LLAMA_API_KEY"),
        "LLAMACPP_BASE_URL",
        default_model="default",  # the server answers with the one model that it loaded
        most_top_logprobs=100,
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
        sends: whether requests may be sent; otherwise it only names the answers that are kept.
        offline: whether nothing may leave this machine.

    """

    provider: Provider
    base_url: str
    given_key: Secret = field(default=Secret(""), compare=False)
    key_variable: str | None = None
    sends: bool = True
    offline: bool = False

    @property
    def native_url(self) -> str | None:
        """Where the provider's own protocol is spoken; None at an address that replaces the provider's."""
        return self.provider.native_url if self.base_url == self.provider.base_url else None

    @property
    def free(self) -> bool:
        """Whether an answer costs nothing: the server is of a kind that people run themselves, and near by."""
        return self.provider.free and is_own_network(self.base_url)

    def headers(self, *, native: bool = False) -> dict[str, str]:
        """What is sent with each request, in the provider's own protocol or OpenAI's; where the key appears.

        Raises:
            AuthenticationError: the provider needs a key and there is none.
            ConfigError: nothing may be sent there.

        """
        if not self.sends:
            raise ConfigError(f"{self.base_url!r} was resolved for answers that are kept: nothing may be sent there")
        check_may_leave(self.base_url, offline=self.offline)
        key = self.key()
        if not key:
            return {}
        return {"x-goog-api-key": key} if native else {"Authorization": f"Bearer {key}"}

    def key(self) -> str:
        """The key itself, for the header and for hiding it in what a server says; empty when none is sent.

        Raises:
            AuthenticationError: the provider needs a key and there is none.

        """
        key = self.given_key.reveal() or os.environ.get(self.key_variable or "", "").strip()
        if not key and self._must_have_key():
            raise _no_key(self.provider, self.key_variable)
        if not (key.isascii() and key.isprintable()) or " " in key:
            raise AuthenticationError(f"the key for provider {self.provider.name!r} holds characters that no key has")
        return key

    def _must_have_key(self) -> bool:
        own_host = host_of(self.base_url) == host_of(self.provider.base_url)
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
    *,
    needs_key: bool = True,
    offline: bool = False,
) -> Endpoint:
    """Where requests go, and which key goes along.

    A key goes to its provider's own host, or to an address that the environment or the caller names. An address that
    was read from a configuration (`FromFile`) gets no key that belongs to a provider elsewhere: it needs an
    `api_key_env` of its own. One that was read from a saved folder (`FromFolder`) gets nothing at all until the
    environment or the caller names it, too, but for a server on this machine that wants no key.

    Args:
        provider: a name from the table.
        base_url: address instead of the environment's and the table's.
        api_key: the key itself.
        api_key_env: the variable that holds it.
        needs_key: False for an endpoint that only names answers that are kept: it has no key and never sends.
        offline: whether addresses on other machines are refused; `TEXTCLASSIFY_OFFLINE=1` refuses them, too.

    Raises:
        ConfigError: the provider is unknown, or the address is malformed, not allowed, or would send a key in the
            clear.
        AuthenticationError: the provider needs a key and there is none, or a folder's address was not confirmed; the
            message names the variable.

    """
    row = find_provider(provider)
    from_environment = os.environ.get(row.base_url_variable, "").strip()
    url = _address(row, base_url or from_environment or row.base_url)
    if not needs_key:
        return Endpoint(row, url, sends=False)
    check_may_leave(url, offline=offline)
    trusted = not isinstance(base_url, FromFile) or host_of(url) in _trusted_hosts(row, from_environment)
    key = api_key if isinstance(api_key, Secret) else Secret(api_key or "")
    if not trusted:
        _check_keys(row, url, key, api_key_env, from_folder=isinstance(base_url, FromFolder))
    variable = None if key else _key_variable(row, api_key_env, trusted=trusted)
    endpoint = Endpoint(row, url, key, variable, offline=offline)
    if endpoint.key() and url.startswith("http://") and not is_loopback(url):
        raise ConfigError(f"base_url {url!r} would send a key unencrypted: use https, or a tunnel to 127.0.0.1")
    return endpoint


def _check_keys(row: Provider, url: str, key: Secret, api_key_env: str | None, *, from_folder: bool) -> None:
    """Make sure that an address read from a file gets no key that was not meant for it.

    Raises:
        ConfigError: the variable belongs to a provider elsewhere.
        AuthenticationError: the address gets no key, and one was given, named or needed; or it is a folder's, and
            neither confirmed nor that of a server on this machine that wants no key.

    """
    needs_key = row.needs_key and not is_loopback(url)
    remedy = f"set {row.base_url_variable}, or pass base_url as an argument"
    if from_folder and (key or api_key_env or row.needs_key or not is_loopback(url)):
        raise AuthenticationError(
            f"no text and no key is sent to {url!r}, because this address was read from a saved folder: if it is "
            f"right, give it yourself: {remedy}; {_OFFLINE}"
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
    return {host_of(row.base_url)} | ({host_of(_address(row, from_environment))} if from_environment else set())


def _no_key(row: Provider, variable: str | None) -> AuthenticationError:
    names = variable or " or ".join(row.key_variables)
    return AuthenticationError(f"no key for provider {row.name!r}: set {names}, or pass api_key; {_OFFLINE}")


def _address(row: Provider, url: str) -> str:
    return checked_address(url, row.base_url, as_ollama=row.name == "ollama")
