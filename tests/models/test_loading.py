"""Loading from folders and GGUF files: silent, safe, and clear about failures."""

import contextlib
import json
import logging
import shutil
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from textclassify.errors import ConfigError, ModelError

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from textclassify.models import gguf, loading  # noqa: E402
from textclassify.models.devices import has_fast_bf16, pick_device, pick_dtype, quiet_transformers  # noqa: E402
from textclassify.models.sources import ModelSource, resolve  # noqa: E402

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "cat", "dog", "runs"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A tiny BERT with random weights."""
    where = tmp_path_factory.mktemp("bert")
    (where / "vocab.txt").write_text("\n".join(WORDS))
    transformers.BertTokenizer.from_pretrained(where).save_pretrained(where)
    config = transformers.BertConfig(
        vocab_size=len(WORDS),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=12,
    )
    torch.manual_seed(0)
    transformers.BertModel(config).save_pretrained(where)
    return where


def test_an_encoder_and_its_tokenizer_load_without_a_word(folder, capfd, caplog):
    """A missing pooler or head is our business, not the user's."""
    source = resolve(folder, "encoder")
    with caplog.at_level(logging.WARNING):
        model, tokenizer = loading.load_encoder(source), loading.load_tokenizer(source)

    assert capfd.readouterr() == ("", "")
    assert not caplog.records
    assert not model.training
    assert model(**tokenizer(["a cat"], return_tensors="pt")).last_hidden_state.shape[-1] == 16
    assert loading.usable_length(model, tokenizer) == 12


def test_roberta_reads_two_tokens_less_than_its_table_of_positions():
    """Its positions start behind the padding index; one token more is an index error."""
    config = transformers.RobertaConfig(
        vocab_size=9, hidden_size=8, num_hidden_layers=1, num_attention_heads=1, max_position_embeddings=20
    )
    model = transformers.RobertaModel(config)
    no_limit = type("Tokenizer", (), {"model_max_length": 10**30})()

    longest = loading.usable_length(model, no_limit)

    assert longest == 18
    model(torch.full((1, longest), 5))
    with pytest.raises((IndexError, RuntimeError)):
        model(torch.full((1, longest + 1), 5))


def test_truncated_weights_are_a_model_error_that_names_the_folder(folder, tmp_path):
    for file in folder.iterdir():
        content = file.read_bytes()
        (tmp_path / file.name).write_bytes(content[:100] if file.suffix == ".safetensors" else content)

    with pytest.raises(ModelError, match=f"{tmp_path.name}.*cannot be loaded.*check that the folder is complete"):
        loading.load_encoder(resolve(tmp_path, "encoder"))


def test_weights_that_are_not_there_are_no_random_ones(folder, tmp_path):
    """A shallow copy under a deep configuration loads, and its features would be another run's noise."""
    copy = shutil.copytree(folder, tmp_path / "deep")
    settings = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps({**settings, "num_hidden_layers": 3}))

    with pytest.raises(ModelError, match=r"deep.*lacks 32 of its weights, such as 'encoder.layer.1"):
        loading.load_encoder(resolve(copy, "encoder"))


def test_an_encoder_is_no_language_model(folder):
    """Its head would be a random one, and every answer a guess."""
    with pytest.raises(ModelError, match=r"lacks .* weights, such as 'cls\.predictions"):
        loading.load_causal_lm(resolve(folder, "causal"))


def test_a_tokenizer_without_a_padding_token_pads_with_its_end_token(folder, tmp_path):
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    tokenizer = transformers.PreTrainedTokenizerFast.from_pretrained(folder)
    tokenizer.pad_token, tokenizer.eos_token = None, "[SEP]"
    tokenizer.save_pretrained(tmp_path)

    assert loading.load_tokenizer(resolve(tmp_path, "encoder")).pad_token == "[SEP]"


def test_the_library_is_as_talkative_as_before_once_a_model_is_loaded():
    """The user's settings are the user's."""
    before = transformers.utils.logging.get_verbosity(), transformers.utils.logging.is_progress_bar_enabled()
    with quiet_transformers():
        assert not transformers.utils.logging.is_progress_bar_enabled()

    assert before == (transformers.utils.logging.get_verbosity(), transformers.utils.logging.is_progress_bar_enabled())


def test_bf16_is_chosen_only_where_the_processor_has_it():
    cpu = pick_device("cpu")

    assert pick_dtype("auto", cpu) is (torch.bfloat16 if has_fast_bf16(cpu) else torch.float32)
    assert pick_dtype("fp32", cpu) is torch.float32


@pytest.mark.parametrize("device", ["cuda:99", "gpu", None])
def test_a_device_that_is_not_there_is_named(device):
    with pytest.raises(ConfigError, match=rf"device.*{device}.*\"cpu\""):
        pick_device(device)


