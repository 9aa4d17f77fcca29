"""GGUF files as Hugging Face folders: unpacked to bf16 once, kept in the user's cache."""

import contextlib
import functools
import hashlib
import logging
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from textclassify.core.storage import CACHE_VARIABLE, cache_folder
from textclassify.errors import ModelError
from textclassify.models.dependencies import needs_extra
from textclassify.models.devices import quiet_transformers

with needs_extra("torch"):
    # Transformers reads no GGUF file without these two.
    import accelerate  # type: ignore[import-untyped]  # noqa: F401
    import gguf  # noqa: F401
    import torch
    import transformers
    from filelock import FileLock

logger = logging.getLogger(__name__)

_PARTIAL = ".partial"


def unpacked(gguf_file: Path) -> Path:
    """The Hugging Face folder (weights in bf16, tokenizer, chat template) of a GGUF file.

    The first call for a file unpacks it (some 15 s for 135M parameters), later ones find the folder by the file's
    sha256. The folder appears complete or not at all, also when several processes ask at once.

    Raises:
        ModelError: the file cannot be read as a language model, or the cache folder cannot be written.
    """
    with gguf_file.open("rb") as opened:
        digest = hashlib.file_digest(opened, "sha256").hexdigest()
    folder = cache_folder() / "gguf" / digest[:32]
    if (folder / "config.json").exists():
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{folder}.lock"):
            if not (folder / "config.json").exists():
                for left_over in folder.parent.glob(f"{folder.name}.*{_PARTIAL}"):  # of a process that was killed
                    shutil.rmtree(left_over, ignore_errors=True)
                _unpack(gguf_file, folder)
    except OSError as error:
        raise ModelError(
            f"cannot keep the unpacked {gguf_file.name!r} in {str(folder.parent)!r} ({error}); "
            f"make room there, or set {CACHE_VARIABLE} to a folder that can be written"
        ) from error
    return folder


def _unpack(gguf_file: Path, folder: Path) -> None:
    logger.info("unpacking %s into %s (once)", gguf_file.name, folder)
    partial = Path(tempfile.mkdtemp(prefix=f"{folder.name}.", suffix=_PARTIAL, dir=folder.parent))
    try:
        _convert(gguf_file, partial)
        partial.chmod(0o755)
        partial.replace(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _convert(gguf_file: Path, target: Path) -> None:
    where, name = str(gguf_file.parent), gguf_file.name
    # Newer transformers keep the weights packed unless told otherwise; older ones always unpack.
    config_class = getattr(transformers, "GgufConfig", None)
    unpacking = {} if config_class is None else {"quantization_config": config_class(dequantize=True)}
    with quiet_transformers(), _without_conversion_bar():
        try:
            tokenizer = transformers.AutoTokenizer.from_pretrained(where, gguf_file=name, local_files_only=True)
            model = transformers.AutoModelForCausalLM.from_pretrained(
                where, gguf_file=name, dtype=torch.bfloat16, local_files_only=True, **unpacking
            )
        except Exception as error:  # a damaged file can fail anywhere, in the tokenizers library as a bare Exception
            raise ModelError(
                f"transformers cannot read the GGUF file {str(gguf_file)!r} ({error}); "
                "name a Hugging Face folder of the model instead"
            ) from error
        try:
            model.save_pretrained(target)
            tokenizer.save_pretrained(target)
        except Exception as error:  # where the disk is full, safetensors and tokenizers raise what is no OSError
            raise OSError(str(error)) from error


@contextlib.contextmanager
def _without_conversion_bar() -> Iterator[None]:
    """Transformers' GGUF reader draws its bar with tqdm itself, past its own switch for bars."""
    __import__("transformers.modeling_gguf_pytorch_utils")
    reader = sys.modules["transformers.modeling_gguf_pytorch_utils"]
    bar = getattr(reader, "tqdm", None)
    if bar is None:
        yield
        return
    reader.tqdm = functools.partial(bar, disable=True)  # type: ignore[attr-defined]
    try:
        yield
    finally:
        reader.tqdm = bar  # type: ignore[attr-defined]
