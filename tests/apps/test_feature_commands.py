"""`textclassify features`: read once by a model, kept and resumed; or brought in a tensor."""

from __future__ import annotations

import json
import shlex
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from .conftest import assert_one_clear_line, csv_rows

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from safetensors.torch import load_file, save_file  # noqa: E402

from textclassify.apps import extracting  # noqa: E402
from textclassify.apps.failures import InterruptedRunError  # noqa: E402
from textclassify.core.progress import listening  # noqa: E402
from textclassify.errors import DataError  # noqa: E402
from textclassify.ml.encoder import FrozenEncoder  # noqa: E402
from textclassify.ml.stored_features import StoredFeatures  # noqa: E402

WORDS = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    "my",
    "invoice",
    "parcel",
    "late",
    "payment",
    "is",
    "a",
    "problem",
]


def saved_tiny(folder: Path, model_class: str, config_class: str) -> Path:
    (folder / "vocab.txt").parent.mkdir(parents=True)
    (folder / "vocab.txt").write_text("\n".join(WORDS))
    transformers.BertTokenizer.from_pretrained(folder).save_pretrained(folder)
    config = getattr(transformers, config_class)(
        vocab_size=len(WORDS),
        hidden_size=32,
        num_hidden_layers=5,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=64,
    )
    torch.manual_seed(0)
    getattr(transformers, model_class)(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved_tiny(tmp_path_factory.mktemp("tiny") / "bert", "BertModel", "BertConfig")


@pytest.fixture(scope="session")
def causal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved_tiny(tmp_path_factory.mktemp("tiny") / "llama", "LlamaForCausalLM", "LlamaConfig")


def test_features_are_extracted_and_written_in_the_order_of_the_rows(run, tiny):
    """The tensor is what the model says, row by row, and the store gives the same by text."""
    words = ["features", "extract", "train.csv", "--model", tiny, "--store", "kept", "--precision", "fp32"]
    result = run(*words, "--out", "new/x.pt")

    assert result.exit_code == 0, result.output
    texts, _ = extracting.texts_in("train.csv")
    written = torch.load("new/x.pt", weights_only=True).numpy()
    np.testing.assert_allclose(written, FrozenEncoder(tiny, precision="fp32").encode(texts), atol=2e-3)
    np.testing.assert_array_equal(written, StoredFeatures("kept").encode(texts))
    for said in ("60 rows, 60 different texts", "texts/s", "store: kept", "tensor (60, 32): new/x.pt"):
        assert said in result.stdout


def test_what_is_there_is_not_computed_again(run, tiny):
    """Typed again, with more rows: only the new ones are read, whatever file they are in."""
    words = ["--model", tiny, "--store", "kept", "--json"]
    run("features", "extract", "train.csv", *words)
    Path("more.csv").write_text(csv_rows(70), encoding="utf-8")
    result = run("features", "extract", "more.csv", *words)

    found = json.loads(result.stdout)
    assert (found["rows"], found["kept_before"], found["shape"]) == (70, 60, [32])
    assert "60 are in kept already" in result.stderr
    assert json.loads(run("features", "extract", "more.csv", *words).stdout)["texts_per_second"] is None


def test_a_causal_model_gives_five_layers(run, causal):
    """(n, 5, H), as published; --layers takes others, by their number or by name."""
    words = ["features", "extract", "test.csv", "--model", causal, "--json"]
    assert json.loads(run(*words, "--out", "x.npy").stdout)["shape"] == [5, 32]
    assert np.load("x.npy").shape == (24, 5, 32)
    assert json.loads(run(*words, "--layers", 2).stdout)["shape"] == [2, 32]
    assert json.loads(run(*words, "--layers", "-1,-2,-4").stdout)["shape"] == [3, 32]
    assert "cache" in json.loads(run(*words).stdout)["store"]


def test_a_part_of_a_folder_is_taken(run, tiny):
    """Under the names that data sets give their parts."""
    Path("data").mkdir()
    for name, rows in {"train.csv": 4, "dev.csv": 3, "TEST.csv": 2, "readme.csv": 1}.items():
        Path("data", name).write_text(csv_rows(rows), encoding="utf-8")
    for split, rows in {"train": 4, "valid": 3, "test": 2}.items():
        result = run("features", "extract", "data", "--split", split, "--model", tiny, "--json")
        assert json.loads(result.stdout)["rows"] == rows


def test_parts_that_are_not_there_are_named(run):
    """Before any model is loaded."""
    words = ["--model", "minilm"]
    Path("data").mkdir()
    assert_one_clear_line(run("features", "extract", "data", *words), "is a folder; name a file in it")
    for name in ("train.csv", "train.jsonl", "test.csv"):
        Path("data", name).write_text(csv_rows(3), encoding="utf-8")

    assert_one_clear_line(run("features", "extract", "data", *words), "--split train or test")
    for split, said in {"valid": "no part 'valid'", "train": "several files for 'train'", "x": "unknown split"}.items():
        assert_one_clear_line(run("features", "extract", "data", "--split", split, *words), said)
    assert_one_clear_line(run("features", "extract", "train.csv", "--split", "train", *words), "leave --split out")


def test_an_output_that_cannot_be_written_is_said_first(run, tiny):
    """Nobody reads a million texts for a file that cannot be."""
    words = ["features", "extract", "train.csv", "--model", tiny, "--store", "kept", "--out"]
    Path("old.pt").touch()

    assert_one_clear_line(run(*words, "x.txt"), "let it end in .pt, .npy, .safetensors")
    assert_one_clear_line(run(*words, "old.pt"), "exists; pass --overwrite")
    assert not Path("kept").exists()
    assert run(*words, "old.pt", "--overwrite").exit_code == 0


def test_wrong_options_are_said_as_they_are_typed(run, tiny, causal):
    words = ["features", "extract", "train.csv", "--model"]
    assert_one_clear_line(run(*words, tiny, "--pooling", "men"), "unknown pooling 'men'; did you mean 'mean'")
    assert_one_clear_line(run(*words, causal, "--pooling", "cls"), "--pooling cls is for encoders")
    assert_one_clear_line(run(*words, tiny, "--pooling", "pooler", "--layers", 2), "leave --layers out")
    assert_one_clear_line(run(*words, tiny, "--layers", "all"), "--layers is 'all'")
    assert_one_clear_line(run(*words, tiny, "--layers", 9), "has 5 layers", "--layers 9 is too many")
    assert_one_clear_line(run(*words, tiny, "--layers", "-1,-9"), "--layers=-1,-9 is too many")
    assert_one_clear_line(run(*words, "no/such/model"), "no/such/model")
    assert_one_clear_line(run(*words, tiny, "--device", "cuda:99"), "--device cuda:99 cannot be had")
    assert_one_clear_line(run(*words, tiny, "--store-dtype", "int8"), "unknown --store-dtype int8")


def test_the_command_for_a_missing_text_works_as_it_stands(run, causal):
    """It names the same layers, pooling and precision, so that the store takes what it computes."""
    run("features", "extract", "train.csv", "--model", causal, "--layers=-1,-3", "--pooling", "last", "--store", "kept")
    with pytest.raises(DataError) as raised:
        StoredFeatures("kept").encode(["a late payment"])
    words = shlex.split(str(raised.value).partition("textclassify ")[2])
    Path("DATA.csv").write_text("text\na late payment\n")

    result = run(*(word.replace("DATA", "DATA.csv") for word in words))

    assert result.exit_code == 0, result.output
    assert StoredFeatures("kept").encode(["a late payment"]).shape == (1, 2, 32)


def test_texts_that_are_none_are_refused(run, tiny):
    Path("none.jsonl").write_text("\n", encoding="utf-8")
    Path("header.csv").write_text("text,label\n", encoding="utf-8")
    for name in ("none.jsonl", "header.csv", "missing.csv"):
        assert_one_clear_line(run("features", "extract", name, "--model", tiny), name)


def test_other_features_do_not_go_into_a_store(run, tiny):
    words = ["features", "extract", "train.csv", "--model", tiny, "--store", "kept"]
    run(*words)
    assert_one_clear_line(run(*words, "--pooling", "cls"), "keeps other features (pooling 'mean' there, 'cls' here)")


@pytest.mark.usefixtures("folder")
def test_a_store_of_exact_numbers_is_added_to(tiny):
    """A program made it in float32; the command keeps to that."""
    FrozenEncoder(tiny, store="kept", store_dtype="float32").encode(["late"])
    done = extracting.extract("train.csv", FrozenEncoder(tiny, store="kept"), say=lambda _: None)

    assert (done.dtype, len(StoredFeatures("kept").encode(["late"]))) == ("float32", 1)


@pytest.mark.usefixtures("folder")
def test_a_stopped_extraction_goes_on(tiny):
    """Ctrl-C loses nothing that was computed."""

    def stopping(_task: str, done: int, total: int, _figures: str) -> None:
        if done and done < total:
            raise KeyboardInterrupt

    Path("long.csv").write_text("text\n" + "".join(f"my parcel {'late ' * (n % 60)}{n}\n" for n in range(400)))
    encoder, said = FrozenEncoder(tiny, store="kept"), list[str]()
    with listening(stopping), pytest.raises(InterruptedRunError, match="kept in 'kept'; type the same to go on"):
        extracting.extract("long.csv", encoder, say=said.append)
    done = extracting.extract("long.csv", encoder, say=said.append)

    assert 0 < done.kept_before < 400
    assert len(StoredFeatures("kept").encode(extracting.texts_in("long.csv")[0])) == 400


def test_a_tensor_is_imported_under_its_texts(run):
    """Part after part, into one store."""
    rows = np.random.default_rng(0).standard_normal((84, 5, 8)).astype(np.float32)
    torch.save({"train": torch.from_numpy(rows[:60]), "test": torch.from_numpy(rows[60:])}, "x.pt")
    words = ["--store", "kept", "--json"]
    assert_one_clear_line(run("features", "import", "x.pt", "train.csv", *words), "choose one: --key train")
    first = run("features", "import", "x.pt", "train.csv", "--key", "train", "--name", "llama", *words)
    again = run("features", "import", "x.pt", "test.csv", "--key", "test", *words)

    assert json.loads(first.stdout)["shape"] == [5, 8]
    assert json.loads(again.stdout)["kept_before"] == 0
    np.testing.assert_array_equal(StoredFeatures("kept").encode(extracting.texts_in("test.csv")[0]), rows[60:])


def test_a_tensor_that_cannot_be_used_is_one_line(run):
    torch.save(torch.ones(3, 4), "few.pt")
    torch.save(torch.nn.Linear(2, 2), "program.pt")
    words = ["train.csv", "--store", "kept"]

    assert_one_clear_line(run("features", "import", "few.pt", *words), "has 3 rows for 60 texts")
    assert_one_clear_line(run("features", "import", "program.pt", *words), "nothing in it was run")
    assert not Path("kept").exists()


@pytest.mark.usefixtures("folder")
def test_the_figures_are_those_of_the_new_texts(tiny):
    """What was there costs no time, and makes no speed."""
    done = extracting.extract("train.csv", FrozenEncoder(tiny, store="kept"), say=lambda _: None)

    assert replace(done, kept_before=50, seconds=2.0).texts_per_second == 5.0
    assert replace(done, kept_before=60).texts_per_second is None
    assert "embedding:features:kept" in done.lines()[-1]


def test_numbers_beyond_half_precision_have_a_remedy_that_can_be_typed(run, tiny, tmp_path):
    """A store of half-precision numbers ends at 65,504; some models go beyond."""
    big = shutil.copytree(tiny, tmp_path / "big")
    weights = load_file(big / "model.safetensors")
    weights["encoder.layer.4.output.LayerNorm.weight"] *= 1e6
    save_file(weights, big / "model.safetensors", {"format": "pt"})
    words = ["features", "extract", "train.csv", "--model", big, "--store"]

    assert_one_clear_line(run(*words, "half"), "--store-dtype float32, in another folder")
    assert_one_clear_line(
        run("train", "train.csv", "--ml-model", f"embedding:{big}", "--llm-provider", "none"),
        "features extract DATA --layers spread --store-dtype float32 --store FOLDER",
    )
    assert run(*words, "whole", "--store-dtype", "float32").exit_code == 0
    assert np.isfinite(StoredFeatures("whole").encode(["my invoice number 0 is a problem"])).all()
