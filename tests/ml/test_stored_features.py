"""Features by text, from a store that was filled before; and tensors from elsewhere that become such a store."""

import logging

import numpy as np
import pytest

from textclassify.errors import ConfigError, DataError, StorageError

torch = pytest.importorskip("torch")

from textclassify.ml.stored_features import StoredFeatures, import_features  # noqa: E402
from textclassify.ml.tensor_files import read_tensor  # noqa: E402
from textclassify.models.feature_store import FeatureSpec, FeatureStore  # noqa: E402

TEXTS = ["good", "bad", "good", "late", "lost"]
SPEC = FeatureSpec("1f read as 1", (-1, -2), "mean", 64, "bfloat16", shape=(2, 3), name="a model")


def features(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


@pytest.fixture
def tensor(tmp_path):
    """Return what writes an array into a file and reads it as a tensor."""

    def made(values, name="x.pt"):
        torch.save(torch.from_numpy(values), tmp_path / name)
        return read_tensor(tmp_path / name)

    return made


@pytest.fixture
def store(tmp_path):
    with FeatureStore(tmp_path / "store", SPEC) as kept:
        kept.add(["good", "bad"], np.arange(12).reshape(2, 2, 3))
    return tmp_path / "store"


def test_features_come_by_their_texts(store):
    """In the order that is asked for, as often as it is."""
    found = StoredFeatures(store)

    assert found.encode(["bad", "good", "bad"])[:, 0, 0].tolist() == [6, 0, 6]
    assert found.encode([]).shape == (0, 2, 3)
    assert found.rows(["bad"]).shape == (1, 2, 3)
    assert (found.shape, found.is_causal, found.name) == ((2, 3), True, "a model")


def test_a_text_that_is_not_there_comes_with_the_command(store):
    """Whoever reads it can type it as it stands."""
    with pytest.raises(DataError, match=r"2 of 3 texts have no features in .*, the first of them 'late'") as raised:
        StoredFeatures(store).encode(["good", "late", "lost"])

    options = "--model 'a model' --layers=2 --pooling mean --max-length 64 --precision bf16 --store"
    assert f"textclassify features extract DATA {options} {store}" in str(raised.value)


def test_a_folder_without_a_store_is_named_and_left_empty(tmp_path):
    """Asking makes no store."""
    for use in (StoredFeatures.check_model, lambda found: found.encode(["good"])):
        with pytest.raises(StorageError, match="no feature store in"):
            use(StoredFeatures(tmp_path / "none"))
    assert not (tmp_path / "none").exists()


def test_a_damaged_store_is_named(store):
    (store / "features.json").write_text("{", encoding="utf-8")

    with pytest.raises(StorageError, match="is damaged"):
        StoredFeatures(store).check_model()


def test_it_can_be_described_from_elsewhere(store, monkeypatch):
    """A saved classifier finds its features whatever the working folder is."""
    monkeypatch.chdir(store.parent)
    described = StoredFeatures("store").to_dict()
    monkeypatch.chdir("/")

    again = StoredFeatures.from_dict(described)

    assert again.encode(["good"]).shape == (1, 2, 3)
    assert again.identity == StoredFeatures(store).identity


@pytest.mark.parametrize("shape", [(5, 4), (5, 2, 4)])
@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_an_imported_tensor_is_there_by_text(tmp_path, tensor, shape, dtype):
    """To the last digit: numbers keep their format."""
    values = features(*shape).astype(dtype)
    values[2] = values[0]
    done = import_features(tensor(values), TEXTS, tmp_path / "new")

    found = StoredFeatures(tmp_path / "new")
    assert (done.added, done.spec.dtype, found.name) == (4, dtype, "new")
    np.testing.assert_array_equal(found.encode(TEXTS), values)


def test_parts_go_into_one_store(tmp_path, tensor):
    """Training, validation and test features belong together."""
    train, test = features(2, 4), features(3, 4, seed=1)
    import_features(tensor(train, "a.pt"), ["a", "b"], tmp_path / "new", name="bert")
    done = import_features(tensor(test, "b.pt"), ["c", "d", "e"], tmp_path / "new")

    assert done.added == 3
    found = StoredFeatures(tmp_path / "new")
    np.testing.assert_array_equal(found.encode(["e", "a"]), [test[2], train[0]])
    assert found.name == "bert"
    with pytest.raises(DataError, match=r"textclassify features import FILE\.pt DATA --store"):
        found.encode(["f"])


def test_stores_of_one_name_are_told_apart(tmp_path, tensor):
    """What is remembered of one must not be taken for the other."""
    for folder in ("one", "two"):
        import_features(tensor(features(1, 4)), ["a"], tmp_path / folder, name="bert")

    assert StoredFeatures(tmp_path / "one").identity != StoredFeatures(tmp_path / "two").identity


@pytest.mark.parametrize(("shape", "name"), [((2, 5), None), ((2, 2, 4), None), ((2, 4), "roberta")])
def test_other_features_do_not_go_into_a_store(tmp_path, tensor, shape, name):
    import_features(tensor(features(2, 4)), ["a", "b"], tmp_path / "new", name="bert")

    with pytest.raises(StorageError, match=r"keeps features 'bert' of shape \(4,\), and these are"):
        import_features(tensor(features(*shape)), ["c", "d"], tmp_path / "new", name=name)


def test_imported_features_do_not_mix_with_computed_ones(store, tensor):
    with pytest.raises(StorageError, match="keeps features that a model computed"):
        import_features(tensor(features(1, 2, 3)), ["a"], store)


@pytest.mark.parametrize("texts", [["a"], ["a", "b", "c"], []])
def test_every_text_needs_a_row(tmp_path, tensor, texts):
    with pytest.raises(DataError, match=f"has 2 rows for {len(texts)} texts"):
        import_features(tensor(features(2, 4)), texts, tmp_path / "new")


def test_nothing_of_a_tensor_with_a_hole_is_kept(tmp_path, tensor):
    """Half of a tensor would look whole."""
    values = features(4, 2)
    values[3] = np.nan
    with pytest.raises(DataError, match="row 3 of"):
        import_features(tensor(values), list("abcd"), tmp_path / "new")

    assert not (tmp_path / "new").exists()


def test_rows_in_another_order_are_found_out(tmp_path, tensor):
    """Texts that occur twice have one reading; a shuffled tensor gives them two."""
    texts = [f"text {row % 10}" for row in range(20)]
    right = np.tile(features(10, 8), (2, 1))
    shuffled = np.random.default_rng(1).permutation(right)

    with pytest.raises(DataError, match="the tensor belongs to other texts, or to these in another order"):
        import_features(tensor(shuffled), texts, tmp_path / "new")
    import_features(tensor(right), texts, tmp_path / "new")
    with pytest.raises(DataError, match="hold others, such as row"):
        import_features(tensor(shuffled[:10]), texts[:10], tmp_path / "new")


def test_a_text_with_two_readings_is_said(tmp_path, tensor, caplog):
    """Where means went over padding, a text's features depend on its batch."""
    values = features(5, 4)
    with caplog.at_level(logging.WARNING, logger="textclassify"):
        import_features(tensor(values), TEXTS, tmp_path / "new")

    assert "1 of 1 rows whose text has features already hold others, such as row 2" in caplog.text
    np.testing.assert_array_equal(StoredFeatures(tmp_path / "new").encode(["good"])[0], values[0])


def test_the_command_holds_nothing_that_a_shell_would_run(tmp_path):
    """A store may be a stranger's, and the command is there to be pasted."""
    spec = FeatureSpec("1f", ("-1;b",), "mean;c", "9;d", "bfloat16", shape=(2,), name="$(a)")
    FeatureStore(tmp_path, spec)

    with pytest.raises(DataError) as raised:
        StoredFeatures(tmp_path).encode(["late"])

    assert "--model '$(a)' --layers='-1;b' --pooling 'mean;c' --max-length '9;d' --precision" in str(raised.value)


def test_texts_that_can_be_read_once_are_read_once(store):
    """A generator is empty the second time: its features would be those of no texts."""
    with pytest.raises(DataError, match="1 of 1 texts"):
        StoredFeatures(store).encode(text for text in ["not there"])


def test_what_is_no_folder_is_named():
    with pytest.raises(ConfigError, match="folder=None is no folder"):
        StoredFeatures(None)
