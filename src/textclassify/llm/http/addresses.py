"""Addresses of servers: checked, compared, and told apart by whether they stay on this machine."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import SplitResult, urlsplit
from urllib.request import getproxies, proxy_bypass

from textclassify.errors import ConfigError
from textclassify.llm.money.limits import current

_OWN_ENDINGS = (".local", ".internal")
"""Top-level names that no public server can have."""


def checked_address(url: str, example: str, *, as_ollama: bool = False) -> str:
    """The address without a trailing slash.

    Args:
        url: as the user wrote it, version path included.
        example: an address for the error message.
        as_ollama: whether it may be written as Ollama's `OLLAMA_HOST`: without scheme, port or path.

    Raises:
        ConfigError: it is no http address, or holds more than host, port and path.

    """
    url = url.strip().rstrip("/")
    parts = urlsplit(f"http://{url}" if as_ollama and "://" not in url else url)
    scheme, mark, rest = url.rpartition("://")
    shown = f"{scheme}{mark}{re.split('[?#]', rest.rpartition('@')[2])[0]}"
    try:
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname or as_ollama) and parts.port != 0
    except ValueError:  # the port is no number
        usable = False
    if not usable:
        raise ConfigError(f"base_url {shown!r} is no address: it must look like {example!r}")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise ConfigError(
            f"base_url {shown!r}: leave out user name, password, query and fragment; pass api_key instead"
        )
    return _ollama_address(parts) if as_ollama else url


def host_of(url: str) -> str:
    """Scheme, host and port: what a key is bound to."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.lower()}"


def is_loopback(url: str) -> bool:
    """Whether an address stays on this machine."""
    host = urlsplit(url).hostname or ""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_own_network(url: str) -> bool:
    """Whether an address is on this machine or on a network of the user's own, as far as the address tells.

    These are private and link-local addresses, names without a dot, and names under .local and .internal.
    """
    host = (urlsplit(url).hostname or "").rstrip(".")
    if is_loopback(url) or host.endswith(_OWN_ENDINGS):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        is_number = host[:1].isdigit()  # "134744072" is 8.8.8.8 to a resolver
        return bool(host) and "." not in host and not is_number
    mapped = getattr(address, "ipv4_mapped", None) or address
    return bool(mapped.is_private or mapped.is_link_local)


def check_may_leave(url: str, *, offline: bool) -> None:
    """Make sure that the address may be spoken to, before it is even looked up.

    Args:
        url: the address.
        offline: whether only this machine may be asked; the limits of the run and the environment can say so, too.

    Raises:
        ConfigError: it is on another machine.

    """
    if (offline or current().offline) and not is_loopback(url):
        raise ConfigError(
            f"{url!r} is not on this machine, and nothing may leave it (offline=True or TEXTCLASSIFY_OFFLINE=1): name "
            "a server on this machine, take provider='local', or use answers that are kept with cache_only=True"
        )


def proxy_for(url: str) -> str | None:
    """The proxy that the environment names for an address; never one for this machine itself."""
    parts = urlsplit(url)
    if is_loopback(url) or proxy_bypass(parts.hostname or ""):
        return None
    return getproxies().get(parts.scheme)


def _ollama_address(parts: SplitResult) -> str:
    """The address as Ollama itself reads `OLLAMA_HOST`: the port may be missing, and 0.0.0.0 means this machine."""
    host = parts.hostname or ""
    host = "127.0.0.1" if host in {"", "0.0.0.0"} else host  # noqa: S104 - compared, not bound
    host = f"[{host}]" if ":" in host else host
    port = parts.port or (443 if parts.scheme == "https" else 11434)
    return f"{parts.scheme}://{host}:{port}{parts.path or '/v1'}"
