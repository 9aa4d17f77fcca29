"""Whether the Hugging Face hub, or its cache on this machine, has a model: quick, and asked once per process."""

import enum
import functools
import logging
import os
import threading

logger = logging.getLogger(__name__)

OFFLINE_VARIABLES = ("TEXTCLASSIFY_OFFLINE", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
_SECONDS_TO_WAIT = 3.0


class HubAnswer(enum.Enum):
    """What the hub says of a model's name."""

    FOUND = "found"
    ABSENT = "absent"
    UNREACHABLE = "unreachable"


def is_offline() -> bool:
    """Whether the environment forbids asking the hub."""
    return any(os.environ.get(name, "").lower() not in {"", "0", "false", "no", "off"} for name in OFFLINE_VARIABLES)


def hub_cache_holds(name: str) -> bool:
    """Whether the hub's cache on this machine has the configuration and safe weights of the model."""
    try:
        from huggingface_hub import try_to_load_from_cache
    except ModuleNotFoundError:
        return False
    weights = ("model.safetensors", "model.safetensors.index.json")
    return isinstance(try_to_load_from_cache(name, "config.json"), str) and any(
        isinstance(try_to_load_from_cache(name, file), str) for file in weights
    )


def ask_hub(name: str) -> HubAnswer:
    """What the hub says of the model, after at most 3 seconds; remembered for this process."""
    return HubAnswer.UNREACHABLE if is_offline() else _ask_once(name)


@functools.cache
def _ask_once(name: str) -> HubAnswer:
    # A thread, because looking up a host without a network can outlast every timeout of the request itself.
    answers: list[HubAnswer] = []
    thread = threading.Thread(target=lambda: answers.append(_ask(name)), name="textclassify-hub", daemon=True)
    thread.start()
    thread.join(_SECONDS_TO_WAIT)
    return answers[0] if answers else HubAnswer.UNREACHABLE


def _ask(name: str) -> HubAnswer:
    try:
        from huggingface_hub import errors, get_hf_file_metadata, hf_hub_url
    except ModuleNotFoundError:
        return HubAnswer.UNREACHABLE
    # HTTPError is that of the HTTP client which the installed hub client uses; their common base.
    http_error: type[Exception] = errors.HTTPError  # type: ignore[attr-defined]
    try:
        get_hf_file_metadata(hf_hub_url(name, "config.json"), timeout=_SECONDS_TO_WAIT)
    except (errors.RepositoryNotFoundError, errors.RemoteEntryNotFoundError):
        return HubAnswer.ABSENT
    except (http_error, OSError, ValueError) as error:
        logger.debug("the model hub does not answer: %s", error)
        return HubAnswer.UNREACHABLE
    return HubAnswer.FOUND
