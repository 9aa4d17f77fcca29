"""The processor a model runs on, and the number format that is fast there."""

import contextlib
import functools
from collections.abc import Iterator
from typing import Any

from textclassify.errors import ConfigError
from textclassify.models.dependencies import needs_extra

with needs_extra("torch"):
    import torch
    from transformers.utils import logging


def pick_device(device: str = "auto") -> torch.device:
    """The device of this name; "auto" is the first GPU where there is one, else the CPU.

    Raises:
        ConfigError: there is no such device, or no such GPU in this machine.

    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        found = torch.device(device)
    except (RuntimeError, TypeError) as error:
        raise ConfigError(f'there is no device {device!r}; write "auto", "cpu", "cuda" or "cuda:1"') from error
    gpus = torch.cuda.device_count()
    if found.type == "cuda" and (found.index or 0) >= gpus:
        raise ConfigError(
            f'device={device!r} cannot be had: torch finds {gpus or "no"} GPUs here; write "auto" or "cpu", or install '
            "a torch with CUDA"
        )
    return found


@functools.cache
def has_fast_bf16(device: torch.device) -> bool:
    """Whether the device computes in bfloat16 itself; emulating it is slower than float32."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    capabilities: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    if capabilities:
        return any(capabilities.get(name) for name in ("avx512_bf16", "amx_bf16", "amx_tile", "bf16"))
    # Before torch 2.10 only these private functions tell.
    checks = (getattr(torch.cpu, name, None) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"))
    return any(check() for check in checks if check is not None)


def pick_dtype(precision: str, device: torch.device) -> torch.dtype:
    """The number format of a precision: "fp32", "bf16", "fp16", or "auto" (bf16 where it is fast, else fp32)."""
    formats = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
    if precision == "auto":
        return torch.bfloat16 if has_fast_bf16(device) else torch.float32
    if precision not in formats:
        raise ConfigError(f'unknown precision {precision!r}; write "auto", {", ".join(map(repr, formats))}')
    return formats[precision]


@contextlib.contextmanager
def quiet_transformers() -> Iterator[None]:
    """Transformers without its progress bars and advice, as it was again afterwards."""
    # Any, because these functions carry no types.
    library: Any = logging
    verbosity, bars = library.get_verbosity(), library.is_progress_bar_enabled()
    library.set_verbosity_error()
    library.disable_progress_bar()
    try:
        yield
    finally:
        library.set_verbosity(verbosity)
        if bars:
            library.enable_progress_bar()