def write_gguf(path):
    """A llama of one layer in float32, as llama.cpp would write it."""
    writer_class = pytest.importorskip("gguf").GGUFWriter
    pytest.importorskip("accelerate")
    tokens = ["<unk>", "<|im_start|>", "<|im_end|>", *"abcdefg", "ab", "Ġ"]
    writer = writer_class(str(path), "llama")
    writer.add_context_length(32)
    writer.add_embedding_length(8)
    writer.add_block_count(1)
    writer.add_feed_forward_length(16)
    writer.add_head_count(2)
    writer.add_head_count_kv(2)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(4)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(tokens)
    writer.add_token_types([2, 3, 3] + [1] * (len(tokens) - 3))
    writer.add_token_merges(["a b"])
    writer.add_eos_token_id(2)
    writer.add_chat_template("{{ messages[0]['content'] }}")
    rng = np.random.default_rng(0)
    shapes = {"token_embd": (len(tokens), 8), "output_norm": (8,), "output": (len(tokens), 8)}
    square, up, down = (8, 8), (16, 8), (8, 16)
    shapes |= {f"blk.0.attn_{part}": square for part in ("q", "k", "v", "output")}
    shapes |= {"blk.0.ffn_gate": up, "blk.0.ffn_up": up, "blk.0.ffn_down": down}
    shapes |= {"blk.0.attn_norm": (8,), "blk.0.ffn_norm": (8,)}
    for name, shape in shapes.items():
        writer.add_tensor(f"{name}.weight", rng.standard_normal(shape).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def test_a_gguf_file_is_unpacked_once_with_tokenizer_and_chat_template(tmp_path, monkeypatch, capfd):
    """The second load takes the folder; a second copy of the same file as well."""
    monkeypatch.setenv("TEXTCLASSIFY_CACHE_DIR", str(tmp_path / "cache"))
    write_gguf(tmp_path / "one.gguf")
    (tmp_path / "two.gguf").write_bytes((tmp_path / "one.gguf").read_bytes())

    model, tokenizer = loading.load_causal_lm(resolve(tmp_path / "one.gguf", "causal"))
    monkeypatch.setattr(gguf, "_unpack", lambda *_: pytest.fail("unpacked again"))
    again = gguf.unpacked(tmp_path / "two.gguf")

    assert capfd.readouterr() == ("", "")
    assert tokenizer.chat_template == "{{ messages[0]['content'] }}"
    assert model(torch.tensor([[3, 4]])).logits.shape == (1, 2, 12)
    assert {file.name for file in again.parent.iterdir()} == {again.name, f"{again.name}.lock"}


def test_a_file_wanted_twice_at_once_is_unpacked_once(tmp_path, monkeypatch):
    """Two runs started together must not write into each other's folder."""
    monkeypatch.setenv("TEXTCLASSIFY_CACHE_DIR", str(tmp_path / "cache"))
    (tmp_path / "any.gguf").write_bytes(b"GGUF")
    unpackings = []

    def slow_convert(_, target):
        unpackings.append(target)
        time.sleep(0.1)
        (target / "config.json").write_text("{}")

    monkeypatch.setattr(gguf, "_convert", slow_convert)
    with ThreadPoolExecutor(4) as pool:
        folders = set(pool.map(gguf.unpacked, [tmp_path / "any.gguf"] * 4))

    assert len(folders) == len(unpackings) == 1


def test_a_failed_unpacking_leaves_nothing_that_looks_finished(tmp_path, monkeypatch):
    """An interrupted first run must not spoil the second."""
    monkeypatch.setenv("TEXTCLASSIFY_CACHE_DIR", str(tmp_path / "cache"))
    (tmp_path / "bad.gguf").write_bytes(b"GGUF" + bytes(100))
    source = ModelSource("bad", str(tmp_path / "bad.gguf"), "gguf", "named folder")

    with pytest.raises(ModelError, match="cannot read the GGUF file"):
        loading.load_causal_lm(source)

    assert not [path for path in (tmp_path / "cache" / "gguf").iterdir() if path.is_dir()]


def test_a_cache_that_cannot_be_written_is_an_error_that_names_the_variable(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    (tmp_path / "any.gguf").write_bytes(b"GGUF")
    monkeypatch.setenv("TEXTCLASSIFY_CACHE_DIR", str(tmp_path / "file"))

    with pytest.raises(ModelError, match="set TEXTCLASSIFY_CACHE_DIR"):
        gguf.unpacked(tmp_path / "any.gguf")


@contextlib.contextmanager
def small_files_only(most_bytes):
    """No file may grow beyond this size, as if the disk were full."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("most_bytes", [100, 2000])
def test_a_full_disk_leaves_no_half_folder_and_says_where_room_is_needed(tmp_path, monkeypatch, most_bytes):
    """The configuration fits at times where the weights do not; a folder with one alone would be taken for a model."""
    monkeypatch.setenv("TEXTCLASSIFY_CACHE_DIR", str(tmp_path / "cache"))
    write_gguf(tmp_path / "any.gguf")

    with small_files_only(most_bytes), pytest.raises(ModelError, match="make room there"):
        gguf.unpacked(tmp_path / "any.gguf")

    assert not [path for path in (tmp_path / "cache" / "gguf").iterdir() if path.is_dir()]
    assert (gguf.unpacked(tmp_path / "any.gguf") / "config.json").exists()


def test_what_a_killed_process_left_of_an_unpacking_is_taken_away(tmp_path, monkeypatch):
    """Hundreds of megabytes that nobody would find."""
    monkeypatch.setenv("TEXTCLASSIFY_CACHE_DIR", str(tmp_path / "cache"))
    write_gguf(tmp_path / "any.gguf")
    folder = gguf.unpacked(tmp_path / "any.gguf")
    folder.rename(folder.with_name(f"{folder.name}.abc.partial"))

    assert gguf.unpacked(tmp_path / "any.gguf") == folder
    assert [path for path in folder.parent.iterdir() if path.is_dir()] == [folder]


def test_a_folder_without_a_tokenizer_is_refused_with_the_remedy(folder, tmp_path):
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())

    with pytest.raises(ModelError, match=r"no tokenizer .*tokenizer.save_pretrained\(folder\)"):
        resolve(tmp_path, "causal")


def test_a_tokenizer_that_cannot_be_read_is_an_error_that_names_the_folder(folder, tmp_path):
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(b"{" if file.name == "tokenizer.json" else file.read_bytes())

    with pytest.raises(ModelError, match=f"{tmp_path.name}.*cannot be loaded"):
        loading.load_tokenizer(resolve(tmp_path, "encoder"))
