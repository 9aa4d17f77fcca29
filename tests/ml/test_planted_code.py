"""A model folder from a stranger, checksums and all: whatever code it holds, none of it runs."""

import json
import os
import pickle

import pytest

import textclassify
from textclassify import TransformerClassifier
from textclassify.core.storage import MANIFEST, read_manifest, write_manifest
from textclassify.errors import ModelError

pytest.importorskip("torch")


class Trap:
    """An object that leaves a file behind when it is unpickled."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (str(self.mark),)


@pytest.fixture
def folder(tiny_encoder, messages, tmp_path):
    """A saved encoder with code and pickles planted in it, and a way to seal it again."""
    TransformerClassifier(str(tiny_encoder), num_epochs=0).fit(*messages).save(tmp_path / "model")
    inside, mark = tmp_path / "model" / "encoder", tmp_path / "it_ran"
    for name in ("modeling_x.py", "configuration_x.py", "setup.py", "sitecustomize.py"):
        (inside / name).write_text(f"import os; os.mkdir({str(mark)!r})\n")
    for name in ("pytorch_model.bin", "training_args.bin", "scheduler.pt"):
        (inside / name).write_bytes(pickle.dumps(Trap(mark)))
    config = json.loads((inside / "config.json").read_text())
    config["auto_map"] = {"AutoConfig": "configuration_x.X", "AutoModel": "modeling_x.X"}
    (inside / "config.json").write_text(json.dumps(config))
    return sealed_again(tmp_path / "model")


def sealed_again(folder):
    kind, state = read_manifest(folder, verify=False)
    (folder / MANIFEST).unlink()
    write_manifest(folder, kind, state)
    return folder


def test_code_and_pickles_beside_the_weights_are_not_touched(folder, messages):
    """Weights come from safetensors, and classes from the installed library alone."""
    loaded = textclassify.load(folder)

    assert loaded.predict_proba(messages[0]).shape == (8, 2)
    assert not (folder.parent / "it_ran").exists()


def test_a_pickle_in_the_place_of_the_weights_is_refused(folder):
    (folder / "encoder" / "model.safetensors").unlink()

    with pytest.raises(ModelError, match="only pickled weights, which can run code"):
        textclassify.load(sealed_again(folder))
    assert not (folder.parent / "it_ran").exists()
